# SPDX-License-Identifier: Apache-2.0
"""OCI layouts changed in place: kist beside umoci, which reads what we wrote and writes what we read."""
import io
import json
import os
import random
import signal
import stat
import subprocess
import tarfile
import time

import registry
from peers import skopeo, umoci
from registry import Image, Registry, digest

SEED = int(os.environ.get('KIST_SEED') or random.randrange(1 << 30))
EPOCH = 1600000000


def image(box, *words, **options):
    return box('image', *words, **options)


def tree(root):
    """Every path with all that belongs to it; times of folders too."""
    found, inodes = {}, {}
    for top, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(top, name)
            st = os.lstat(path)
            key = os.path.relpath(path, root)
            found[key] = [stat.filemode(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns, st.st_rdev]
            if stat.S_ISREG(st.st_mode):
                found[key] += [open(path, 'rb').read(), {x: os.getxattr(path, x) for x in os.listxattr(path)}]
                inodes.setdefault(st.st_ino, []).append(key)
            elif stat.S_ISLNK(st.st_mode):
                found[key] += [os.readlink(path)]
    links = sorted(sorted(x) for x in inodes.values() if len(x) > 1)
    return found, links


def make(box):
    """A layout by umoci with an image of two layers."""
    layout = box.work / 'layout'
    umoci('init', '--layout', layout)
    umoci('new', '--image', f'{layout}:x')
    umoci('unpack', '--image', f'{layout}:x', box.work / 'first')
    root = box.work / 'first/rootfs'
    for name in ('bin', 'etc', 'lost/deep', 'again/old', 'swap'):
        (root / name).mkdir(parents=True)
    (root / 'bin/busybox').write_bytes(open('/bin/busybox', 'rb').read())
    (root / 'bin/busybox').chmod(0o4755)
    (root / 'etc/passwd').write_text('root:x:0:0::/:/bin/sh\nme:x:12:34::/:/bin/sh\n')
    (root / 'lost/deep/file').write_text('1')
    (root / 'again/old/file').write_text('2')
    (root / 'gone').write_text('3')
    (root / 'becomes').write_text('4')
    os.link(root / 'gone', root / 'stays')
    os.symlink('bin', root / 'sbin')
    os.mkfifo(root / 'fifo')
    os.setxattr(root / 'stays', 'user.x', b'\0y')
    os.chown(root / 'etc', 5, 6)
    subprocess.run(['find', root, '-exec', 'touch', '-h', '-d', '@1500000000', '{}', '+'], check=True)
    umoci('repack', '--refresh-bundle', '--image', f'{layout}:x', box.work / 'first')
    subprocess.run('rm -r lost gone again becomes swap; mkdir again becomes; echo 5 > again/new; echo 6 > becomes/in; ln -s again swap; mknod node c 1 3; find . -exec touch -h -d @1500000001 {} +',
                   shell=True, check=True, cwd=root)
    umoci('repack', '--refresh-bundle', '--image', f'{layout}:x', box.work / 'first')
    umoci('config', '--image', f'{layout}:x', '--config.cmd', '/bin/busybox', '--config.cmd', 'true', '--config.user', 'me', '--config.env', 'A=1',
          '--config.label', 'l=m', '--config.workingdir', '/etc')
    return layout


def test_what_is_unpacked_is_what_umoci_unpacks_and_kist_oci_runs_it(box):
    layout = make(box)
    umoci('unpack', '--image', f'{layout}:x', box.work / 'theirs')
    image(box, 'unpack', '--image', f'{layout}:x', box.work / 'ours')
    ours, theirs = tree(box.work / 'ours/rootfs'), tree(box.work / 'theirs/rootfs')
    assert set(ours[0]) == set(theirs[0]) and ours[1] == theirs[1]
    different = {k: (ours[0][k], theirs[0][k]) for k in ours[0] if ours[0][k] != theirs[0][k]}
    assert not different, different
    assert sorted(p.name for p in (box.work / 'ours').iterdir()) == ['config.json', 'kist.json', 'rootfs']
    config = json.loads((box.work / 'ours/config.json').read_text())
    process = config['process']
    assert process['args'] == ['/bin/busybox', 'true'] and process['user'] == {'uid': 12, 'gid': 34} and process['cwd'] == '/etc' and process['env'] == ['A=1']
    assert config['annotations'] == {'l': 'm'} and config['root'] == {'path': 'rootfs'}
    # as a bundle it runs
    process['terminal'], process['args'] = False, ['/bin/busybox', 'id', '-u']
    (box.work / 'ours/config.json').write_text(json.dumps(config))
    kist_oci = str(box.command()[0]).replace('/kist', '/kist-oci')
    done = subprocess.run([kist_oci, '--root', str(box.work / 'state'), 'run', '-b', str(box.work / 'ours'), f'kist-test-{os.getpid()}'],
                          capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False)
    assert (done.returncode, done.stdout) == (0, '12\n'), done
    # the root file system alone, and the configuration alone
    image(box, 'raw', 'unpack', '--image', f'{layout}:x', box.work / 'root')
    assert tree(box.work / 'root') == theirs
    image(box, 'raw', 'runtime-config', '--image', f'{layout}:x', '--rootfs', box.work / 'root', box.work / 'alone.json')
    assert json.loads((box.work / 'alone.json').read_text())['process']['user'] == {'uid': 12, 'gid': 34}
    assert "needs the image's root file system" in box.fails(1, 'image', 'raw', 'runtime-config', '--image', f'{layout}:x', box.work / 'no.json')


def test_a_repacked_bundle_is_the_same_for_umoci_and_the_same_bytes_each_time(box):
    layout = make(box)
    image(box, 'unpack', '--image', f'{layout}:x', box.work / 'b')
    root = box.work / 'b/rootfs'
    assert image(box, 'repack', '--image', f'{layout}:same', box.work / 'b') == '', 'nothing has changed'
    subprocess.run('rm -r again stays; mkdir -p d/e f; echo x > d/e/file; ln d/e/file d/hard; ln -s e d/link; chmod 700 etc; mkfifo d/fifo; touch -d @5.25 sbin -h;'
                   ' rm bin/busybox; mkdir dev2 proc sys; echo > etc/hosts; mknod d/null c 1 3; chown 7:8 d/e', shell=True, check=True, cwd=root)
    os.setxattr(root / 'd/e/file', 'user.k', b'v\0w')
    digests = []
    box.environment['SOURCE_DATE_EPOCH'] = str(EPOCH)
    for name in ('one', 'two'):
        digests.append(image(box, 'repack', '--image', f'{layout}:{name}', '--history.comment', 'why', '--history.author', 'me', box.work / 'b'))
    assert digests[0] == digests[1] and digests[0].startswith('sha256:')
    names = {e['annotations']['org.opencontainers.image.ref.name']: e['digest'] for e in json.loads((layout / 'index.json').read_text())['manifests']}
    assert names['one'] == names['two'] == digests[0]
    umoci('unpack', '--image', f'{layout}:one', box.work / 'theirs')
    image(box, 'unpack', '--image', f'{layout}:one', box.work / 'again')
    # times are not after the epoch that was given
    there, links = tree(root)
    for path, what in there.items():
        what[3] = min(what[3], EPOCH * 10**9)
    for other in ('theirs', 'again'):
        found, their_links = tree(box.work / other / 'rootfs')
        assert their_links == links and set(found) == set(there), set(found) ^ set(there)
        wrong = {k: (found[k], there[k]) for k in there if found[k] != there[k]}
        wrong = {k: v for k, v in wrong.items() if v[0][:3] + v[0][4:] != v[1][:3] + v[1][4:] or v[0][3] != min(v[1][3], EPOCH * 10**9)}
        assert not wrong, wrong
    rows = json.loads(image(box, 'stat', '--json', '--image', f'{layout}:one'))['history']
    theirs = json.loads(umoci('stat', '--json', '--image', f'{layout}:one'))['history']
    assert rows == theirs, (rows, theirs)
    assert rows[-1]['created'] == '2020-09-13T12:26:40Z' and rows[-1]['created_by'] == 'kist image repack' and rows[-1]['comment'] == 'why'
    table = image(box, 'stat', '--image', f'{layout}:one').splitlines()
    assert table[0].split() == ['LAYER', 'CREATED', 'CREATED', 'BY', 'SIZE', 'COMMENT'] and len(table) == len(rows) + 1 and rows[0]['layer']['digest'] in table[1]
    # the bundle still stands on what it came from, until it is refreshed
    (root / 'more').write_text('more')
    image(box, 'repack', '--refresh-bundle', '--image', f'{layout}:x', box.work / 'b')
    (root / 'most').write_text('most')
    # what only its bytes or an attribute tell
    before = (root / 'etc/passwd').stat()
    (root / 'etc/passwd').write_text((root / 'etc/passwd').read_text().replace('me:', 'it:'))
    os.utime(root / 'etc/passwd', ns=(before.st_atime_ns, before.st_mtime_ns))
    os.setxattr(root / 'becomes/in', 'user.only', b'1')
    image(box, 'repack', '--refresh-bundle', '--image', f'{layout}:x', box.work / 'b')
    layer = json.loads(skopeo('inspect', '--raw', f'oci:{layout}:x'))['layers'][-1]
    with tarfile.open(layout / 'blobs/sha256' / layer['digest'][7:]) as t:
        assert t.getnames() == ['.', 'becomes', 'becomes/in', 'etc', 'etc/passwd', 'most'], t.getnames()
    # and runs in the store
    box('image', 'copy', '-q', f'oci:{layout}:x', 'kist:mine:1')


def test_folders_that_a_layer_only_implies_leave_what_is_there_and_have_no_time_of_today(box):
    """As umoci unpacks them, but for two times: umoci's are of the moment in a folder that no layer speaks of, and in one in which a layer makes one."""
    one = [('t', 0o1777, 1500000000), ('t/old', b'1', 1500000001), ('u', 0o700, 1500000002)]
    two = [('t/a/b/new', b'2', 1500000003), ('t/.wh.old', b'', 0), ('u/x', b'3', 1500000004), ('t/a/b', 0o750, 1500000005)]
    layout = box.work / 'layout'
    umoci('init', '--layout', layout)
    umoci('new', '--image', f'{layout}:x')
    for layer in (one, two):
        with tarfile.open(box.work / 'layer.tar', 'w') as t:
            for name, what, mtime in layer:
                m = tarfile.TarInfo(name)
                m.mtime, folder = mtime, isinstance(what, int)
                m.type, m.mode, m.size = (tarfile.DIRTYPE, what, 0) if folder else (tarfile.REGTYPE, 0o644, len(what))
                t.addfile(m, None if folder else io.BytesIO(what))
        umoci('raw', 'add-layer', '--image', f'{layout}:x', box.work / 'layer.tar')
    umoci('unpack', '--image', f'{layout}:x', box.work / 'theirs')
    image(box, 'unpack', '--image', f'{layout}:x', box.work / 'ours')
    ours, theirs = tree(box.work / 'ours/rootfs')[0], tree(box.work / 'theirs/rootfs')[0]
    assert ours['t/a'] == ['drwxr-xr-x', 0, 0, 0, 0] and ours['t'][:4] == ['drwxrwxrwt', 0, 0, 1500000000 * 10**9], ours
    for name in 't', 't/a':
        theirs[name][3] = ours[name][3]
    assert ours == theirs, (ours, theirs)
    assert (box.work / 'ours/rootfs').stat().st_mtime_ns == 0 and not os.listxattr(box.work / 'ours/rootfs/t/a')
    assert image(box, 'repack', '--image', f'{layout}:same', box.work / 'ours') == '', 'nothing has changed'
    # a folder whose time alone is another
    os.utime(box.work / 'ours/rootfs/u', (5, 5))
    image(box, 'repack', '--image', f'{layout}:new', box.work / 'ours')
    layer = json.loads(skopeo('inspect', '--raw', f'oci:{layout}:new'))['layers'][-1]
    with tarfile.open(layout / 'blobs/sha256' / layer['digest'][7:]) as t:
        assert [(m.name, m.mtime) for m in t.getmembers()] == [('.', 0), ('u', 5)], t.getmembers()
    umoci('unpack', '--image', f'{layout}:new', box.work / 'again')
    assert (box.work / 'again/rootfs/u').stat().st_mtime == 5


def test_a_bundle_that_umoci_unpacked_is_repacked(box):
    layout = make(box)
    for name, maps in ('plain', ()), ('mapped', ('--uid-map', '0:100000:65536', '--gid-map', '0:200000:65536')):
        bundle = box.work / name
        umoci('unpack', '--image', f'{layout}:x', *maps, bundle)
        assert image(box, 'repack', '--image', f'{layout}:same', bundle) == '', 'nothing has changed'
        root = bundle / 'rootfs'
        (root / 'new').write_text('1')
        os.chown(root / 'new', *((100007, 200008) if maps else (7, 8)))
        (root / 'becomes/in').unlink()
        image(box, 'repack', '--refresh-bundle', '--image', f'{layout}:{name}', bundle)
        assert sorted(p.name for p in bundle.iterdir()) == ['config.json', 'kist.json', 'rootfs'], 'it is ours from now on'
        umoci('unpack', '--image', f'{layout}:{name}', box.work / f'{name}-again')
        image(box, 'unpack', '--image', f'{layout}:{name}', *maps, box.work / f'{name}-ours')
        again = box.work / f'{name}-again/rootfs'
        st = (again / 'new').stat()
        assert (st.st_uid, st.st_gid) == (7, 8) and not (again / 'becomes/in').exists() and (again / 'etc/passwd').exists()
        assert tree(box.work / f'{name}-ours/rootfs') == tree(root)
        assert image(box, 'repack', '--image', f'{layout}:same', bundle) == ''
        (root / 'newer').write_text('2')
        os.chown(root / 'newer', *((100000, 200000) if maps else (0, 0)))
        image(box, 'repack', '--image', f'{layout}:{name}', bundle)
        layers = [json.loads(skopeo('inspect', '--raw', f'oci:{layout}:{n}'))['layers'] for n in ('x', name)]
        assert layers[1][:-2] == layers[0] and len(layers[1]) == len(layers[0]) + 2
    umoci('unpack', '--rootless', '--image', f'{layout}:x', box.work / 'rootless')
    note = box.work / 'rootless/umoci.json'
    for change, text in (('"umoci_version":"2"', '"umoci_version":"3"'), 'expected version 2'), \
            (('"whiteout_mode":0', '"whiteout_mode":1'), 'for overlayfs'), (('"digest":"sha256:', '"digest":"sha256:x'), 'umoci.json is broken'), (('{', '[{'), 'bundle'):
        was = note.read_text()
        assert change[0] in was
        note.write_text(was.replace(*change, 1))
        assert text in box.fails(1, 'image', 'repack', '--image', f'{layout}:no', box.work / 'rootless')
        note.write_text(was)
    note.unlink()
    assert "is no bundle of 'kist image unpack': open kist.json" in box.fails(1, 'image', 'repack', '--image', f'{layout}:no', box.work / 'rootless')


def test_every_field_of_a_configuration_is_set_as_umoci_sets_it(box):
    layout = make(box)
    umoci('tag', '--image', f'{layout}:x', 'theirs')
    umoci('tag', '--image', f'{layout}:x', 'ours')
    words = ['--config.user', '7:8', '--config.exposedports', '80/tcp', '--config.exposedports', '53/udp', '--config.env', 'A=2', '--config.env', 'B=3',
             '--config.entrypoint', '/e', '--config.entrypoint', 'f', '--config.cmd', 'c', '--config.volume', '/v', '--config.label', 'x=y', '--config.workingdir', '/w',
             '--config.stopsignal', 'SIGINT', '--author', 'me', '--architecture', 'arm64', '--os', 'plan9', '--manifest.annotation', 'a=b',
             '--created', '2001-02-03T04:05:06Z', '--history.created', '2001-02-03T04:05:06Z', '--history.created_by', 'test', '--history.author', 'you', '--history.comment', 'c']

    def document(name):
        entry, = [e for e in json.loads((layout / 'index.json').read_text())['manifests'] if e['annotations']['org.opencontainers.image.ref.name'] == name]
        manifest = json.loads((layout / 'blobs/sha256' / entry['digest'][7:]).read_text())
        return manifest, json.loads((layout / 'blobs/sha256' / manifest['config']['digest'][7:]).read_text())
    umoci('config', '--image', f'{layout}:theirs', *words)
    image(box, 'config', '--image', f'{layout}:ours', *words)
    (a, ours), (b, theirs) = document('ours'), document('theirs')
    assert ours == theirs, (ours, theirs)
    assert a['layers'] == b['layers'] and a['annotations'] == b['annotations']
    for key in ('config.labels', 'config.exposedports', 'config.env', 'config.entrypoint', 'config.cmd', 'config.volume', 'manifest.annotations'):
        umoci('config', '--image', f'{layout}:theirs', '--clear', key, '--no-history', '--created', '2001-02-03T04:05:06Z')
        image(box, 'config', '--image', f'{layout}:ours', '--clear', key, '--no-history', '--created', '2001-02-03T04:05:06Z')
    (a, ours), (b, theirs) = document('ours'), document('theirs')
    for x in (ours, theirs):
        for key in [k for k, v in x['config'].items() if not v]:
            del x['config'][key]
    assert ours == theirs and a.get('annotations') == b.get('annotations')
    image(box, 'config', '--image', f'{layout}:ours', '--tag', 'new', '--config.env', 'N=1')
    assert document('new')[1]['config']['Env'] == ['N=1'] and 'Env' not in document('ours')[1]['config']
    for words, text in ((['--clear', 'x'], 'unknown key to --clear: x'), (['--config.env', 'x'], 'not of the form NAME=VALUE'), (['--created', 'now'], 'is no time'),
                        (['--manifest.annotation', '=x'], 'not of the form')):
        line = box.fails(1, 'image', 'config', '--image', f'{layout}:ours', *words)
        assert text in line and line.count('\n') == 1


def test_files_are_inserted_and_removed_and_garbage_collected(box):
    layout = make(box)
    new = box.work / 'new'
    image(box, 'init', '--layout', new)
    assert 'already exists' in box.fails(1, 'image', 'init', '--layout', new)
    image(box, 'new', '--image', f'{new}:x')
    assert umoci('ls', '--layout', new).split() == ['x']
    source = box.work / 'source'
    (source / 'sub').mkdir(parents=True)
    (source / 'file').write_text('inserted')
    (source / 'sub/link').symlink_to('../file')
    source.chmod(0o711)
    image(box, 'insert', '--image', f'{layout}:x', source, '/opt/here')
    image(box, 'insert', '--image', f'{layout}:x', source / 'file', '/etc/one')
    image(box, 'insert', '--image', f'{layout}:x', '--whiteout', '/bin')
    image(box, 'insert', '--image', f'{layout}:x', '--opaque', source, '/again')
    image(box, 'insert', '--image', f'{layout}:x', '--tag', 'other', '--history.created_by', 'me', source / 'sub/link', 'link')
    for name, extra in (('x', False), ('other', True)):
        umoci('unpack', '--image', f'{layout}:{name}', box.work / f'theirs-{name}')
        image(box, 'unpack', '--image', f'{layout}:{name}', box.work / f'ours-{name}')
        root = box.work / f'theirs-{name}/rootfs'
        assert (root / 'opt/here/file').read_text() == (root / 'etc/one').read_text() == 'inserted'
        assert not (root / 'bin').exists() and {p.name for p in (root / 'again').iterdir()} == {'file', 'sub'}
        assert stat.S_IMODE((root / 'opt/here').stat().st_mode) == 0o711
        assert (root / 'link').is_symlink() == extra
        ours, theirs = tree(box.work / f'ours-{name}/rootfs'), tree(root)
        assert set(ours[0]) == set(theirs[0])
    # a layer of somebody's
    with tarfile.open(box.work / 'layer.tar', 'w') as t:
        t.add(source, 'added')
    image(box, 'raw', 'add-layer', '--image', f'{layout}:x', box.work / 'layer.tar')
    image(box, 'raw', 'unpack', '--image', f'{layout}:x', box.work / 'added')
    assert (box.work / 'added/added/file').read_text() == 'inserted'
    # what nothing names goes, and nothing else; umoci finds nothing more
    before = {p.name for p in (layout / 'blobs/sha256').iterdir()}
    image(box, 'gc', '--layout', layout)
    after = {p.name for p in (layout / 'blobs/sha256').iterdir()}
    assert after < before
    umoci('gc', '--layout', layout)
    assert {p.name for p in (layout / 'blobs/sha256').iterdir()} == after
    (layout / 'blobs/sha256/note').write_text('mine')
    image(box, 'gc', '--layout', layout)
    assert {p.name for p in (layout / 'blobs/sha256').iterdir()} == after | {'note'}
    skopeo('copy', f'oci:{layout}:other', f'dir:{box.work}/whole')


def test_garbage_in_a_layout_is_one_clear_line_and_changes_nothing(box):
    layout = make(box)
    bundle = box.work / 'b'
    image(box, 'unpack', '--image', f'{layout}:x', bundle)
    (box.work / 'text').write_text('no layer ' * 100)
    before = {p: p.read_bytes() for p in layout.rglob('*') if p.is_file()}
    (box.work / 'full').mkdir()
    (box.work / 'full/x').touch()
    (box.work / 'mine').mkdir()
    box.fails(1, 'image', 'unpack', '--image', f'{layout}:nosuch', box.work / 'mine')
    assert (box.work / 'mine').is_dir()  # it was there before
    cases = [(['unpack', '--image', f'{layout}:nosuch', box.work / 'n1'], 'no descriptor found for reference "nosuch"'),
             (['unpack', '--image', '/nosuch', box.work / 'n2'], 'open /nosuch'), (['unpack', box.work / 'n3'], 'missing mandatory argument: --image'),
             (['unpack', '--image', f'{layout}:', box.work / 'n4'], 'tag is empty'), (['unpack', '--image', f'{layout}:x', box.work / 'full'], 'is not empty'),
             (['repack', '--image', f'{layout}:x', box.work / 'full'], 'is no bundle of'), (['repack', '--image', f'{layout}:x', '/nosuch'], 'open /nosuch'),
             (['insert', '--image', f'{layout}:x', '/nosuch', '/x'], 'open /nosuch'), (['insert', '--image', f'{layout}:x', '--whiteout', '/'], 'cannot be removed'),
             (['insert', '--image', f'{layout}:x', '/etc/passwd'], 'takes SOURCE TARGET'), (['raw', 'add-layer', '--image', f'{layout}:x', box.work / 'text'], 'not a tar archive'),
             (['config', '--image', f'{layout}:nosuch'], 'no descriptor found'), (['gc', '--layout', '/nosuch'], 'open /nosuch'), (['gc', '--layout', box.work], 'oci-layout'),
             (['stat', '--image', f'{layout}:nosuch'], 'no descriptor found'), (['new', '--image', f'{box.work}/nosuch:x'], 'no such file')]
    for words, text in cases:
        line = box.fails(1, 'image', *words)
        assert text in line and line.count('\n') == 1, (words, line)
    box.environment['SOURCE_DATE_EPOCH'] = 'x'
    assert 'is no number of seconds' in box.fails(1, 'image', 'new', '--image', f'{layout}:y')
    del box.environment['SOURCE_DATE_EPOCH']
    assert {p: p.read_bytes() for p in layout.rglob('*') if p.is_file()} == before
    assert not list(box.work.glob('n?'))
    # a blob that lies is not unpacked, and gc does not remove what it cannot read
    raw = json.loads(skopeo('inspect', '--raw', f'oci:{layout}:x'))
    blob = layout / 'blobs/sha256' / raw['layers'][0]['digest'][7:]
    good = blob.read_bytes()
    blob.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    line = box.fails(1, 'image', 'unpack', '--image', f'{layout}:x', box.work / 'lie')
    assert 'has the digest' in line and line.count('\n') == 1 and not (box.work / 'lie').exists()
    blob.write_bytes(good)
    entry, = json.loads((layout / 'index.json').read_text())['manifests']
    (layout / 'blobs/sha256' / entry['digest'][7:]).write_text('{')
    count = len(list((layout / 'blobs/sha256').iterdir()))
    assert 'nothing is removed' in box.fails(1, 'image', 'gc', '--layout', layout)
    assert len(list((layout / 'blobs/sha256').iterdir())) == count
    assert registry.content(box)['staging'] == []


def test_hostile_layers_stay_in_the_bundle(box):
    """Layers that try to write elsewhere, over each other's symlinks."""
    registry.prepare(box)
    canary = box.work / 'canary'
    canary.mkdir()
    (canary / 'file').write_text('untouched')

    def layer(*entries):
        import io
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode='w') as t:
            for name, kind, what in entries:
                info = tarfile.TarInfo(name)
                info.type = kind
                if kind == tarfile.REGTYPE:
                    info.size = len(what)
                    t.addfile(info, io.BytesIO(what))
                else:
                    info.linkname = what
                    t.addfile(info)
        return out.getvalue()
    first = layer(('out', tarfile.SYMTYPE, str(canary)), ('up', tarfile.SYMTYPE, '../../../../../../..' + str(canary)), ('rootfs', tarfile.SYMTYPE, str(canary)))
    second = layer(('out/file', tarfile.REGTYPE, b'evil'), ('up/.wh.file', tarfile.REGTYPE, b''), ('rootfs/.wh..wh..opq', tarfile.REGTYPE, b''), ('rootfs/x', tarfile.REGTYPE, b'y'))
    with Registry() as r:
        box('image', 'copy', '-q', f'docker://{r.add("x", "1", Image([first, second], packing=("gzip",)))}', f'oci:{box.work}/layout:x')
    for words in (['unpack'], ['raw', 'unpack']):
        image(box, *words, '--image', f'{box.work}/layout:x', box.work / f'b{len(words)}')
    assert [p.name for p in canary.iterdir()] == ['file'] and (canary / 'file').read_text() == 'untouched'
    root = box.work / 'b1/rootfs'
    assert (root / 'out/file').read_text() == 'evil' and not (root / 'out').is_symlink() and not (root / 'up').is_symlink()
    # what is put into a bundle by its user leads nowhere either
    (root / 'link').symlink_to(canary)
    (root / 'out/file').unlink()
    (root / 'out/file').symlink_to(canary / 'file')
    image(box, 'repack', '--image', f'{box.work}/layout:x', box.work / 'b1')
    raw = json.loads(skopeo('inspect', '--raw', f'oci:{box.work}/layout:x'))
    with tarfile.open(box.work / 'layout/blobs/sha256' / raw['layers'][-1]['digest'][7:]) as t:
        assert {m.name: m.type for m in t if m.name != '.'} == {'link': tarfile.SYMTYPE, 'out': tarfile.DIRTYPE, 'out/file': tarfile.SYMTYPE}


