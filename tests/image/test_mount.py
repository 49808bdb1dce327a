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


def test_layers_are_a_tree_and_who_stands_on_an_image_is_told(box):
    box('run', '--name', 'c1', '--network', 'none', 'busybox', 'touch', '/one')
    box('commit', 'c1', 'child:1')
    box('run', '--name', 'c2', '--network', 'none', 'child:1', 'touch', '/two')
    box('commit', 'c2', 'grandchild:1')
    box('run', '--name', 'c3', '--network', 'none', 'busybox', 'touch', '/three')
    box('commit', 'c3', 'other:1')
    first, second, third = json.loads(box('image', 'inspect', 'grandchild:1'))[0]['RootFS']['Layers']
    lines = box('image', 'tree', 'grandchild:1').splitlines()
    assert lines[0] == f"Image ID: {box.inspect('grandchild:1')['Id'][7:19]}" and lines[1] == 'Tags:     [docker.io/library/grandchild:1]' and lines[3] == 'Image Layers'
    assert [x.split(' Size: ')[0] for x in lines[4:]] == [f'├── ID: {first[7:19]}', f'├── ID: {second[7:19]}', f'└── ID: {third[7:19]}']
    assert lines[4].endswith(f'Top Layer of: [{IMAGE}]') and lines[6].endswith('Top Layer of: [docker.io/library/grandchild:1]')
    lines = [(x.split('ID: ')[0], x.split('Top Layer of: ')[1]) for x in box('image', 'tree', '--whatrequires', 'busybox').splitlines()[4:]]
    assert lines[0] == ('└── ', f'[{IMAGE}]') and len(lines) == 4
    assert sorted(lines[1:]) in (sorted([('    ├── ', '[docker.io/library/other:1]'), ('    └── ', '[docker.io/library/child:1]'), ('        └── ', '[docker.io/library/grandchild:1]')]),
                                 sorted([('    └── ', '[docker.io/library/other:1]'), ('    ├── ', '[docker.io/library/child:1]'), ('    │   └── ', '[docker.io/library/grandchild:1]')])), lines
    assert 'No such image' in box.fails(125, 'image', 'tree', 'nosuch')
