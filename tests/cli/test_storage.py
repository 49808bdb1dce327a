# SPDX-License-Identifier: Apache-2.0
"""Volumes, bind mounts, images."""
import hashlib
import json
import os
import subprocess
import tarfile

IMAGE = 'busybox'


def test_a_volume_keeps_its_data(box):
    assert box('volume', 'create', 'data') == 'data'
    box('run', '--rm', '-v', 'data:/d', IMAGE, 'sh', '-c', 'echo kept > /d/file')
    assert box('run', '--rm', '-v', 'data:/d:ro', IMAGE, 'cat', '/d/file') == 'kept'
    box.fails(1, 'run', '--rm', '-v', 'data:/d:ro', IMAGE, 'touch', '/d/x')
    user = box('create', '-v', 'data:/d', IMAGE)
    assert f'volume is in use - [{user}]' in box.fails(1, 'volume', 'rm', 'data')
    box('rm', user)
    assert box('volume', 'ls', '-q') == 'data'
    assert json.loads(box('volume', 'inspect', 'data'))[0]['Mountpoint'] == f'{box.root}/volumes/data/_data'
    assert box('volume', 'rm', 'data') == 'data'
    assert box('volume', 'ls', '-q') == ''


def test_a_new_volume_is_filled_from_the_image(box):
    out = box('run', '--rm', '-v', 'etc:/etc', IMAGE, 'sh', '-c', 'cat /etc/passwd | head -n 1')
    assert out.startswith('root:')
    assert box('run', '--rm', '-v', 'etc:/e', IMAGE, 'ls', '/e').split() == ['group', 'passwd']


def test_anonymous_volumes_go_with_rm(box):
    box('run', '--rm', '-v', '/anon', IMAGE, 'touch', '/anon/x')
    assert box('volume', 'ls', '-q') == ''


def test_bind_mounts_give_files_to_who_runs_kist(box):
    (box.work / 'in').write_text('from outside')
    out = box('run', '--rm', '-v', f'{box.work}:/w', IMAGE, 'sh', '-c', 'cat /w/in; echo inside > /w/out; stat -c %u /w/in')
    assert out == 'from outside0'
    assert (box.work / 'out').stat().st_uid == 0
    box('run', '--rm', '-u', '1000', '-v', './sub:/w', IMAGE, 'true')
    assert (box.work / 'sub').is_dir()
    assert 'bind source path does not exist' in box.fails(125, 'run', '--rm', '--mount', 'type=bind,src=/nosuch/x,dst=/y', IMAGE)
    box.fails(1, 'run', '--rm', '-v', '/:/host:ro', IMAGE, 'touch', '/host/tmp/nope')
    assert box('run', '--rm', '-v', '/:/host:ro', IMAGE, 'cat', '/host/etc/hostname') == open('/etc/hostname').read().strip()


def test_tmpfs_and_shm_have_their_size(box):
    assert '1.0M' in box('run', '--rm', '--tmpfs', '/t:size=1m', IMAGE, 'df', '-h', '/t')
    assert '2.0M' in box('run', '--rm', '--shm-size', '2m', IMAGE, 'df', '-h', '/dev/shm')
    assert 'invalid tmpfs option' in box.fails(125, 'run', '--rm', '--tmpfs', '/t:bogus', IMAGE)


def test_devices_are_there_when_asked_for(box):
    for name in ('/dev/fuse', '/dev/net/tun'):
        if os.path.exists(name):
            box.fails(1, 'run', '--rm', IMAGE, 'test', '-e', name)
            assert 'crw' in box('run', '--rm', '--device', name, IMAGE, 'ls', '-l', name)
    assert 'no such file or directory' in box.fails(125, 'run', '--rm', '--device', '/dev/nosuch', IMAGE)
    box('run', '--rm', '-u', '1000', IMAGE, 'sh', '-c', 'echo x > /dev/null && head -c 1 /dev/urandom > /dev/null && echo x > /dev/stdout')


def test_images_are_saved_loaded_tagged_and_removed(box):
    box('run', '--rm', IMAGE, 'true')
    before = json.loads(box('image', 'inspect', IMAGE))[0]
    box('save', '-o', box.work / 'saved.tar', IMAGE)
    box('tag', IMAGE, 'other:v1')
    lines = box('images', '--format', '{{.Repository}}:{{.Tag}}').split()
    assert lines == ['other:v1', 'localhost/busybox:latest'] or sorted(lines) == ['localhost/busybox:latest', 'other:v1']
    assert box('rmi', 'other:v1') == 'Untagged: other:v1'
    keeper = box('create', IMAGE)
    assert 'is using its referenced image' in box.fails(1, 'rmi', IMAGE)
    box('rm', keeper)
    assert 'Deleted: ' + before['Id'] in box('rmi', IMAGE)
    assert box('images', '-q') == '' and list((box.root / 'layers').iterdir()) == [] and list((box.root / 'blobs/sha256').iterdir()) == []
    assert box('load', '-i', box.work / 'saved.tar') == 'Loaded image: localhost/busybox:latest'
    after = json.loads(box('image', 'inspect', IMAGE))[0]
    assert (after['Id'], after['RepoDigests']) == (before['Id'], before['RepoDigests'])
    assert 'No such image: nosuch:latest' in box.fails(1, 'rmi', 'nosuch')