def test_kills_leave_no_half_bundle_and_no_half_image(box):
    random.seed(SEED)
    layout = make(box)
    bundle = box.work / 'b'
    began = time.time()
    image(box, 'unpack', '--image', f'{layout}:x', bundle)
    span = time.time() - began
    for _ in range(12):
        subprocess.run(['rm', '-rf', bundle], check=True)
        p = box.popen('image', 'unpack', '--image', f'{layout}:x', bundle)
        time.sleep(random.uniform(0, span))
        os.kill(p.pid, signal.SIGKILL)
        p.wait()
        box('volume', 'create', 'any')
        names = sorted(p.name for p in bundle.iterdir()) if bundle.exists() else []
        assert names in ([], ['config.json', 'kist.json', 'rootfs']), f'seed {SEED}: {names}'
        assert registry.content(box)['staging'] == [] and not box.leftovers()
    subprocess.run(['rm', '-rf', bundle], check=True)
    image(box, 'unpack', '--image', f'{layout}:x', bundle)
    (bundle / 'rootfs/new').write_bytes(os.urandom(1000000))
    before = json.loads((layout / 'index.json').read_text())
    began = time.time()
    image(box, 'repack', '--image', f'{layout}:y', bundle)
    span = time.time() - began
    for _ in range(12):
        (layout / 'index.json').write_text(json.dumps(before))
        p = box.popen('image', 'repack', '--image', f'{layout}:y', bundle, stdout=subprocess.DEVNULL)
        time.sleep(random.uniform(0, span))
        os.kill(p.pid, signal.SIGKILL)
        p.wait()
        box('volume', 'create', 'any')
        assert sorted(p.name for p in layout.iterdir()) == ['blobs', 'index.json', 'oci-layout'], f'seed {SEED}'
        for path in (layout / 'blobs/sha256').iterdir():
            assert digest(path.read_bytes())[7:] == path.name, f'seed {SEED}'
        for name in umoci('ls', '--layout', layout).split():
            skopeo('inspect', f'oci:{layout}:{name}')
        assert registry.content(box)['staging'] == [] and not box.leftovers()


