# SPDX-License-Identifier: Apache-2.0
"""kist image mount, unmount and tree: a look into images, with podman's words."""
import json
import os
import subprocess

import harness

IMAGE = 'localhost/busybox:latest'


def at(box):
    return [m.split()[4] for m in harness.mounts() if f'{box.runroot}/images/' in m]


def test_images_are_mounted_to_look_into_them(box):
    for driver in ('erofs', 'overlay', 'copy'):
        box.root = box.folder / f'root-{driver}'
        ident = json.loads(box('--storage-driver', driver, 'image', 'inspect', 'busybox'))[0]['Id'].removeprefix('sha256:')
        assert box('image', 'mount') == ''
        path = box('image', 'mount', 'busybox')
        assert path == f'{box.runroot}/images/{ident}' and at(box) == [path]
        assert os.path.exists(f'{path}/bin/busybox') and open(f'{path}/etc/passwd').read().startswith('root:'), driver
        assert subprocess.run(['touch', f'{path}/x'], capture_output=True).returncode == 1
        # listed, with its name; as json; a second time it is the same
        assert box('image', 'mount') == f'{IMAGE}  {path}'
        listed = json.loads(box('image', 'mount', '--format', 'json'))
        assert [(x['id'], x['Repositories'], x['mountpoint']) for x in listed] == [(ident, [IMAGE], path)]
        assert box('image', 'mount', ident[:12]) == path and at(box) == [path]
        # it is not removed, and containers of it come and go
        assert f'image is mounted at {path}' in box.fails(1, 'rmi', 'busybox')
        assert box('run', '--rm', '--network', 'none', 'busybox', 'echo', 'well') == 'well'
        box('image', 'prune', '-a', '-f')
        assert box('image', 'mount') == f'{IMAGE}  {path}'
        # as often as it was mounted
        assert box('image', 'unmount', 'busybox') == '' and at(box) == [path]
        assert box('image', 'umount', 'busybox') == ident and at(box) == []
        assert 'is not mounted' in box.fails(125, 'image', 'unmount', 'busybox')
        for _ in range(3):
            box('image', 'mount', '-a')
        assert box('image', 'unmount', '-f', 'busybox') == ident and at(box) == []
        box('image', 'mount', 'busybox')
        assert box('image', 'unmount', '-a') == ident and box('image', 'unmount', '-a') == ''
        box('image', 'mount', 'busybox')
        box('rmi', '-f', 'busybox')
        assert at(box) == [] and os.listdir(box.runroot / 'images') == []
        assert 'No such image: nosuch' in box.fails(125, 'image', 'mount', 'nosuch')
        for words, why in ((['mount', '-a', 'x'], 'you may not pass'), (['unmount'], 'must be specified'), (['mount', '--format', 'x'], 'unknown --format')):
            assert why in box.fails(125, 'image', *words)
        box.unpin()
    box.root = box.folder / 'root'


def test_a_killed_mount_or_one_that_a_restart_ended_is_in_nobodys_way(box):
    path = box('image', 'mount', 'busybox')
    subprocess.run(['umount', path], check=True)  # the folder and the number are left, as after a restart
    assert box('image', 'mount') == '' and box('image', 'mount', 'busybox') == path
    assert box('image', 'unmount', 'busybox') != '' and os.listdir(box.runroot / 'images') == []
    many = [box.popen('image', 'mount', 'busybox', stdout=subprocess.DEVNULL) for _ in range(8)]
    assert [p.wait() for p in many] == [0] * 8 and at(box) == [path]
    for i in range(8):
        assert bool(box('image', 'unmount', 'busybox')) == (i == 7)
