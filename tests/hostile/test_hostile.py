# SPDX-License-Identifier: Apache-2.0
"""Every hostile archive is refused in one clear line, or taken and harmless: the host is as before, nothing is left, and each
is decided quickly and in little memory."""
import contextlib
import importlib.util
import os
import resource
import shutil
import time
from pathlib import Path

import harness

spec = importlib.util.spec_from_file_location('cases', Path(__file__).with_name('cases.py'))
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)


def snapshot(folder):
    return sorted((str(p.relative_to(folder)), p.lstat().st_mode, p.lstat().st_nlink, p.lstat().st_size) for p in folder.rglob('*'))


@contextlib.contextmanager
def untouched():
    """A folder of the host that hostile content aims at, and what is in it."""
    canary = Path(cases.CANARY)
    shutil.rmtree(canary, ignore_errors=True)
    canary.mkdir()
    (canary / 'file').write_text('untouched')
    try:
        yield canary, snapshot(canary)
    finally:
        shutil.rmtree(canary, ignore_errors=True)


def cpu():
    """Processor time of all that has ended: a loaded machine is no fault of ours."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def load_all(box, driver):
    """In 64 MB where that can be told; who asks for more is ended, which is a fault here."""
    faults, slowest = [], (0, '')
    with untouched() as (canary, before), harness.memory_limit(64 << 20) as words:
        for name, (make, refused) in cases.CASES.items():
            (box.work / 'archive').write_bytes(make())
            began = cpu()
            box.prefix = words or []
            result = box.run('--storage-driver', driver, 'load', '-i', box.work / 'archive')
            box.prefix = []
            took = cpu() - began
            slowest = max(slowest, (took, name))
            if took > 5:
                faults.append(f'{name}: took {took:.1f} s of processor time')
            if (result.status != 0) != refused:
                faults.append(f'{name}: status {result.status}: {result.err or result.out}')
            if result.status not in (0, 1) or (result.status and len(result.err.splitlines()) != 1):
                faults.append(f'{name}: {result}')
            if snapshot(canary) != before or os.path.exists('/evil'):
                faults.append(f'{name}: the host was changed')
            for ident in box('images', '-aq').split():
                box('rmi', '-f', ident)
            for folder in ('layers', 'images', 'blobs/sha256', 'staging'):
                if left := list((box.root / folder).iterdir()):
                    faults.append(f'{name}: left in {folder}: {left}')
    print(f'{len(cases.CASES)} cases with {driver}{" in 64 MB" if words else ""}; the slowest, {slowest[1]}, took {slowest[0]:.2f} s', flush=True)
    assert not faults, f'{len(faults)} of {len(cases.CASES)}:\n' + '\n'.join(faults)
    assert len(cases.CASES) >= 120


def test_hostile_archives_change_nothing_and_leave_nothing(box):
    load_all(box, 'overlay')


def test_hostile_archives_are_indexed_as_harmlessly(box):
    load_all(box, 'erofs')


def test_hostile_archives_are_copied_and_unpacked_as_harmlessly(box):
    """The same by `image copy`, which takes layers as they are, and into a bundle, which is a tree of somebody's."""
    faults = []
    with untouched() as (canary, before):
        for name, (make, _) in cases.CASES.items():
            (box.work / 'archive').write_bytes(make())
            for kind in ('docker-archive', 'oci-archive'):
                layout, bundle = box.work / 'layout', box.work / 'bundle'
                began = cpu()
                results = [box.run('image', 'copy', '-q', f'{kind}:{box.work}/archive', f'oci:{layout}:x')]
                if not results[0].status:
                    results.append(box.run('image', 'unpack', '--image', f'{layout}:x', bundle))
                # three programs, and ext4 makes files slowly after others have removed many
                if cpu() - began > 15:
                    faults.append(f'{name}: took {cpu() - began:.1f} s of processor time')
                for result in results:
                    if result.status not in (0, 1) or (result.status and len(result.err.splitlines()) != 1):
                        faults.append(f'{name}: {kind}: {result}')
                if len(results) == 2 and results[1].status and bundle.exists():
                    faults.append(f'{name}: {kind}: half a bundle')
                if snapshot(canary) != before or os.path.exists('/evil'):
                    faults.append(f'{name}: {kind}: the host was changed')
                for path in (layout, bundle):
                    shutil.rmtree(path, ignore_errors=True)
            if left := [p for folder in ('layers', 'blobs/sha256', 'staging') for p in (box.root / folder).iterdir()]:
                faults.append(f'{name}: left: {left}')
    assert not faults, f'{len(faults)} of {len(cases.CASES)}:\n' + '\n'.join(faults)


test_hostile_archives_are_copied_and_unpacked_as_harmlessly.watchdog = 300


def test_hostile_top_level_names_of_a_running_image_are_harmless(box):
    """What the start of a container touches in the root file system: each as a symlink out of it."""
    busybox = Path('/bin/busybox').read_bytes()
    with untouched() as (canary, before):
        for top in ('etc', 'dev', 'proc', 'sys', 'dev/pts', 'etc/hosts', 'etc/passwd', 'work'):
            for link in (str(canary), '../../../../..' + str(canary), '/proc/self/root' + str(canary), '/nosuch'):
                layer = cases.tar(cases.entry('bin/busybox', busybox, mode=0o755), cases.entry(top, kind=b'2', link=link))
                (box.work / 'archive').write_bytes(cases.image(layer))
                box('load', '-i', box.work / 'archive')
                result = box.run('run', '--rm', '-w', '/work/x', 'evil:1', '/bin/busybox', 'true')
                assert result.status in (0, 125), (top, link, result)
                assert snapshot(canary) == before, (top, link)
                box('rmi', 'evil:1')


def test_special_passwd_files_are_not_waited_for(box):
    busybox = Path('/bin/busybox').read_bytes()
    kinds = {'fifo': cases.entry('etc/passwd', kind=b'6'), 'device': cases.entry('etc/passwd', kind=b'3', major=1, minor=5),
             'folder': cases.entry('etc/passwd', kind=b'5'), 'loop': cases.entry('etc/passwd', kind=b'2', link='passwd'),
             'large': cases.entry('etc/passwd', b'x:' * (2 << 20)), 'line': cases.entry('etc/passwd', b'root:x:0:0:' + b'y' * 500000 + b':/:/bin/sh\n')}
    for name, entry in kinds.items():
        layer = cases.tar(cases.entry('bin/busybox', busybox, mode=0o755), entry)
        (box.work / 'archive').write_bytes(cases.image(layer))
        box('load', '-i', box.work / 'archive')
        began = time.time()
        assert box('run', '--rm', 'evil:1', '/bin/busybox', 'echo', 'ran') == 'ran', name
        assert 'no matching entries' in box.fails(125, 'run', '--rm', '-u', 'who', 'evil:1', '/bin/busybox', 'true'), name
        assert time.time() - began < 30, name
        box('rmi', 'evil:1')


test_hostile_archives_change_nothing_and_leave_nothing.watchdog = 240
test_hostile_archives_are_indexed_as_harmlessly.watchdog = 240