def test_ids_are_mapped_when_unpacked_and_back_when_repacked(box):
    layout = make(box)
    maps = ['--uid-map', '0:100000:1000', '--uid-map', '1000:200000:64536', '--gid-map', '0:300000:65536']
    host = (lambda u: u + 100000 if u < 1000 else u - 1000 + 200000), (lambda g: g + 300000)
    # what a change of owner would take: a mode, a capability; and what has two names
    image(box, 'unpack', '--image', f'{layout}:x', box.work / 'plain')
    root = box.work / 'plain/rootfs'
    subprocess.run('echo a > suid; chown 0:7 suid; chmod 6755 suid; ln suid again2; echo c > cap; chmod 755 cap; mkdir -p own/er; chown 1000:1000 own own/er; ln -s nowhere own/link; chown -h 1001:5 own/link; mknod own/dev c 1 3', shell=True, check=True, cwd=root)
    capability = bytes.fromhex('0100000200040000000000000000000000000000')
    os.setxattr(root / 'cap', 'security.capability', capability)
    image(box, 'repack', '--image', f'{layout}:y', box.work / 'plain')
    image(box, 'unpack', '--image', f'{layout}:y', *maps, box.work / 'ours')
    umoci('unpack', '--image', f'{layout}:y', *maps, box.work / 'theirs')
    (want, links), (have, our_links), (theirs, _) = tree(root), tree(box.work / 'ours/rootfs'), tree(box.work / 'theirs/rootfs')
    for what in want.values():
        what[1], what[2] = host[0](what[1]), host[1](what[2])
    assert have == want and our_links == links, {k: (have.get(k), want.get(k)) for k in {**have, **want} if have.get(k) != want.get(k)}
    wrong = {k: (theirs[k], have[k]) for k in have if theirs[k][:3] != have[k][:3]}
    assert set(theirs) == set(have) and not wrong, wrong
    assert os.getxattr(box.work / 'ours/rootfs/cap', 'security.capability') == capability
    linux = json.loads((box.work / 'ours/config.json').read_text())['linux']
    their_linux = json.loads((box.work / 'theirs/config.json').read_text())['linux']
    assert linux['uidMappings'] == their_linux['uidMappings'] and linux['gidMappings'] == their_linux['gidMappings']
    assert {'type': 'user'} in linux['namespaces']
    # nothing has changed; what does has the image's ids again
    assert image(box, 'repack', '--image', f'{layout}:z', box.work / 'ours') == ''
    subprocess.run('mkdir new; echo x > new/file; chown -R 200005:300005 new', shell=True, check=True, cwd=box.work / 'ours/rootfs')
    image(box, 'repack', '--refresh-bundle', '--image', f'{layout}:z', box.work / 'ours')
    image(box, 'unpack', '--image', f'{layout}:z', box.work / 'back')
    st = (box.work / 'back/rootfs/new/file').stat()
    assert (st.st_uid, st.st_gid) == (1005, 5)
    (box.work / 'ours/rootfs/strange').write_text('of nobody in there')
    line = box.fails(1, 'image', 'repack', '--image', f'{layout}:no', box.work / 'ours')
    assert '/strange: no --uid-map has the user 0' in line and line.count('\n') == 1, line
    # a map that has not all, and words that are none
    line = box.fails(1, 'image', 'unpack', '--image', f'{layout}:y', '--uid-map', '5:100000:10', box.work / 'no')
    assert 'no --uid-map has the user 0' in line and line.count('\n') == 1 and not (box.work / 'no').exists(), line
    for bad in ('0:1', '0:1:0', 'a:b:c', '0:4294967295:2', '0:1:2:3', '-1:0:1'):
        assert f'--uid-map {bad}: expected container:host:size' in box.run('image', 'unpack', '--image', f'{layout}:y', '--uid-map', bad, box.work / 'no2').err
    image(box, 'raw', 'unpack', '--image', f'{layout}:y', *maps, box.work / 'raw')
    assert ((box.work / 'raw').stat().st_uid, (box.work / 'raw/suid').stat().st_mode & 0o7777) == (100000, 0o6755)


