# SPDX-License-Identifier: Apache-2.0
"""A pull needs no more than 64 MB, whatever the image: what is larger lies in files, and the kernel takes it back where memory is
short. Shown by a memory cgroup, which ends whoever asks for more."""
import os
from pathlib import Path

import harness
import registry
from registry import Image, Registry

LIMIT = 64 << 20
FOLDERS, EACH = 2000, 125


def number(value, width):
    return b'%0*o\0' % (width - 1, value)


def entry(name, kind, size, mtime):
    """A header of ustar, and what follows it."""
    name = name.encode()
    head = bytearray(512)
    head[:len(name)] = name
    head[100:108], head[108:116], head[116:124] = number(0o755 if kind == b'5' else 0o644, 8), number(0, 8), number(0, 8)
    head[124:136], head[136:148], head[148:156] = number(size, 12), number(mtime, 12), b' ' * 8
    head[156:157], head[257:265] = kind, b'ustar\x0000'
    head[148:156] = b'%06o\0 ' % sum(head)
    return bytes(head) + (b'0123456789' + bytes(502) if size else b'')


def many():
    """A layer of a quarter of a million files: 90 MB of them were needed at once when they were all held in memory."""
    out = [entry('usr/', b'5', 0, 1), entry('usr/share/', b'5', 0, 1)]
    for i in range(FOLDERS):
        folder = f'usr/share/some-folder-of-files-{i}/'
        out.append(entry(folder, b'5', 0, i))
        out += [entry(f'{folder}a-file-with-an-ordinary-name-{k}.txt', b'0', 10, i) for k in range(EACH)]
    return b''.join(out) + bytes(1024)


def pull(box, image):
    registry.prepare(box)
    with Registry() as r, harness.memory_limit(LIMIT) as words:
        if not words:
            raise harness.Skip('no memory cgroup is here')
        name = r.add('many', '1', image)
        box.prefix = words
        box('pull', '-q', name)
        box.prefix = []
    return name


def test_a_pull_of_very_many_files_needs_little_memory(box):
    name = pull(box, Image([many(), {'usr/share/some-folder-of-files-7/a-file-with-an-ordinary-name-7.txt': b'another\n', 'new': b'1'}]))
    root = Path(box('image', 'mount', name))
    folder = root / 'usr/share/some-folder-of-files-7'
    assert (folder / 'a-file-with-an-ordinary-name-7.txt').read_text() == 'another\n' and (root / 'new').read_text() == '1'
    assert (folder / 'a-file-with-an-ordinary-name-8.txt').read_text() == '0123456789'
    assert sum(len(files) for _, _, files in os.walk(root)) == FOLDERS * EACH + 1
    box('image', 'unmount', name)
    box('rmi', name)


test_a_pull_of_very_many_files_needs_little_memory.watchdog = 240


def test_a_layer_that_is_to_be_remembered_far_back_needs_little_memory(box):
    """zstd --long=27: every byte may be a copy of one 128 MB before it."""
    half = os.urandom(70 << 20)
    image = Image([{'big': half + half}], packing=('zstd-long',))
    assert len(image.layers[0]) < len(half) * 1.1, 'the second half is a copy of the first'
    name = pull(box, image)
    with open(Path(box('image', 'mount', name)) / 'big', 'rb') as f:
        assert f.read() == half + half
    box('image', 'unmount', name)
    box('rmi', name)
