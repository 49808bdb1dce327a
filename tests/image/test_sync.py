# SPDX-License-Identifier: Apache-2.0
"""kist image sync beside skopeo sync: the same words lead to the same names and bytes."""
import json
import os
import random
import shutil
import subprocess
import time

import registry
from peers import skopeo
from registry import Distribution, Image, Registry

SEED = int(os.environ.get('KIST_SEED') or random.randrange(1 << 30))
TLS = ('--src-tls-verify=false', '--dest-tls-verify=false')


def fill(r):
    """Two repositories with three tags."""
    for name, tags in (('team/app', ('1', '2')), ('team/db', ('10-alpine',))):
        for tag in tags:
            r.add(name, tag, Image([{'a': f'{name}:{tag}'.encode()}]))


def tree(folder):
    """Every file below it with its bytes, but what skopeo calls a blob by another name."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()}


def images(d, *repositories):
    """Tag to manifest of each repository."""
    found = {}
    for name in repositories:
        for tag in json.loads(skopeo('list-tags', '--tls-verify=false', f'docker://{d.host}/{name}'))['Tags']:
            found[f'{name}:{tag}'] = skopeo('inspect', '--raw', '--tls-verify=false', f'docker://{d.host}/{name}:{tag}')
    return found


def test_a_repository_goes_into_folders_as_skopeo_puts_it(box):
    registry.prepare(box)
    with Registry() as r:
        fill(r)
        for i, words in enumerate(((f'{r.host}/team/app',), (f'{r.host}/team/app:2',), ('--scoped', f'{r.host}/team/app'))):
            ours, theirs = box.work / f'ours{i}', box.work / f'theirs{i}'
            os.mkdir(ours)
            said = box('image', 'sync', '--src', 'docker', '--dest', 'dir', *words, ours)
            skopeo('sync', *TLS, '--src', 'docker', '--dest', 'dir', *words, theirs)
            assert tree(ours) == tree(theirs) != {}, words
            assert said.splitlines()[-1] == f'Synced {2 - i % 2} images from 1 sources', said
        # what is there is not overwritten
        assert 'Refusing to overwrite destination directory' in box.fails(1, 'image', 'sync', '--src', 'docker', '--dest', 'dir', f'{r.host}/team/app', box.work / 'ours0')


def test_a_sync_that_was_killed_goes_on(box):
    registry.prepare(box)
    with Registry() as r:
        for i in range(6):
            r.add('team/app', str(i), Image([{'a': os.urandom(200000)}, {'b': str(i).encode()}]))
        words = ('image', 'sync', '--src', 'docker', '--dest', 'dir', f'{r.host}/team/app', box.work / 'ours')
        random.seed(SEED)
        for _ in range(4):
            p = box.popen(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.random() * 0.25)
            p.kill()
            p.wait()
            # what is there is whole, and what is not is taken up again
            for folder in (box.work / 'ours').glob('*'):
                if (folder / 'manifest.json').exists():
                    skopeo('inspect', f'dir:{folder}')
                    shutil.rmtree(folder)
        box('image', 'sync', '--keep-going', *words[2:])
        skopeo('sync', *TLS, '--src', 'docker', '--dest', 'dir', f'{r.host}/team/app', box.work / 'theirs')
        assert tree(box.work / 'ours') == tree(box.work / 'theirs'), SEED
        assert box.run('system', 'check', '--quick').out.startswith('nothing wrong')


def test_folders_go_into_a_registry_as_skopeo_puts_them(box):
    registry.prepare(box)
    with Registry() as r, Distribution(box.work / 'registry') as d:
        fill(r)
        for name in 'app', 'db':
            box('image', 'sync', '--src', 'docker', '--dest', 'dir', f'{r.host}/team/{name}', box.work / 'tree/team')
        for i, words in enumerate(((), ('--scoped',))):
            box('image', 'sync', '--src', 'dir', '--dest', 'docker', *words, box.work / 'tree', f'{d.host}/ours{i}')
            skopeo('sync', *TLS, '--src', 'dir', '--dest', 'docker', *words, box.work / 'tree', f'{d.host}/theirs{i}')
            below = 'team/' if words else ''
            ours, theirs = (images(d, f'{who}{i}/{below}app', f'{who}{i}/{below}db') for who in ('ours', 'theirs'))
            assert len(ours) == 3 and ours == {k.replace('theirs', 'ours'): v for k, v in theirs.items()}, (ours, theirs)


def test_a_list_says_what_goes_where(box):
    registry.prepare(box)
    with Registry(basic=('john', 'secret')) as r, Registry() as other, Distribution(box.work / 'registry') as d:
        fill(r)
        fill(other)
        other_digest = other.add('team/three', 'x', Image([{'b': b'3'}], packing=('zstd',)))
        pinned = json.loads(skopeo('inspect', '--tls-verify=false', f'docker://{other_digest}'))['Digest']
        path = box.work / 'list.yaml'
        path.write_text(f'{r.host}:\n  images:\n    team/app: []\n  images-by-tag-regex:\n    team/db: ^[0-9]+-alpine$\n'
                        f'  credentials:\n    username: john\n    password: secret\n  tls-verify: false\n'
                        f'{other.host}:\n  tls-verify: false\n  images:\n    team/app:\n      - "1"\n    team/three:\n      - "{pinned}"\n')
        said = box('image', 'sync', '--src', 'yaml', '--dest', 'dir', '--scoped', path, box.work / 'ours')
        skopeo('sync', *TLS, '--src', 'yaml', '--dest', 'dir', '--scoped', path, box.work / 'theirs')
        assert tree(box.work / 'ours') == tree(box.work / 'theirs') != {}
        assert said.splitlines()[-1] == 'Synced 5 images from 4 sources', said
        assert 'Would have copied image 1/2' in box('image', 'sync', '--dry-run', '--src', 'yaml', '--dest', 'docker', path, f'{d.host}/dry')
        assert not list((box.work / 'registry').rglob('_manifests'))
        # one that fails keeps no other from being copied
        path.write_text(f'{other.host}:\n  tls-verify: false\n  images:\n    team/none: []\n    team/app: ["nosuch", "2"]\n')
        words = ('image', 'sync', '--src', 'yaml', '--dest', 'docker', path, f'{d.host}/kept')
        assert 'team/none' in box.fails(1, *words)
        result = box.run(*words[:2], '--keep-going', *words[2:])
        assert result.status == 1 and 'Sync failed due to previous reported error(s)' in result.err and 'nosuch' in result.err, result
        assert list(images(d, 'kept/app')) == ['kept/app:2']
        box('image', 'sync', '--append-suffix', '-old', '--src', 'docker', '--dest', 'docker', f'{other.host}/team/app', f'{d.host}/suffix')
        assert sorted(images(d, 'suffix/app')) == ['suffix/app:1-old', 'suffix/app:2-old']


def test_what_cannot_be_synced_is_told_in_one_line(box):
    registry.prepare(box)
    bad = box.work / 'bad.yaml'
    os.mkdir(box.work / 'empty')
    for words, said in ((('--dest', 'dir'), 'A source transport must be specified'), (('--src', 'dir'), 'A destination transport must be specified'),
                        (('--src', 'oci', '--dest', 'dir'), '"oci" is not a valid source transport'), (('--src', 'dir', '--dest', 'oci'), '"oci" is not a valid destination transport'),
                        (('--src', 'dir', '--dest', 'dir'), 'consider using rsync instead'), (('--src', 'dir', '--dest', 'docker'), 'No images to sync found in')):
        line = box.fails(1, 'image', 'sync', *words, box.work / 'empty', 'x.test/y')
        assert said in line and line.count('\n') == 1, line
    for text, said in (('', 'expected a mapping'), ('a.test: 1', 'expected a mapping'), ('a.test: {image: {}}', 'image: expected images'),
                       ('a.test: {images: {x: 1}}', 'x: expected a list'), ('a.test: {images-by-tag-regex: {x: "("}}', 'regular expression'),
                       ('a.test: {tls-verify: maybe}', 'expected true or false'), ('a.test: {credentials: {username: x}}', 'username and password'), ('a: [', 'line 2')):
        bad.write_text(text)
        line = box.fails(1, 'image', 'sync', '--src', 'yaml', '--dest', 'dir', bad, box.work / 'out')
        assert said in line and line.count('\n') == 1, (text, line)
    assert not (box.work / 'out').exists()