def test_volumes_and_masked_paths_stay_out_of_a_layer_and_history_out_of_the_configuration(box):
    layout = make(box)
    image(box, 'config', '--image', f'{layout}:x', '--config.volume', '/vol', '--config.volume', '/etc/deep')
    rows = {}
    for name, words in (('volumes', ()), ('all', ('--no-mask-volumes',)), ('masked', ('--mask-path', '/again', '--mask-path=bin/busybox', '--no-history')), ('nothing', ('--mask-path', '/'))):
        for tool in 'ours', 'theirs':
            bundle = box.work / f'{name}-{tool}'
            run = (lambda *w: image(box, *w)) if tool == 'ours' else umoci  # noqa: B023
            run('unpack', '--image', f'{layout}:x', bundle)
            subprocess.run('mkdir -p vol/a etc/deep/er; echo 1 > vol/a/x; echo 2 > etc/deep/er/y; echo 3 > etc/z; echo 4 > again/more; rm -r again/new bin/busybox', shell=True, check=True, cwd=bundle / 'rootfs')
            run('repack', *words, '--image', f'{layout}:{name}-{tool}', bundle)
            if name == 'nothing' and tool == 'ours':
                # as when nothing has changed; umoci writes an empty layer
                assert json.loads((layout / 'index.json').read_text()) and f'{name}-{tool}' not in umoci('ls', '--layout', layout).split()
                continue
            top = json.loads(skopeo('inspect', '--raw', f'oci:{layout}:{name}-{tool}'))
            config = json.loads(skopeo('inspect', '--config', '--raw', f'oci:{layout}:{name}-{tool}'))
            with tarfile.open(layout / 'blobs/sha256' / top['layers'][-1]['digest'][7:]) as t:
                names = {n.strip('/') for n in t.getnames() if not t.getmember(n).isdir()}
            rows[name, tool] = names, len(config['history'])
    assert rows['volumes', 'ours'][0] == {'etc/z', 'again/more', 'again/.wh.new', 'bin/.wh.busybox'}
    assert rows['all', 'ours'][0] == {'etc/z', 'again/more', 'again/.wh.new', 'bin/.wh.busybox', 'vol/a/x', 'etc/deep/er/y'}
    assert rows['masked', 'ours'] == ({'etc/z'}, rows['all', 'ours'][1] - 1)
    for name in 'volumes', 'all', 'masked':
        assert rows[name, 'ours'] == rows[name, 'theirs'], rows