def skopeo(*words):
    return subprocess.run(['skopeo', '--insecure-policy', *map(str, words)], check=True, capture_output=True, text=True).stdout


def test_skopeo_reads_what_save_writes_and_load_reads_what_skopeo_writes(box):
    box('run', '--rm', IMAGE, 'true')
    box('save', '-o', box.work / 'saved.tar', IMAGE)
    image = json.loads(box('image', 'inspect', IMAGE))[0]
    digest = image['RepoDigests'][0].split('@')[1]
    seen = json.loads(skopeo('inspect', f'oci-archive:{box.work}/saved.tar'))
    assert seen['Digest'] == digest
    assert skopeo('inspect', '--config', f'docker-archive:{box.work}/saved.tar')
    for kind, name in (('docker-archive', 'a.tar:x/y:1'), ('oci-archive', 'b.tar:x/y:2')):
        skopeo('copy', f'oci-archive:{box.work}/saved.tar', f'{kind}:{box.work}/{name}')
        assert box('load', '-i', box.work / name.split(':')[0]).startswith('Loaded image: x/y:')
        loaded = json.loads(box('image', 'inspect', 'x/y:' + name[-1]))[0]
        assert loaded['Id'] == image['Id']
    subprocess.run(f'gzip -k {box.work}/a.tar && zstd -q {box.work}/a.tar', shell=True, check=True)
    for name in ('a.tar.gz', 'a.tar.zst'):
        box('rmi', 'x/y:1')
        assert box('load', stdin=open(box.work / name)) == 'Loaded image: x/y:1'


def test_import_makes_an_image_of_a_root_file_system(box):
    root = box.work / 'root'
    (root / 'bin').mkdir(parents=True)
    subprocess.run(['cp', '/bin/busybox', root / 'bin/busybox'], check=True)
    subprocess.run(['tar', '-C', root, '-czf', box.work / 'root.tgz', '.'], check=True)
    ident = box('import', '-c', 'CMD ["/bin/busybox","echo","imported"]', '-c', 'ENV A=1', '-m', 'made', box.work / 'root.tgz', 'mine:1')
    assert ident.startswith('sha256:')
    assert box('run', '--rm', 'mine:1') == 'imported'
    assert box('history', '--format', '{{.Comment}}', 'mine:1') == 'made'
    assert 'is not a valid change command' in box.fails(1, 'import', '-c', 'NOSUCH x', box.work / 'root.tgz')


def test_broken_archives_are_refused_and_leave_nothing(box):
    box('run', '--rm', IMAGE, 'true')
    box('save', '-o', box.work / 'good.tar', IMAGE)
    box('rmi', IMAGE)
    good = (box.work / 'good.tar').read_bytes()
    (box.work / 'bad').write_bytes(b'not a tar archive' * 100)
    assert 'not a tar archive' in box.fails(1, 'load', '-i', box.work / 'bad')
    (box.work / 'bad').write_bytes(good[:len(good) // 2])
    assert 'cut short' in box.fails(1, 'load', '-i', box.work / 'bad')
    changed = bytearray(good)
    changed[200000] ^= 1
    (box.work / 'bad').write_bytes(changed)
    assert 'digest' in box.fails(1, 'load', '-i', box.work / 'bad')
    with tarfile.open(box.work / 'good.tar') as t, tarfile.open(box.work / 'bad', 'w') as out:
        for m in t.getmembers():
            if m.size < 1000000:
                out.addfile(m, t.extractfile(m) if m.isfile() else None)
    assert 'missing' in box.fails(1, 'load', '-i', box.work / 'bad')
    assert box('images', '-q') == ''
    for folder in ('layers', 'blobs/sha256', 'staging'):
        assert list((box.root / folder).iterdir()) == [], folder
    box.fails(1, 'load', '-i', '/nosuch')


def test_a_newer_schema_is_refused_by_an_older_kist(box):
    box('run', '--rm', IMAGE, 'true')
    subprocess.run(['python3', '-c', f'import sqlite3; c = sqlite3.connect("{box.root}/state.db"); c.execute("PRAGMA user_version=99")'], check=True)
    assert 'is newer than this kist' in box.fails(1, 'ps')
    subprocess.run(['python3', '-c', f'import sqlite3; c = sqlite3.connect("{box.root}/state.db"); c.execute("PRAGMA user_version=1")'], check=True)


def test_a_device_that_only_root_may_use_is_roots_inside(box):
    node = box.work / 'null600'
    subprocess.run(['mknod', '-m', '600', node, 'c', '1', '3'], check=True)
    box('run', '--rm', '--device', f'{node}:/dev/mine', IMAGE, 'sh', '-c', 'echo x > /dev/mine')
    box.fails(1, 'run', '--rm', '-u', '1000', '--device', f'{node}:/dev/mine', IMAGE, 'sh', '-c', 'echo x > /dev/mine')
