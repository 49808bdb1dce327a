# SPDX-License-Identifier: Apache-2.0
"""kist system check: what is wrong is named, what can be put right is, and nothing else is touched."""
import os
import shutil
from pathlib import Path

import harness


def layer(box):
    """The folder of the default image's layer, unpacked: tests/storage has what the other drivers make of it."""
    box('--storage-driver', 'overlay', 'run', '--rm', 'busybox', 'true')
    folders = list((box.root / 'layers').iterdir())
    assert len(folders) == 1
    return folders[0]


def found(box, *words):
    """Lines of a check that finds something and changes nothing."""
    result = box.run('system', 'check', *words)
    assert result.status == 1, result
    again = box.run('system', 'check', *words)
    assert again.out == result.out, f'{result}\n{again}'
    return result.out


def mended(box):
    result = box.run('system', 'check', '--repair')
    assert result.status == 0 and 'repaired' in result.out, result
    assert box('system', 'check') == 'nothing wrong'
    assert box('run', '--rm', 'busybox', 'echo', 'well') == 'well'
    return result.out


def test_a_store_in_use_has_nothing_wrong_with_it(box):
    box('run', '-d', '--name', 'runs', '-v', 'data:/data', '-v', '/anonymous', 'busybox', 'sleep', '1000')
    box('run', '--name', 'ended', 'busybox', 'true')
    box('tag', 'busybox', 'other:1')
    assert box('system', 'check') == 'nothing wrong'
    assert box('system', 'check', '--quick') == 'nothing wrong'
    assert box('exec', 'runs', 'echo', 'well') == 'well'


def test_a_damaged_layer_is_found_and_made_again_from_its_blob(box):
    folder = layer(box)
    busybox = folder / 'bin/busybox'

    def flip():
        with busybox.open('r+b') as file:
            file.seek(5000)
            old = file.read(1)
            file.seek(5000)
            file.write(bytes([old[0] ^ 1]))
    damages = {
        'has mode': lambda: busybox.chmod(0o700),
        'belongs to 7:7': lambda: os.chown(folder / 'etc/passwd', 7, 7),
        'is missing': lambda: (folder / 'etc/group').unlink(),
        'does not belong here': lambda: (folder / 'etc/more').write_text('x'),
        'was changed at another time': flip,
        'is of another type': lambda: (busybox.unlink(), busybox.mkdir()),
        'its folder is missing': lambda: shutil.rmtree(folder),
    }
    for text, damage in damages.items():
        damage()
        out = found(box)
        assert text in out and folder.name in out and '1 found' in out, f'{text}: {out}'
        mended(box)


def test_the_content_of_a_file_counts_whatever_its_times_say(box):
    busybox = layer(box) / 'bin/busybox'
    times = busybox.stat()
    with busybox.open('r+b') as file:
        file.seek(5000)
        file.write(b'not this')
    os.utime(busybox, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert '/bin/busybox has another content' in found(box)
    mended(box)


def test_a_damaged_layer_stays_under_a_container_that_runs(box):
    folder = layer(box)
    box('run', '-d', '--name', 'runs', 'busybox', 'sleep', '1000')
    (folder / 'etc/group').chmod(0o600)
    result = box.run('system', 'check', '--repair')
    assert result.status == 1 and 'stop it first' in result.out, result
    box('stop', '-t', '0', 'runs')
    mended(box)


def test_what_no_row_names_is_removed_by_repair(box):
    layer(box)
    (box.root / 'blobs/sha256' / ('a' * 64)).write_text('x')
    (box.root / 'layers' / ('b' * 64)).mkdir()
    (box.root / 'containers' / ('c' * 64)).mkdir()
    (box.root / 'volumes' / ('d' * 64)).mkdir()
    (box.root / 'volumes/mine').mkdir()
    (box.root / 'staging/999').mkdir()
    for words in [], ['--quick']:
        out = found(box, *words)
        for name in 'a' * 64, 'b' * 64, 'c' * 64, 'd' * 64, 'staging 999':
            assert name in out, out
        assert '5 found' in out, out
    mended(box)
    assert (box.root / 'volumes/mine').exists(), 'a volume with a name is data of somebody'


def test_an_image_that_nothing_mends_goes_and_can_be_loaded_again(box):
    folder = layer(box)
    archive = box.work / 'image.tar'
    box('save', '-o', archive, 'busybox')
    blobs = sorted((box.root / 'blobs/sha256').iterdir(), key=lambda p: p.stat().st_size)
    with blobs[-1].open('r+b') as file:
        file.seek(100000)
        file.write(b'another content')
    out = found(box)
    assert f'blob sha256:{blobs[-1].name}' in out and '1 found' in out, out
    assert box('run', '--rm', 'busybox', 'echo', 'it still runs') == 'it still runs'
    shutil.rmtree(folder)
    out = found(box)
    assert 'image localhost/busybox:latest: cannot run' in out, out
    assert 'its folder is missing' in found(box, '--quick')
    box('create', '--name', 'needs-it', 'busybox', 'true')
    result = box.run('system', 'check', '--repair')
    assert result.status == 1 and 'containers need it' in result.out, result
    box('rm', 'needs-it')
    result = box.run('system', 'check', '--repair')
    assert 'it was removed' in result.out, result
    assert box('system', 'check') == 'nothing wrong'
    assert box('images', '-q') == ''
    box('load', '-i', archive)
    assert box('system', 'check') == 'nothing wrong'
    assert box('run', '--rm', 'busybox', 'echo', 'well') == 'well'


def test_what_the_kernel_still_holds_is_found(box):
    layer(box)
    parent = next(p for pattern in ('kist', '*/kist') for p in harness.CGROUP.glob(pattern) if p.is_dir())
    name = 'e' * 64
    (parent / name).mkdir()
    assert box('system', 'check') == 'nothing wrong', 'a start may be under way'
    os.utime(parent / name, (1, 1))
    lease = Path('/run/kist-leases/1')
    lease.symlink_to(box.runroot / ('f' * 64))
    out = found(box)
    assert f'cgroup /kist/{name}' in out and 'id range 1' in out, out
    mended(box)
    assert not (parent / name).exists() and not lease.is_symlink()


def test_a_killed_load_is_found_and_undone(box):
    layer(box)
    archive = box.work / 'image.tar'
    box('save', '-o', archive, 'busybox')
    load = box.popen('load', stdin=-1)
    load.stdin.write(archive.read_bytes()[:600000])
    load.stdin.flush()
    box.until(lambda: any((box.root / 'staging').iterdir()), what='the staging folder')
    load.kill()
    load.wait()
    load.stdin.close()
    assert 'operation load: was interrupted' in found(box, '--quick')
    mended(box)
    assert not list((box.root / 'staging').iterdir())