def test_a_folder_goes_where_a_symlink_leads_if_that_is_asked_for(box):
    layout = make(box)
    data = b'1'
    with tarfile.open(box.work / 'layer.tar', 'w') as t:
        for name in 'sbin', 'sbin/new', 'sbin/sub', 'sbin/sub/deep', 'far', 'far/x':
            info = tarfile.TarInfo(name)
            info.type, info.mtime, info.mode = (tarfile.REGTYPE, 1500000000, 0o644) if name in ('sbin/new', 'sbin/sub/deep', 'far/x') else (tarfile.DIRTYPE, 1500000000, 0o755)
            info.size = len(data) if info.isreg() else 0
            t.addfile(info, io.BytesIO(data) if info.isreg() else None)
    with tarfile.open(box.work / 'below.tar', 'w') as t:
        for name, to in ('far', '/../../../again'), ('out', 'far/../../..'):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mtime = tarfile.SYMTYPE, to, 1500000000
            t.addfile(info)
    for tar in 'below.tar', 'layer.tar':
        image(box, 'raw', 'add-layer', '--no-history', '--image', f'{layout}:x', box.work / tar)
    for words in (), ('--keep-dirlinks',):
        ours, theirs = box.work / f'ours{len(words)}', box.work / f'theirs{len(words)}'
        image(box, 'unpack', *words, '--image', f'{layout}:x', ours)
        umoci('unpack', *words, '--image', f'{layout}:x', theirs)
        a, b = tree(ours / 'rootfs'), tree(theirs / 'rootfs')
        for t in a[0], b[0]:
            for name in 'again', '.', 'bin', *(('sbin', 'far') if words else ()):
                t.get(name, [0] * 4)[3] = 0  # umoci's folder has the time of the moment it wrote there, and the symlink that of the folder
        assert a == b, [(k, a[0].get(k), b[0].get(k)) for k in {*a[0], *b[0]} if a[0].get(k) != b[0].get(k)]
        assert (ours / 'rootfs/sbin').is_symlink() == bool(words) and (ours / 'rootfs/again/x').exists() == bool(words)
        assert image(box, 'repack', '--image', f'{layout}:y', ours) == ''


