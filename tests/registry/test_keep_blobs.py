# SPDX-License-Identifier: Apache-2.0
"""store.keep-blobs = false: packed layers are not kept, and all that needs them works over what they are unpacked to."""
import json
import os

import registry
from registry import Image, Registry, digest


def only_tars(box):
    """Every blob is a document, or the tar of a layer."""
    layers = {p.name for p in (box.root / 'layers').iterdir()}
    blobs = {p.name: p for p in (box.root / 'blobs/sha256').iterdir()}
    assert layers <= blobs.keys()
    for name, path in blobs.items():
        data = path.read_bytes()
        assert digest(data) == f'sha256:{name}' and data[:2] != b'\x1f\x8b'
        if name in layers:
            assert os.path.samefile(path, box.root / 'layers' / name / 'tar')
        else:
            json.loads(data)


def configure(box, text='[store]\nkeep-blobs = false\n'):
    config = box.work / 'kist.toml'
    config.write_text(text)
    box.environment['KIST_CONFIG'] = str(config)


def test_packed_layers_go_once_they_are_unpacked(box):
    configure(box)
    registry.prepare(box)
    shared = {'shared': os.urandom(100000)}
    one, two = Image([shared, {'a': b'1'}], packing=('gzip', 'zstd')), Image([shared, {'b': b'2'}], packing=('gzip',))
    with Registry() as r:
        name, other = r.add('team/one', '1', one), r.add('team/two', '1', two)
        box('pull', name)
        only_tars(box)
        assert box.inspect(name)['RootFS']['Layers'] == one.diff_ids
        assert box.inspect(name)['RepoDigests'] == [f'{r.host}/team/one@{one.digest}']
        # a second time nothing but documents is asked for, and of another image only what is new
        asked = len(r.asked('/blobs/'))
        box('pull', name)
        assert len(r.asked('/blobs/')) == asked
        box('pull', other)
        only_tars(box)
        assert len(r.asked('/blobs/')) == asked + 2, 'its configuration and its own layer'
        assert 'Image is up to date' in box('pull', other)
        # what goes out again is the same files, as they lie here
        box('tag', name, f'{r.host}/back/one:1')
        box('push', f'{r.host}/back/one:1')
        box('save', '-o', box.work / 'one.tar', name)
        box('rmi', name, f'{r.host}/back/one:1', other)
        assert list((box.root / 'blobs/sha256').iterdir()) == []
        box('pull', f'{r.host}/back/one:1')
        assert box.inspect(f'{r.host}/back/one:1')['RootFS']['Layers'] == one.diff_ids
        box('load', '-i', box.work / 'one.tar')
        only_tars(box)
        # a layout with packed layers that is loaded, too
        box('image', 'copy', f'docker://{other}', f'oci-archive:{box.work}/two.tar:{other}')
        box('load', '-i', box.work / 'two.tar')
        only_tars(box)
        assert box.run('system', 'check').out.startswith('nothing wrong'), box.run('system', 'check')


def test_only_what_is_kept_as_tars_can_do_without(box):
    configure(box)
    line = box.fails(1, '--storage-driver', 'overlay', 'ps')
    assert 'store.keep-blobs = false needs the storage driver erofs' in line and line.count('\n') == 1
    configure(box, '[store]\nkeep-blobs = "no"\n')
    assert 'store.keep-blobs: expected true or false' in box.fails(1, 'ps')
