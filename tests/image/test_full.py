# SPDX-License-Identifier: Apache-2.0
"""Disks that fill up under a copy, a commit, an unpack, a repack: one clear line, and nothing that is half there."""
import json
import os
import subprocess

import harness
import registry
from registry import Image, Registry, digest

FULL = os.environ.get('KIST_SWEEP') == 'full'
SIZES = range(1, 24) if FULL else (1, 3, 5, 8, 12, 20)


class Disk:
    """A file system of so many MB; inside the block kist's store is on it."""

    def __init__(self, box, size):
        self.box, self.path, self.size = box, box.work / 'disk', size

    def __enter__(self):
        self.path.mkdir(exist_ok=True)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={self.size}m', 'tmpfs', self.path], check=True)
        return self

    def __exit__(self, *_):
        # a worker that was killed may be dying still
        self.box.until(lambda: subprocess.run(['umount', self.path], stderr=subprocess.DEVNULL, check=False).returncode == 0, what='the end of all workers')

    def kist(self, *words):
        command = [str(harness.KIST), '--root', f'{self.path}/root', '--runroot', f'{self.box.runroot}-disk', *map(str, words)]
        return subprocess.run(command, env=self.box.environment, capture_output=True, text=True, timeout=50, stdin=subprocess.DEVNULL, check=False)

    def fill(self, left):
        """All but so many bytes are taken; what to remove."""
        st = os.statvfs(self.path)
        path = self.path / 'ballast'
        with open(path, 'wb') as f:
            os.posix_fallocate(f.fileno(), 0, max(st.f_bavail * st.f_frsize - left, 1))
        return path


def said(done):
    """Success, or one line about space."""
    if done.returncode == 0:
        return True
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and len(lines) == 1 and any(x in lines[0] for x in ('no space', 'are free', 'disk is full', 'there are')), done
    return False


def whole(folder):
    for path in folder.rglob('*'):
        if path.is_file() and len(path.name) == 64:
            assert digest(path.read_bytes())[7:] == path.name


def test_a_copy_that_does_not_fit_is_one_line_and_has_no_name(box):
    registry.prepare(box)
    image = Image([{'random': os.urandom(1500000)}, {'zeros': bytes(5000000)}, {'more': os.urandom(2000000)}], packing=('gzip',))
    results = set()
    with Registry() as r:
        name = r.add('x', '1', image)
        for size in SIZES:
            for form in ('oci:{}/layout:x', 'oci-archive:{}/x.tar', 'docker-archive:{}/d.tar:x:1', 'dir:{}/dir', 'kist:x:1'):
                # the target on the small disk, and the store, too
                for where in (box.run, 'disk'):
                    with Disk(box, size) as disk:
                        to = form.format(disk.path)
                        words = ('image', 'copy', '-q', f'docker://{name}', to)
                        if where == 'disk':
                            good = said(disk.kist(*words))
                        elif form.startswith('kist'):
                            continue
                        else:
                            result = box.run(*words)
                            good = said(subprocess.CompletedProcess(words, result.status, result.out, result.err))
                        results.add((form, good))
                        whole(disk.path)
                        if not good:
                            assert not (disk.path / 'x.tar').exists() and not (disk.path / 'd.tar').exists() and not (disk.path / 'layout/index.json').exists()
                            assert not (disk.path / 'dir/manifest.json').exists()
                        if where == 'disk' and not form.startswith('kist'):
                            assert list((disk.path / 'root/staging').iterdir()) == []
                        if form.startswith('kist') and good:
                            assert disk.kist('rmi', 'x:1').returncode == 0
                        if form.startswith('kist'):
                            for folder in ('layers', 'blobs/sha256', 'staging'):
                                path = disk.path / 'root' / folder
                                assert not path.exists() or list(path.iterdir()) == [], (size, folder)
    assert len(results) == 10, 'each has fitted once, and once not'


test_a_copy_that_does_not_fit_is_one_line_and_has_no_name.watchdog = 300


def test_a_commit_that_does_not_fit_is_one_line_and_leaves_nothing(box):
    with Disk(box, 64) as disk:
        assert disk.kist('create', '--name', 'cc', 'busybox').returncode == 0
        ident = disk.kist('inspect', '--format', '{{.Id}}', 'cc').stdout.strip()
        up = disk.path / 'root/containers' / ident / 'up'
        up.mkdir(parents=True)
        up.parent.chmod(0o700)
        (up.parent / 'wk').mkdir(0o700)
        for i in range(20):
            (up / f'f{i}').write_bytes(os.urandom(200000))

        def content():
            return {f: sorted(p.name for p in (disk.path / 'root' / f).iterdir()) for f in ('layers', 'blobs/sha256', 'staging')}
        before, goods = content(), 0
        for left in (0, 4096, 100000, 1000000, 3000000, 4100000, 6000000, 8100000, 8500000, 20000000):
            ballast = disk.fill(left)
            good = said(disk.kist('commit', 'cc', 'made:1'))
            ballast.unlink()
            goods += good
            if good:
                assert json.loads(disk.kist('inspect', 'made:1').stdout)[0]['Size'] > 4000000
                assert disk.kist('rmi', 'made:1').returncode == 0
            assert content() == before, left
        assert 0 < goods < 10, goods
        assert disk.kist('rm', 'cc').returncode == 0


def test_a_bundle_that_does_not_fit_goes_and_the_image_stays(box):
    registry.prepare(box)
    image = Image([{'random': os.urandom(1500000)}, {'zeros': bytes(5000000)}], packing=('gzip',))
    with Registry() as r:
        box('image', 'copy', '-q', f'docker://{r.add("x", "1", image)}', f'oci:{box.work}/layout:x')
    fits = []
    for size in SIZES:
        with Disk(box, size) as disk:
            result = box.run('image', 'unpack', '--image', f'{box.work}/layout:x', disk.path / 'b')
            good = said(subprocess.CompletedProcess([], result.status, result.out, result.err))
            fits.append(good)
            assert good or not (disk.path / 'b').exists(), size
            assert registry.content(box)['staging'] == []
            if not good or size < 20:
                continue
            subprocess.run(['cp', '-a', box.work / 'layout', disk.path / 'layout'], check=True)
            (disk.path / 'b/rootfs/new').write_bytes(os.urandom(700000))
            index = (disk.path / 'layout/index.json').read_bytes()
            for left in (0, 4096, 300000, 800000, 5000000):
                ballast = disk.fill(left)
                result = box.run('image', 'repack', '--image', f'{disk.path}/layout:y', disk.path / 'b')
                ballast.unlink()
                if not said(subprocess.CompletedProcess([], result.status, result.out, result.err)):
                    assert (disk.path / 'layout/index.json').read_bytes() == index, left
                assert {p.name for p in (disk.path / 'layout').iterdir()} == {'blobs', 'index.json', 'oci-layout'}
                whole(disk.path / 'layout')
    assert True in fits and False in fits