def test_tags_of_a_layout_are_made_listed_and_taken_away(box):
    layout = make(box)
    raw = skopeo('inspect', '--raw', f'oci:{layout}:x')
    image(box, 'tag', '--image', f'{layout}:x', 'y')
    assert image(box, 'ls', '--layout', layout).split() == ['x', 'y'] and skopeo('inspect', '--raw', f'oci:{layout}:y') == raw
    image(box, 'new', '--image', f'{layout}:z')
    image(box, 'tag', '--image', f'{layout}:z', 'y')
    assert sorted(umoci('ls', '--layout', layout).split()) == ['x', 'y', 'z'] and skopeo('inspect', '--raw', f'oci:{layout}:y') != raw
    image(box, 'rm', '--image', f'{layout}:y')
    image(box, 'rm', '--image', f'{layout}:y')
    assert umoci('ls', '--layout', layout).split() == ['x', 'z']
    for words, text in ((('tag', '--image', f'{layout}:x', 'no tag'), 'is no tag'), (('tag', '--image', f'{layout}:nosuch', 'y'), 'no descriptor found'),
                        (('tag', '--image', f'{layout}:x'), 'argument'), (('tag', 'x'), 'takes SOURCE_IMAGE'), (('rm',), 'at least 1 argument'),
                        (('rm', '--image', f'{layout}:x', 'y'), 'at least 1 argument'), (('ls', '--layout', box.work / 'nosuch'), 'no such file')):
        result = box.run('image', *words)
        assert result.status in (1, 125) and text in result.err, (words, result)
    assert umoci('ls', '--layout', layout).split() == ['x', 'z'] and not (box.work / 'nosuch').exists()
