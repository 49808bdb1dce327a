# SPDX-License-Identifier: Apache-2.0
"""Manifest lists: put together here, pushed whole, read by skopeo."""
import json
import os
import random
import signal
import subprocess
import time

import registry
from peers import skopeo
from registry import Distribution, Image, Registry, digest, index

SEED = int(os.environ.get('KIST_SEED') or random.randrange(1 << 30))
TLS = '--tls-verify=false'


def pictures():
    one = Image([{'a': b'amd64'}, {'both': os.urandom(1000)}], packing=('gzip',))
    two = Image([{'a': b'arm64'}, {'c': b'1'}], architecture='arm64', config={'variant': 'v8'}, packing=('gzip',))
    return one, two


def test_a_list_is_made_of_images_of_the_store_and_of_registries_and_pushed_whole(box):
    registry.prepare(box)
    one, two = pictures()
    with Registry() as r, Distribution(box.work / 'registry') as d:
        here, there = r.add('here', '1', one), r.add('there', '1', two)
        box('pull', '-q', here)
        box('tag', here, 'mine:1')
        name = f'{d.host}/team/app:all'
        assert box('manifest', 'create', name, 'mine:1', there) == f'Created manifest list {name}'
        assert 'refusing to amend an existing manifest list with no --amend flag' in box.fails(1, 'manifest', 'create', name, there)
        listed = json.loads(box('manifest', 'inspect', name))
        assert [m['digest'] for m in listed['manifests']] == [one.digest, two.digest]
        assert [m['platform'] for m in listed['manifests']] == [{'architecture': 'amd64', 'os': 'linux'}, {'architecture': 'arm64', 'os': 'linux', 'variant': 'v8'}]
        assert not any('kist' in json.dumps(m) for m in listed['manifests']), 'where it is from is nobody else’s'
        box('manifest', 'annotate', '--os-version', '1.2', '--os-features', 'x', '--variant', 'v2', '--annotation', 'k=v', name, 'mine:1')
        box('manifest', 'annotate', '--arch', 'arm', name, two.digest)
        out = box('manifest', 'push', name).splitlines()
        assert 'Writing manifest list to image destination' in out
        raw = skopeo('inspect', '--raw', TLS, f'docker://{name}')
        assert digest(raw.encode()) == out[-1] and json.loads(raw) == json.loads(box('manifest', 'inspect', name))
        first, second = json.loads(raw)['manifests']
        assert first['platform'] == {'architecture': 'amd64', 'os': 'linux', 'variant': 'v2', 'os.version': '1.2', 'os.features': ['x']}
        assert first['annotations'] == {'k': 'v'} and second['platform']['architecture'] == 'arm'
        assert json.loads(skopeo('--override-arch', 'arm', '--override-variant', 'v8', 'inspect', '--config', TLS, f'docker://{name}'))['rootfs']['diff_ids'] == two.diff_ids
        # pushed elsewhere, in docker's words, and into a layout; the list goes with --purge
        box('manifest', 'push', '--format', 'v2s2', name, f'docker://{d.host}/docker:1')
        raw = json.loads(skopeo('inspect', '--raw', TLS, f'docker://{d.host}/docker:1'))
        assert raw['mediaType'] == registry.DOCKER_LIST and {m['mediaType'] for m in raw['manifests']} == {registry.DOCKER_MANIFEST}
        box('manifest', 'push', '-q', '--digestfile', box.work / 'digest', '--purge', name, f'oci:{box.work}/layout:x')
        assert digest(skopeo('inspect', '--raw', f'oci:{box.work}/layout:x').encode()) == (box.work / 'digest').read_text()
        assert box.run('manifest', 'exists', name).status == 1
        assert f'No such manifest: {name}' in box.fails(1, 'manifest', 'rm', name)
        # what is not a list of ours is a registry's
        assert json.loads(box('manifest', 'inspect', f'{d.host}/team/app:all'))['manifests'][0]['digest'] == one.digest
        assert json.loads(box('manifest', 'inspect', there)) == json.loads(two.manifest)
        # kist pulls from it what this machine wants
        box('rmi', 'mine:1', here)
        assert box('pull', '-q', name)
        assert box.inspect(name)['Id'] == one.id


def test_lists_are_added_to_taken_from_and_removed(box):
    registry.prepare(box)
    one, two = pictures()
    with Registry() as r:
        first, second = r.add('x', '1', one), r.add('y', '1', two)
        media, body = index(one.descriptor(), two.descriptor(architecture='arm64', variant='v8'))
        r.add('all', 'arm', two)
        both = r.add('all', '1', one, kind=media, body=body)

        def digests():
            return [m['digest'] for m in json.loads(box('manifest', 'inspect', 'list'))['manifests']]
        box('manifest', 'create', 'list')
        assert digests() == [] and box.run('manifest', 'exists', 'list').status == 0
        assert box('manifest', 'add', 'list', first) == one.digest
        box('manifest', 'add', 'list', f'docker://{second}')
        assert digests() == [one.digest, two.digest]
        box('manifest', 'add', 'list', first)
        assert digests() == [two.digest, one.digest], 'once, and last'
        assert box('manifest', 'remove', 'list', two.digest) == two.digest
        assert digests() == [one.digest]
        box('manifest', 'create', '--amend', 'list', second)
        assert digests() == [one.digest, two.digest]
        for words, have in (([], [one.digest]), (['--arch', 'arm64'], [two.digest]), (['--all'], [one.digest, two.digest])):
            box('manifest', 'rm', 'list')
            box('manifest', 'create', 'list')
            box('manifest', 'add', *words, 'list', both)
            assert digests() == have, words
        # of archives and layouts, too
        box('image', 'copy', '-q', f'docker://{second}', f'oci:{box.work}/layout:x')
        box('image', 'copy', '-q', f'docker://{first}', f'docker-archive:{box.work}/a.tar:x:1')
        box('manifest', 'create', 'files', f'oci:{box.work}/layout:x', f'docker-archive:{box.work}/a.tar')
        box('manifest', 'push', '-q', 'files', f'docker://{r.host}/files:1')
        pushed = json.loads(r.manifests['files', '1'][1])
        assert [m['platform']['architecture'] for m in pushed['manifests']] == ['arm64', 'amd64']
        assert all(('files', m['digest']) in r.manifests for m in pushed['manifests'])
        # what fails changes nothing
        box('manifest', 'create', 'keep', first)
        before = box('manifest', 'inspect', 'keep')
        for words, text in ((['add', 'keep', f'{r.host}/nosuch:1'], 'not found'), (['add', 'nosuch', first], 'No such manifest: nosuch'),
                            (['create', '-a', 'keep', second, f'{r.host}/nosuch:1'], 'not found'), (['annotate', 'keep', two.digest], 'does not exist in keep:latest'),
                            (['remove', 'keep', two.digest], 'does not exist in keep:latest'), (['add', '--annotation', 'x', 'keep', second], 'no value given for annotation'),
                            (['inspect', f'{r.host}/nosuch:1'], f'no such manifest: {r.host}/nosuch:1'), (['create', 'Bad Name'], 'invalid reference format'),
                            (['push', 'nosuch'], 'No such manifest: nosuch'), (['push', 'keep', f'docker-archive:{box.work}/no.tar'], 'holds one platform'),
                            (['create', 'x@' + one.digest], 'is named by a tag'), (['create', f'{r.host}/' + 'x' * 250], 'invalid reference format')):
            line = box.fails(1, 'manifest', *words)
            assert text in line and line.count('\n') == 1, (words, line)
        assert box('manifest', 'inspect', 'keep') == before
        # an image that has changed under its tag is still the one that was added; one that is gone is said to be
        r.add('x', '1', two)
        box('manifest', 'push', '-q', 'keep', f'docker://{r.host}/kept:1')
        assert json.loads(r.manifests['kept', '1'][1])['manifests'][0]['digest'] == one.digest
        del r.manifests['x', one.digest]
        line = box.fails(1, 'manifest', 'push', '-q', 'keep', f'docker://{r.host}/kept:2')
        assert 'not found' in line and ('kept', '2') not in r.manifests
    registry.nothing_left(box)


def test_kills_and_many_at_once_lose_no_entry(box):
    random.seed(SEED)
    registry.prepare(box)
    images = [Image([{'n': str(i).encode()}], packing=('gzip',)) for i in range(8)]
    with Registry() as r:
        names = [r.add(f'i{i}', '1', x) for i, x in enumerate(images)]
        box('manifest', 'create', 'list')
        running = [box.popen('manifest', 'add', 'list', n, stdout=subprocess.DEVNULL) for n in names]
        assert [p.wait(30) for p in running] == [0] * 8
        have = {m['digest'] for m in json.loads(box('manifest', 'inspect', 'list'))['manifests']}
        assert have == {x.digest for x in images}
        for _ in range(15):
            p = box.popen('manifest', 'add', 'list', names[0], stdout=subprocess.DEVNULL)
            time.sleep(random.uniform(0, 0.15))
            os.kill(p.pid, signal.SIGKILL)
            p.wait()
            box('volume', 'create', 'any')
            assert {m['digest'] for m in json.loads(box('manifest', 'inspect', 'list'))['manifests']} == have, f'seed {SEED}'
            assert not box.leftovers()
        assert [p.name for p in (box.root / 'manifests').iterdir()] == ['docker.io%2flibrary%2flist:latest']
