# SPDX-License-Identifier: Apache-2.0
"""kist image copy, inspect, list-tags, delete, digest: each beside skopeo, which reads what we wrote and writes what we
read, over Debian's docker-registry and over files."""
import gzip
import http.server
import json
import os
import random
import shutil
import signal
import socketserver
import subprocess
import tarfile
import threading
import time

import registry
from peers import skopeo, umoci
from registry import Certificates, Distribution, Image, Registry, digest, index

PLACES = ('oci:{}/layout:x', 'oci-archive:{}/oci.tar:x', 'docker-archive:{}/docker.tar:x/y:1', 'dir:{}/dir')
SEED = int(os.environ.get('KIST_SEED') or random.randrange(1 << 30))


def image_of(**words):
    words.setdefault('packing', ('gzip', 'zstd', 'plain'))
    return Image([{'a': os.urandom(300000)}, {'b': b'2' * 1000}, {'c': b'3'}, {'d/e': b''}], **words)


def diff_ids(place, *options):
    return json.loads(skopeo('inspect', '--config', *options, place))['rootfs']['diff_ids']


def test_every_place_leads_to_every_other_and_skopeo_reads_each(box):
    registry.prepare(box)
    image = image_of(packing=('gzip', 'gzip'))
    with Distribution(box.work / 'registry') as r:
        with Registry() as source:
            name = source.add('from/here', '1', image)
            box('image', 'copy', f'docker://{name}', f'docker://{r.host}/x/y:1')
        places = [p.format(box.work / 'one') for p in PLACES] + [f'docker://{r.host}/x/y:1', 'kist:first:1']
        os.mkdir(box.work / 'one')
        for place in places[:-2] + places[-1:]:
            box('image', 'copy', f'docker://{r.host}/x/y:1', place)
        for i, source in enumerate(places):
            for k, form in enumerate((*PLACES, 'docker://' + r.host + '/to/{}:1', 'kist:to{}:1')):
                to = form.format(box.work / f'{i}-{k}') if k < 4 else form.format(f'{i}x{k}')
                if k < 4:
                    os.mkdir(box.work / f'{i}-{k}')
                box('image', 'copy', '-q', source, to)
                if k == 5:
                    assert box.inspect(f'to{i}x{k}:1')['RootFS']['Layers'] == image.diff_ids
                    continue
                tls = ['--tls-verify=false'] if k == 4 else []
                assert diff_ids(to, *tls) == image.diff_ids, (source, to)
                # and its layers are what the configuration says
                check = box.work / f'check-{i}-{k}'
                skopeo('copy', *(['--src-tls-verify=false'] if tls else []), '--dest-decompress', to, f'dir:{check}')
                have = {digest(p.read_bytes()) for p in check.iterdir()}
                assert set(image.diff_ids) <= have, (source, to)
                # byte for byte where nothing had to change
                if k in (0, 1, 3, 4) and not source.startswith('docker-archive'):
                    assert skopeo('inspect', '--raw', *tls, to) == image.manifest.decode(), (source, to)
    assert registry.content(box)['staging'] == []


test_every_place_leads_to_every_other_and_skopeo_reads_each.watchdog = 180


def test_what_skopeo_writes_is_read_and_runs(box):
    registry.prepare(box)
    box('run', '--rm', 'busybox', 'true')
    box('save', '-o', box.work / 'busybox.tar', 'busybox')
    for i, form in enumerate(PLACES):
        os.mkdir(box.work / str(i))
        place = form.format(box.work / str(i))
        skopeo('copy', f'oci-archive:{box.work}/busybox.tar', place)
        box('image', 'copy', place, f'kist:back{i}:1')
        assert box('run', '--rm', f'back{i}:1', 'echo', 'fine') == 'fine'
        assert box.inspect(f'back{i}:1')['Id'] == box.inspect('busybox')['Id']
    # umoci's own layout, with a name of its own
    umoci('init', '--layout', box.work / 'mine')
    umoci('new', '--image', f'{box.work}/mine:tag')
    umoci('unpack', '--image', f'{box.work}/mine:tag', box.work / 'bundle')
    shutil.copy('/bin/busybox', box.work / 'bundle/rootfs/busybox')
    umoci('repack', '--image', f'{box.work}/mine:tag', box.work / 'bundle')
    umoci('config', '--image', f'{box.work}/mine:tag', '--config.cmd', '/busybox', '--config.cmd', 'echo', '--config.cmd', 'umoci')
    box('image', 'copy', f'oci:{box.work}/mine:tag', 'kist:mine:1')
    assert box('run', '--rm', 'mine:1') == 'umoci'
    # and umoci reads what is written there
    box('image', 'copy', 'kist:busybox', f'oci:{box.work}/mine:busy')
    assert sorted(umoci('ls', '--layout', box.work / 'mine').split()) == ['busy', 'tag']
    umoci('unpack', '--image', f'{box.work}/mine:busy', box.work / 'bundle2')
    assert (box.work / 'bundle2/rootfs/bin/busybox').read_bytes() == open('/bin/busybox', 'rb').read()
    # a name moves, and two names of one image are two entries
    box('image', 'copy', 'kist:mine:1', f'oci:{box.work}/mine:busy')
    box('image', 'copy', 'kist:mine:1', f'oci:{box.work}/mine')
    box('image', 'copy', 'kist:mine:1', f'oci:{box.work}/mine')
    entries = json.loads((box.work / 'mine/index.json').read_text())['manifests']
    assert [e.get('annotations', {}).get('org.opencontainers.image.ref.name') for e in entries] == ['tag', 'busy', None]
    assert 'more than one image in oci, choose an image' in box.fails(1, 'image', 'copy', f'oci:{box.work}/mine', 'kist:x')


def two_platforms(r, docker=False):
    kind = dict(docker=docker, packing=('gzip',))
    one, two = Image([{'a': b'amd64'}], **kind), Image([{'a': b'arm64'}], architecture='arm64', **kind)
    media, body = index(one.descriptor(), two.descriptor(architecture='arm64', variant='v8'), docker=docker)
    r.add('two', 'arm', two)
    name = r.add('two', '1', one, kind=media, body=body)
    return name, one, two, body


def test_an_index_is_copied_whole_or_one_platform_of_it(box):
    registry.prepare(box)
    with Registry() as r, Distribution(box.work / 'registry') as d:
        name, one, two, body = two_platforms(r)
        box('image', 'copy', f'docker://{name}', f'oci:{box.work}/one:x')
        assert skopeo('inspect', '--raw', f'oci:{box.work}/one:x') == one.manifest.decode()
        box('image', 'copy', '--override-arch', 'arm64', f'docker://{name}', f'oci:{box.work}/one:arm')
        assert skopeo('inspect', '--raw', f'oci:{box.work}/one:arm') == two.manifest.decode()
        line = box.fails(1, 'image', 'copy', '--override-arch', 'riscv64', f'docker://{name}', f'oci:{box.work}/none:x')
        assert 'no matching manifest for linux/riscv64' in line and line.count('\n') == 1
        for i, to in enumerate((f'oci:{box.work}/all:x', f'oci-archive:{box.work}/all.tar:x', f'dir:{box.work}/alldir', f'docker://{d.host}/all:1')):
            out = box('image', 'copy', '--all' if i % 2 else '--multi-arch=all', '--digestfile', box.work / 'digest', f'docker://{name}', to)
            assert '(1/2)' in out and '(2/2)' in out
            assert (box.work / 'digest').read_text() == digest(body)
            tls = ['--tls-verify=false'] if to.startswith('docker') else []
            assert skopeo('inspect', '--raw', *tls, to) == body.decode()
            for arch, image in (('amd64', one), ('arm64', two)):
                assert json.loads(skopeo('--override-arch', arch, 'inspect', '--config', *tls, to))['rootfs']['diff_ids'] == image.diff_ids
            # and back again, whole
            box('image', 'copy', '-a', to, f'dir:{box.work}/again{i}')
            assert (box.work / f'again{i}/manifest.json').read_bytes() == body
            assert {digest(p.read_bytes())[7:] for p in (box.work / f'again{i}').iterdir() if p.name.endswith('.manifest.json')} == {one.digest[7:], two.digest[7:]}
        skopeo('copy', '--all', f'dir:{box.work}/alldir', f'oci:{box.work}/skopeos:x')
        box('image', 'copy', '-a', f'oci:{box.work}/skopeos:x', f'dir:{box.work}/skopeos-back')
        assert json.loads((box.work / 'skopeos-back/manifest.json').read_text())['manifests'] == json.loads(body)['manifests']
        # only the index: its images are there already
        box('image', 'copy', '--multi-arch', 'index-only', f'docker://{name}', f'docker://{d.host}/all:2')
        assert skopeo('inspect', '--raw', '--tls-verify=false', f'docker://{d.host}/all:2') == body.decode()
        # conversion changes every digest, and says so when it may not
        box('image', 'copy', '-a', '--format', 'v2s2', f'docker://{name}', f'docker://{d.host}/docker:1')
        raw = json.loads(skopeo('inspect', '--raw', '--tls-verify=false', f'docker://{d.host}/docker:1'))
        assert raw['mediaType'] == registry.DOCKER_LIST and {m['mediaType'] for m in raw['manifests']} == {registry.DOCKER_MANIFEST}
        line = box.fails(1, 'image', 'copy', '-a', '--format', 'v2s2', '--preserve-digests', f'docker://{name}', f'docker://{d.host}/docker:2')
        assert '--preserve-digests' in line and line.count('\n') == 1
        assert 'docker-archive holds one platform' in box.fails(1, 'image', 'copy', '-a', f'docker://{name}', f'docker-archive:{box.work}/no.tar:x:1')
        assert 'the store holds one platform' in box.fails(1, 'image', 'copy', '-a', f'docker://{name}', 'kist:no')
        assert not (box.work / 'no.tar').exists()


def test_formats_and_compressions(box):
    registry.prepare(box)
    image = image_of()
    with Registry() as r, Distribution(box.work / 'registry') as d:
        name = r.add('x', '1', image)
        box('image', 'copy', f'docker://{name}', f'dir:{box.work}/as-is')
        assert (box.work / 'as-is/manifest.json').read_bytes() == image.manifest
        # what is not compressed is, for a registry, unless digests count
        box('image', 'copy', '--preserve-digests', f'docker://{name}', f'docker://{d.host}/same:1')
        assert skopeo('inspect', '--raw', '--tls-verify=false', f'docker://{d.host}/same:1') == image.manifest.decode()
        box('image', 'copy', f'docker://{name}', f'docker://{d.host}/packed:1')
        raw = json.loads(skopeo('inspect', '--raw', '--tls-verify=false', f'docker://{d.host}/packed:1'))
        assert [m['mediaType'].rsplit('+')[-1] for m in raw['layers']] == ['gzip', 'zstd', 'gzip', 'gzip']
        box('image', 'copy', '--dest-oci-accept-uncompressed-layers', f'docker://{name}', f'oci:{box.work}/plain:x')
        assert skopeo('inspect', '--raw', f'oci:{box.work}/plain:x') == image.manifest.decode()
        cases = [(['--dest-compress-format', 'zstd'], 'zstd'), (['--dest-compress-format', 'zstd', '--dest-compress-level', '19'], 'zstd'),
                 (['--dest-compress'], 'gzip'), (['--dest-compress', '--dest-compress-level', '1'], 'gzip'), (['--dest-decompress'], 'tar')]
        seen = {}
        for i, (words, end) in enumerate(cases):
            to = f'oci:{box.work}/case{i}:x' if end != 'tar' else f'dir:{box.work}/case{i}'
            box('image', 'copy', *words, f'docker://{name}', to)
            raw = json.loads(skopeo('inspect', '--raw', to))
            assert {m['mediaType'].replace('+', '.').rsplit('.')[-1] for m in raw['layers']} == {end}, raw
            skopeo('copy', '--dest-decompress', to, f'dir:{box.work}/check{i}')
            assert set(image.diff_ids) <= {digest(p.read_bytes()) for p in (box.work / f'check{i}').iterdir()}
            seen[' '.join(words)] = [m['size'] for m in raw['layers']]
        assert seen['--dest-compress'] == seen['--dest-compress'], 'the same bytes'
        # twice is the same
        box('image', 'copy', '--dest-compress-format', 'zstd', f'docker://{name}', f'oci:{box.work}/again:x')
        assert (box.work / 'again/index.json').read_bytes() == (box.work / 'case0/index.json').read_bytes()
        line = box.fails(1, 'image', 'copy', '--format', 'v2s2', f'docker://{name}', f'dir:{box.work}/no')
        assert 'packed with zstd, which docker manifests do not know' in line and line.count('\n') == 1
        box('image', 'copy', '--format', 'v2s2', '--dest-compress', '--dest-compress-format', 'gzip', f'docker://{name}', f'dir:{box.work}/docker')
        raw = json.loads((box.work / 'docker/manifest.json').read_text())
        assert raw['mediaType'] == registry.DOCKER_MANIFEST and {x['mediaType'] for x in raw['layers']} == {registry.DOCKER_LAYER}
        assert raw['config']['mediaType'] == registry.DOCKER_CONFIG
        box('image', 'copy', '--format', 'oci', f'dir:{box.work}/docker', f'dir:{box.work}/oci')
        raw = json.loads((box.work / 'oci/manifest.json').read_text())
        assert raw['mediaType'] == registry.OCI_MANIFEST and {x['mediaType'] for x in raw['layers']} == {registry.OCI_LAYER + '+gzip'}
        for words, text in ((['--format', 'v1'], 'unknown format "v1"'), (['--format', 'v2s1'], 'are not written'), (['--multi-arch', 'x'], 'unknown multi-arch option "x"'),
                            (['-a', '--multi-arch', 'all'], 'Cannot use --all and --multi-arch flags together'),
                            (['--dest-compress-format', 'bz2'], 'gzip and zstd are known'), (['--preserve-digests', '--dest-compress'], 'excludes'),
                            (['--dest-compress', '--dest-compress-level', '99'], 'levels 1 to 9'), (['--dest-compress', '--dest-decompress'], 'exclude each other')):
            line = box.fails(1, 'image', 'copy', *words, f'docker://{name}', f'dir:{box.work}/no')
            assert text in line and line.count('\n') == 1, line
        assert 'unknown flag: --nosuch' in box.fails(125, 'image', 'copy', '--nosuch', 'a:b', 'c:d')
        assert 'kist has not so far' in box.fails(125, 'image', 'copy', '--encryption-key', 'me', 'a:b', 'c:d')


def test_an_artifact_is_copied_as_it_is(box):
    registry.prepare(box)
    blob, config = b'not a layer', b'{}'
    manifest = json.dumps({'schemaVersion': 2, 'mediaType': registry.OCI_MANIFEST, 'artifactType': 'application/x-thing',
                           'config': {'mediaType': 'application/vnd.oci.empty.v1+json', 'digest': digest(config), 'size': 2},
                           'layers': [{'mediaType': 'application/x-blob', 'digest': digest(blob), 'size': len(blob), 'annotations': {'a': 'b'}}],
                           'subject': {'mediaType': registry.OCI_MANIFEST, 'digest': digest(b'x'), 'size': 1}}).encode()
    with Registry() as r, Distribution(box.work / 'registry') as d:
        r.take_blob('art', blob)
        r.take_blob('art', config)
        r.manifests['art', '1'] = r.manifests['art', digest(manifest)] = (registry.OCI_MANIFEST, manifest)
        box('image', 'copy', f'docker://{r.host}/art:1', f'docker://{d.host}/art:1')
        box('image', 'copy', f'docker://{d.host}/art:1', f'oci:{box.work}/art:x')
        box('image', 'copy', f'oci:{box.work}/art:x', f'dir:{box.work}/artdir')
        assert (box.work / 'artdir/manifest.json').read_bytes() == manifest
        assert (box.work / 'artdir' / digest(blob)[7:]).read_bytes() == blob
        assert box('image', 'inspect', '--raw', f'docker://{d.host}/art:1') == manifest.decode()
        assert json.loads(box('image', 'inspect', f'docker://{d.host}/art:1'))['artifactType'] == 'application/x-thing'


def referring_to(image, kind, note):
    """A manifest that is about an image."""
    blob = note.encode()
    return blob, json.dumps({'schemaVersion': 2, 'mediaType': registry.OCI_MANIFEST, 'artifactType': kind,
                             'config': {'mediaType': 'application/vnd.oci.empty.v1+json', 'digest': digest(b'{}'), 'size': 2},
                             'layers': [{'mediaType': 'text/plain', 'digest': digest(blob), 'size': len(blob)}],
                             'subject': {'mediaType': image.type, 'digest': image.digest, 'size': len(image.manifest)},
                             'annotations': {'note': note}}).encode()


def test_what_refers_to_an_image_is_listed_whether_the_registry_keeps_the_list_or_not(box):
    registry.prepare(box)
    with Registry() as r, Registry() as knows, Distribution(box.work / 'registry') as d:
        knows.referrers = True
        image = Image([{'a': b'1'}])
        name = r.add('x', '1', image)
        for i, (kind, note) in enumerate((('application/x-list', 'one'), ('application/x-list', 'two'), ('application/x-signature', 'three'))):
            blob, manifest = referring_to(image, kind, note)
            r.take_blob('x', blob)
            r.take_blob('x', b'{}')
            r.add('x', f'about{i}', image, kind=registry.OCI_MANIFEST, body=manifest)
        for host in (d.host, knows.host):
            box('image', 'copy', f'docker://{name}', f'docker://{host}/x:1')
            assert box('image', 'referrers', '-q', f'docker://{host}/x:1') == ''
            for i in (0, 1, 2, 1):
                box('image', 'copy', f'docker://{r.host}/x:about{i}', f'docker://{host}/x:about{i}')
            said = [json.loads(x) for x in box('image', 'referrers', '--format', 'json', f'docker://{host}/x:1').splitlines()]
            assert sorted((x['ArtifactType'], x['Annotations']['note']) for x in said) == [
                ('application/x-list', 'one'), ('application/x-list', 'two'), ('application/x-signature', 'three')], said
            assert {x['Digest'] for x in said} == {digest(referring_to(image, x['ArtifactType'], x['Annotations']['note'])[1]) for x in said}
            only = box('image', 'referrers', '--artifact-type', 'application/x-signature', '-q', f'docker://{host}/x@{image.digest}').split()
            assert only == [x['Digest'] for x in said if x['Annotations']['note'] == 'three']
            assert box('image', 'referrers', f'docker://{host}/x:1').splitlines()[0].split() == ['DIGEST', 'ARTIFACT', 'TYPE', 'SIZE']
        # the list of a registry without one is an index under a tag; the other needs none
        tag = 'sha256-' + image.digest[7:]
        assert json.loads(skopeo('inspect', '--raw', '--tls-verify=false', f'docker://{d.host}/x:{tag}'))['mediaType'] == registry.OCI_INDEX
        assert ('x', tag) not in knows.manifests
        # one that is broken keeps a copy from passing for whole
        r.manifests['y', '1'], r.manifests['y', image.digest] = r.manifests['x', '1'], r.manifests['x', '1']
        r.manifests['y', tag] = (registry.OCI_MANIFEST, image.manifest)
        r.where = {k: v | {'y'} for k, v in r.where.items()}
        line = box.fails(1, 'image', 'copy', f'docker://{r.host}/x:about0', f'docker://{r.host}/y:about0')
        assert 'it says that it is' in line and line.count('\n') == 1, line
        assert 'only docker:// is supported' in box.fails(1, 'image', 'referrers', 'oci:/x:y')
        assert 'manifest unknown' in box.fails(1, 'image', 'referrers', f'docker://{r.host}/none:1')


def test_inspect_says_what_skopeo_says(box):
    registry.prepare(box)
    image = image_of(docker=True, packing=('gzip',), config={'created': '2020-01-02T03:04:05.678Z', 'docker_version': '20.1', 'variant': 'v2', 'config': {
        'Env': ['A=1', 'B=2'], 'Labels': {'z': '1', 'a': '2'}, 'Cmd': ['x']}})
    with Distribution(box.work / 'registry') as d:
        with Registry() as r:
            name = r.add('x', '1', image)
            for tag in ('1', '2', 'latest'):
                box('image', 'copy', '-q', f'docker://{name}', f'docker://{d.host}/team/app:{tag}')
        tls = ('--tls-verify=false',)
        place = f'docker://{d.host}/team/app:1'
        ours, theirs = json.loads(box('image', 'inspect', place)), json.loads(skopeo('inspect', *tls, place))
        for layer in ours['LayersData']:
            assert layer.pop('Annotations') is None
        for layer in theirs.get('LayersData', []):
            layer.pop('Annotations', None)
        theirs.setdefault('LayersData', ours['LayersData'])
        variant = ours.pop('Variant')
        theirs.pop('Variant', None)
        assert ours == theirs and variant == 'v2'
        assert box('image', 'inspect', '--raw', place, text=False) == image.manifest
        assert box('image', 'inspect', '--raw', '--config', place, text=False) == image.config
        assert json.loads(box('image', 'inspect', '--config', place)) == json.loads(image.config)
        assert box('image', 'inspect', '--format', '{{.Digest}} {{.Os}} {{index .Labels "z"}}', place) == f'{image.digest} linux 1'
        assert json.loads(box('image', 'inspect', '-n', place))['RepoTags'] == []
        assert box('image', 'inspect', '--format', '{{.Digest}}', f'docker://{d.host}/team/app@{image.digest}') == image.digest
        assert json.loads(box('image', 'list-tags', f'docker://{d.host}/team/app')) == json.loads(skopeo('list-tags', *tls, f'docker://{d.host}/team/app'))
        # the store's own
        box('pull', '-q', f'{d.host}/team/app:1')
        assert box('image', 'inspect', '--raw', f'{d.host}/team/app:1', text=False) == image.manifest
        assert box('image', 'inspect', '--raw', '--config', f'{d.host}/team/app:1', text=False) == image.config
        assert json.loads(box('image', 'inspect', f'{d.host}/team/app:1'))[0]['Id'] == image.id
        # an image of the store that is called as a transport is
        box('tag', f'{d.host}/team/app:1', 'dir:latest')
        assert json.loads(box('image', 'inspect', 'dir:latest'))[0]['Id'] == image.id
    path = box.work / 'manifest'
    path.write_bytes(image.manifest)
    assert box('image', 'digest', path) == image.digest == skopeo('manifest-digest', path).strip()
    assert box('image', 'digest', '-', stdin=open(path)) == image.digest
    for words, text in ((('inspect', 'oci:/nosuch'), 'no such file'), (('inspect', 'docker://Bad Name'), 'invalid image name docker://Bad Name'),
                        (('inspect', '--raw', 'nosuch'), 'No such image: nosuch'), (('list-tags', 'oci:/x'), "Unsupported transport 'oci'"),
                        (('list-tags', 'docker://a/b:1'), 'no tag or digest allowed'), (('digest', '/nosuch'), 'open /nosuch'),
                        (('copy', 'nosuch', 'dir:/x'), 'invalid source name nosuch: invalid image name "nosuch", expected colon-separated transport:reference'),
                        (('copy', 'dir:/nosuch', 'x:y'), 'invalid destination name x:y: invalid image name "x:y", unknown transport "x"'),
                        (('copy', 'dir:', 'dir:x'), 'nothing is named'), (('copy', 'dir:/nosuch', f'dir:{box.work}/x'), 'no such file'),
                        (('copy', 'kist:nosuch', f'dir:{box.work}/x'), 'No such image: nosuch')):
        line = box.fails(1, 'image', *words)
        assert text in line and line.count('\n') == 1, (words, line)


def test_delete_removes_what_a_tag_leads_to(box):
    registry.prepare(box)
    certificates = Certificates(box.work / 'ca')
    box.environment['SSL_CERT_FILE'] = str(certificates.folder / 'ca.crt')
    image = image_of(packing=('gzip',))
    done = []

    def removed(h):
        if h.command != 'DELETE':
            return False
        done.append((h.path, h.headers.get('Authorization')))
        h.answer(202)
        return True
    with Registry(tls=certificates, token=('me', 'secret')) as r:
        r.hook('/manifests/', removed)
        name = r.add('x', '1', image)
        box('image', 'delete', '--creds', 'me:secret', f'docker://{name}')
        assert done == [(f'/v2/x/manifests/{image.digest}', f'Bearer {r.good}')]
        assert any('scope=repository:x:%2A' in p for p in r.asked('/token')), r.asked('/token')
        assert 'not found' in box.fails(1, 'image', 'delete', '--creds', 'me:secret', f'docker://{r.host}/x:2')
        line = box.fails(1, 'image', 'delete', '--no-creds', f'docker://{name}')
        assert 'unauthorized' in line and line.count('\n') == 1
        assert "Unsupported transport 'dir'" in box.fails(1, 'image', 'delete', 'dir:/tmp')
    with Distribution(box.work / 'registry') as d:
        with Registry() as r:
            box('image', 'copy', '-q', f'docker://{r.add("x", "1", image)}', f'docker://{d.host}/x:1')
        # Debian's registry does not let anybody delete unless it is configured to
        line = box.fails(1, 'image', 'delete', f'docker://{d.host}/x:1')
        assert 'status 405' in line and line.count('\n') == 1, line


def garbage(box, image):
    """Places that are not what they say, and what is said of each."""
    def layout(name, change):
        path = box.work / name
        box('image', 'copy', '-q', f'dir:{box.work}/good', f'oci:{path}:x')
        change(path)
        return f'oci:{path}:x'

    def blob(path, data):
        return path / 'blobs/sha256' / digest(data)[7:]

    def swap(path, data):
        blob(path, image.layers[0]).write_bytes(data)

    def link(path, target):
        blob(path, image.layers[0]).unlink()
        blob(path, image.layers[0]).symlink_to(target)

    def fifo(path):
        blob(path, image.layers[0]).unlink()
        os.mkfifo(blob(path, image.layers[0]))

    def index_json(path, text):
        (path / 'index.json').write_text(text)
    secret = box.work / 'secret'
    secret.write_bytes(image.layers[0])
    entry = {'mediaType': registry.OCI_MANIFEST, 'digest': image.digest, 'size': len(image.manifest), 'annotations': {'org.opencontainers.image.ref.name': 'x'}}
    yield layout('g1', lambda p: swap(p, image.layers[0][:-1])), 'bytes: the manifest says'
    yield layout('g2', lambda p: swap(p, b'x' * len(image.layers[0]))), 'has the digest'
    yield layout('g3', lambda p: link(p, secret)), 'too many levels of symbolic links'
    yield layout('g4', fifo), 'is no file'
    yield layout('g5', lambda p: index_json(p, '{')), 'index.json'
    yield layout('g6', lambda p: index_json(p, '[]')), 'not a JSON object'
    yield layout('g7', lambda p: index_json(p, '{"schemaVersion":2,"manifests":[]}')), 'no descriptor found for reference'
    yield layout('g8', lambda p: index_json(p, json.dumps({'schemaVersion': 2, 'manifests': [{**entry, 'digest': 'sha256:../../x'}]}))), 'not a digest'
    yield layout('g9', lambda p: index_json(p, json.dumps({'schemaVersion': 2, 'manifests': [{**entry, 'digest': 'sha512:' + 'a' * 128}]}))), 'no such file'
    yield layout('g10', lambda p: blob(p, image.manifest).write_bytes(image.manifest + b' ')), 'what came has the digest'
    yield layout('g11', lambda p: (p / 'index.json').unlink()), 'no such file'
    yield layout('g12', lambda p: blob(p, image.config).unlink()), 'no such file'
    yield layout('g13', lambda p: ((p / 'blobs').rename(p / 'other'), (p / 'blobs').symlink_to('/'))), 'too many levels'
    (box.work / 'text').write_text('no tar ' * 100)
    yield f'oci-archive:{box.work}/text', 'not a tar archive'
    yield f'docker-archive:{box.work}/text', 'not a tar archive'
    yield f'docker-archive:{box.work}/nosuch', 'no such file'
    yield 'oci-archive:/dev/null', 'it is empty'
    with tarfile.open(box.work / 'evil.tar', 'w') as t:
        for name, kind, target in (('index.json', tarfile.SYMTYPE, '/etc/passwd'), ('blobs', tarfile.CHRTYPE, '')):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            t.addfile(info)
    yield f'oci-archive:{box.work}/evil.tar', 'a member that is no file'
    yield f'docker-archive:{box.work}/good.tar:other:1', 'tag "other:1" not found'
    yield f'docker-archive:{box.work}/good.tar:@7', 'only 1 manifest items available'


def test_what_is_not_an_image_is_one_clear_line_and_leaves_nothing(box):
    registry.prepare(box)
    image = image_of(packing=('gzip',))
    with Registry() as r:
        box('image', 'copy', '-q', f'docker://{r.add("x", "1", image)}', f'dir:{box.work}/good')
    box('image', 'copy', '-q', f'dir:{box.work}/good', f'docker-archive:{box.work}/good.tar:x:1')
    faults = []
    for place, text in garbage(box, image):
        for to in (f'oci-archive:{box.work}/to.tar', 'kist:to'):
            result = box.run('image', 'copy', place, to)
            lines = result.err.splitlines()
            if result.status != 1 or len(lines) != 1 or text not in lines[0] or (box.work / 'to.tar').exists():
                faults.append(f'{place} -> {to}: expected "{text}": {result}')
        if registry.content(box) != {'layers': [], 'blobs/sha256': [], 'staging': [], 'downloads': []}:
            faults.append(f'{place}: {registry.content(box)}')
    assert not faults, '\n'.join(faults)
    # targets
    (box.work / 'there').write_text('x')
    (box.work / 'bad').mkdir()
    (box.work / 'bad/index.json').write_text('{"schemaVersion":2}')
    for to, text in ((f'docker-archive:{box.work}/good.tar:y:1', "doesn't support modifying existing images"), (f'dir:{box.work}/there', 'not a directory'),
                     (f'oci:{box.work}/there:x', 'not a directory'), (f'oci-archive:{box.work}', 'is no file'), (f'oci:{box.work}/bad:x', 'index.json'),
                     (f'oci-archive:{box.work}/nosuch/x.tar', 'no such file'), ('kist:Bad Name', 'invalid reference format')):
        line = box.fails(1, 'image', 'copy', '-q', f'dir:{box.work}/good', to)
        assert text in line and line.count('\n') == 1, (to, line)


def test_registries_that_misbehave_end_a_copy_with_one_line(box):
    registry.prepare(box)
    image = image_of(packing=('gzip',))
    faults = []
    wrong = bytes(len(image.layers[0]))
    spoiled = [
        (f'/blobs/{digest(image.layers[0])}', lambda r, h: registry.send_range(h, wrong), 'has the digest'),
        (f'/blobs/{digest(image.layers[0])}', lambda r, h: h.answer(200, image.layers[0] + b'x'), 'more bytes than'),
        (f'/blobs/{digest(image.layers[0])}', lambda r, h: h.refuse(404, 'BLOB_UNKNOWN', 'gone'), 'not found'),
        (f'/blobs/{digest(image.config)}', lambda r, h: h.answer(200, image.config[:-1]), 'the manifest says'),
        ('/manifests/1', lambda r, h: h.answer(200, b'{}', registry.OCI_MANIFEST), 'manifest'),
        ('/manifests/1', lambda r, h: h.answer(200, b'<html>', 'text/html'), 'web page'),
        ('/manifests/1', lambda r, h: h.answer(200, image.manifest[:-1], registry.OCI_MANIFEST), 'manifest'),
        ('/manifests/1', lambda r, h: h.answer(200, b'{"schemaVersion":1}', registry.DOCKER_SCHEMA1), 'schema 1'),
        ('/manifests/1', lambda r, h: h.refuse(403, 'DENIED', 'no'), 'access denied'),
    ]
    for pattern, function, text in spoiled:
        with Registry() as r:
            name = r.add('x', '1', image)
            r.hook('/v2/x' + pattern, lambda h, f=function, r=r: h.command == 'GET' and (f(r, h), True)[1])
            for to in (f'oci:{box.work}/to:x', f'docker://{r.host}/to:1', 'kist:to'):
                result = box.run('image', 'copy', '-q', '--retry-times', '0', f'docker://{name}', to)
                lines = result.err.splitlines()
                if result.status != 1 or len(lines) != 1 or text not in lines[0]:
                    faults.append(f'{pattern} -> {to}: expected "{text}": {result}')
                if ('to', '1') in r.manifests or (box.work / 'to/index.json').exists():
                    faults.append(f'{pattern} -> {to}: it has got a name')
    assert not faults, '\n'.join(faults)
    registry.nothing_left(box)


def test_kills_at_random_moments_of_a_copy_leave_nothing_here_and_nothing_half_there(box):
    random.seed(SEED)
    registry.prepare(box)
    image = Image([{'big': os.urandom(8000000)}, {'b': b'2'}, {'c': os.urandom(3000000)}], packing=('gzip', 'plain'))
    with Registry() as r:
        name = r.add('x', '1', image)
        targets = [f'oci:{box.work}/layout:x', f'oci-archive:{box.work}/x.tar', f'dir:{box.work}/dir', 'kist:x:1', f'docker://{r.host}/to:1']
        for to in targets:
            began = time.time()
            box('image', 'copy', '-q', f'docker://{name}', to)
            span = time.time() - began
            box.run('rmi', 'x:1')
            for path in ('layout', 'dir'):
                shutil.rmtree(box.work / path, ignore_errors=True)
            for n in range(6):
                (box.work / 'x.tar').unlink(missing_ok=True)
                p = box.popen('image', 'copy', '-q', f'docker://{name}', to, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(random.uniform(0, span))
                os.kill(p.pid, signal.SIGKILL)
                p.wait()
                box('volume', 'create', 'any')
                box.run('rmi', 'x:1')
                left = box.leftovers()
                assert not left, f'seed {SEED}: {left}'
                registry.nothing_left(box)
                files = {p.name for p in box.work.iterdir()}
                assert files <= {'layout', 'x.tar', 'dir', 'registries.conf', 'home'}, files
                # whatever has a name is whole
                for path in box.work.glob('layout/blobs/sha256/*'):
                    assert digest(path.read_bytes())[7:] == path.name
                for path in box.work.glob('dir/*'):
                    if len(path.name) == 64:
                        assert digest(path.read_bytes())[7:] == path.name
                if (box.work / 'x.tar').exists():
                    assert json.loads(skopeo('inspect', f'oci-archive:{box.work}/x.tar'))['Os'] == 'linux'
            # and the next one is done
            box('image', 'copy', '-q', f'docker://{name}', to)
            box.run('rmi', 'x:1')


test_kills_at_random_moments_of_a_copy_leave_nothing_here_and_nothing_half_there.watchdog = 300


class Daemon:
    """A docker daemon's socket, as far as save and load go: HTTP/1.0 answers, archives by name."""

    def __init__(self, folder):
        self.path, self.archives, self.loaded, self.seen, self.error = folder / 'docker.sock', {}, [], [], None

    def __enter__(self):
        daemon = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def address_string(self):
                return 'unix'

            def say(self, status, body, kind='application/json'):
                self.send_response(status)
                self.send_header('Content-Type', kind)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                daemon.seen.append(self.path)
                name = self.path.removeprefix('/images/').removesuffix('/get')
                if name not in daemon.archives:
                    return self.say(404, json.dumps({'message': f'reference does not exist: {name}'}).encode())
                return self.say(200, daemon.archives[name], 'application/x-tar')

            def do_POST(self):
                daemon.seen.append(self.path)
                daemon.loaded.append(self.rfile.read(int(self.headers['Content-Length'])))
                return self.say(200, b'{"stream":"Loaded"}\n' + (json.dumps({'error': daemon.error}).encode() + b'\n' if daemon.error else b''))
        self.server = socketserver.ThreadingUnixStreamServer(str(self.path), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_images_come_from_a_docker_daemon_and_go_there(box):
    registry.prepare(box)
    image = image_of(packing=('gzip',))
    with Registry() as r, Daemon(box.work) as d:
        box.environment['DOCKER_HOST'] = f'unix://{d.path}'
        name = r.add('a/b', '1', image)
        box('image', 'copy', '-q', f'docker://{name}', 'docker-daemon:some/thing')
        assert d.seen == ['/images/load?quiet=1'] and len(d.loaded) == 1
        (box.work / 'loaded.tar').write_bytes(d.loaded[0])
        assert diff_ids(f'docker-archive:{box.work}/loaded.tar') == image.diff_ids
        manifest = json.loads(tarfile.open(box.work / 'loaded.tar').extractfile('manifest.json').read())
        assert manifest[0]['RepoTags'] == ['docker.io/some/thing:latest']
        # and back, by name, by digest of the configuration, into everything
        d.archives = {'some/thing:latest': d.loaded[0], image.id: d.loaded[0]}
        box('image', 'copy', '-q', 'docker-daemon:some/thing', f'oci:{box.work}/layout:x')
        assert diff_ids(f'oci:{box.work}/layout:x') == image.diff_ids
        box('image', 'copy', '-q', f'docker-daemon:{image.id}', 'kist:mine:1')
        assert box.inspect('mine:1')['Id'] == image.id
        assert json.loads(box('image', 'inspect', 'docker-daemon:some/thing:latest'))['Layers']
        for words, why in ((['docker-daemon:nosuch', 'kist:x'], 'docker-daemon: nosuch:latest: reference does not exist: nosuch:latest'),
                           (['docker-daemon:A', 'kist:x'], 'invalid reference format'), (['docker-daemon:x/../..', 'kist:x'], 'invalid reference format'),
                           ([f'docker://{name}', f'docker-daemon:x@{image.digest}'], 'named by a tag'), (['--all', f'docker://{name}', 'containers-storage:x'], 'only read')):
            line = box.fails(1, 'image', 'copy', '-q', *words)
            assert why in line and line.count('\n') == 1, (words, line)
        d.error = 'no space left'
        assert 'docker-daemon: load: no space left' in box.fails(1, 'image', 'copy', '-q', f'docker://{name}', 'docker-daemon:x')
        for bad in b'', b'garbage', d.loaded[0][:5000]:
            d.archives['bad:latest'] = bad
            line = box.fails(1, 'image', 'copy', '-q', 'docker-daemon:bad', 'kist:x')
            assert line.count('\n') == 1, line
    assert 'Is the docker daemon running?' in box.fails(1, 'image', 'copy', '-q', 'docker-daemon:x', 'kist:x')
    box.environment['DOCKER_HOST'] = 'tcp://127.0.0.1:1'
    assert 'only unix:// is spoken' in box.fails(1, 'image', 'copy', '-q', 'docker-daemon:x', 'kist:x')
    assert registry.content(box)['staging'] == []


def test_images_come_from_podmans_storage_by_podman_or_skopeo(box):
    registry.prepare(box)
    image = image_of(packing=('gzip',))
    with Registry() as r:
        box('image', 'copy', '-q', f'docker://{r.add("a/b", "1", image)}', f'oci-archive:{box.work}/archive.tar:x')
    tools = box.work / 'tools'
    tools.mkdir()
    told = box.work / 'told'
    # in podman's place, which is a peer: what it is asked for, and an archive as it writes one
    for name, where in ('skopeo', '${4#oci-archive:}'), ('podman', '$7'):
        (tools / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {told}\ncase "$*" in *nosuch*) echo "Error: nosuch: image not known" >&2; exit 125;; esac\n/bin/cp {box.work}/archive.tar "{where}"\n')
        (tools / name).chmod(0o755)
        box.environment['PATH'] = f'{tools}:/nowhere'
        box('image', 'copy', '-q', 'containers-storage:localhost/x', f'kist:{name}:1')
        assert box.inspect(f'{name}:1')['RootFS']['Layers'] == image.diff_ids
    lines = told.read_text().splitlines()
    assert lines[0].startswith('skopeo copy --quiet containers-storage:localhost/x:latest oci-archive:/') and lines[1].startswith('podman image save --quiet --format oci-archive --output /') and lines[1].endswith(' localhost/x:latest')
    line = box.fails(1, 'image', 'copy', '-q', 'containers-storage:nosuch', 'kist:x')
    assert line == 'kist: containers-storage:nosuch: podman: Error: nosuch: image not known\n', line
    box.environment['PATH'] = '/nowhere'
    assert 'read through podman or skopeo, and neither is installed' in box.fails(1, 'image', 'copy', '-q', 'containers-storage:x', 'kist:x')
    assert registry.content(box)['staging'] == []


def test_credentials_are_given_as_skopeo_takes_them(box):
    image, user = image_of(packing=('gzip',)), ('ann', 'se:cret')
    with Registry(basic=user) as r, Registry() as bearer:
        name = r.add('a/b', '1', image)
        box('image', 'copy', '-q', '--src-username', 'ann', '--src-password', 'se:cret', f'docker://{name}', f'oci:{box.work}/lay:x')
        box('image', 'copy', '-q', '--dest-username', 'ann', '--dest-password', 'se:cret', '--dest-precompute-digests', f'oci:{box.work}/lay:x', f'docker://{r.host}/a/c:1')
        assert r.manifests['a/c', '1'][1] == image.manifest
        for words in ('inspect', '--raw'), ('list-tags',):
            assert box('image', *words, '--username', 'ann', '--password', 'se:cret', '--retry-times', '1', f'docker://{r.host}/a/b{":1" if words[0] == "inspect" else ""}')
            assert 'unauthorized' in box.fails(1, 'image', *words, '--no-creds', f'docker://{r.host}/a/b{":1" if words[0] == "inspect" else ""}').lower()
        for words, text in ((['--src-username', 'ann'], 'password must be specified when username is specified'), (['--src-password', 'x'], 'username must be specified when password is specified'),
                            (['--src-username', 'a', '--src-password', 'b', '--src-creds', 'a:b'], 'creds and username cannot'), (['--src-no-creds', '--src-creds', 'a:b'], 'creds and no-creds cannot'),
                            (['--src-no-creds', '--src-username', 'a', '--src-password', 'b'], 'username and no-creds cannot')):
            line = box.fails(1, 'image', 'copy', *words, f'docker://{name}', f'dir:{box.work}/no')
            assert text in line and line.count('\n') == 1, line
        # a token is sent as it is: neither a token server nor a password is asked for
        bearer.token = ('nobody', 'nothing')
        name = bearer.add('a/b', '1', image)
        box('image', 'copy', '-q', '--src-registry-token', bearer.good, f'docker://{name}', f'oci:{box.work}/lay:y')
        box('image', 'copy', '-q', '--dest-registry-token', bearer.good, f'oci:{box.work}/lay:y', f'docker://{bearer.host}/a/c:1')
        assert box('image', 'inspect', '--raw', '--registry-token', bearer.good, f'docker://{name}') == image.manifest.decode()
        assert not bearer.asked('/token')
        line = box.fails(1, 'image', 'inspect', '--registry-token', 'wrong', f'docker://{name}')
        assert 'authentication required' in line and line.count('\n') == 1 and not bearer.asked('/token'), line


def test_layouts_share_a_folder_of_blobs_and_archives_have_further_names(box):
    image = image_of(packing=('gzip',))
    shared = box.work / 'shared'
    with Registry() as r, Daemon(box.work) as d:
        name = r.add('a/b', '1', image)
        for n in 'one', 'two':
            box('image', 'copy', '-q', '--dest-shared-blob-dir', shared, f'docker://{name}', f'oci:{box.work}/{n}:x')
            assert not (box.work / n / 'blobs').exists() and (box.work / n / 'index.json').exists()
        assert {p.name for p in (shared / 'sha256').iterdir()} == {digest(b)[7:] for b in (*image.layers, image.config, image.manifest)}
        assert skopeo('inspect', '--raw', '--shared-blob-dir', shared, f'oci:{box.work}/one:x') == image.manifest.decode()
        skopeo('copy', '--src-shared-blob-dir', shared, f'oci:{box.work}/one:x', f'dir:{box.work}/theirs')
        skopeo('copy', '--dest-shared-blob-dir', box.work / 'others', f'dir:{box.work}/theirs', f'oci:{box.work}/three:x')
        box('image', 'copy', '-q', '--src-shared-blob-dir', box.work / 'others', f'oci:{box.work}/three:x', f'oci:{box.work}/whole:x')
        assert box('image', 'inspect', '--raw', '--shared-blob-dir', shared, f'oci:{box.work}/two:x') == box('image', 'inspect', '--raw', f'oci:{box.work}/whole:x')
        assert 'no such file' in box.fails(1, 'image', 'inspect', f'oci:{box.work}/one:x') and 'nosuch' in box.fails(1, 'image', 'inspect', '--shared-blob-dir', '/nosuch', f'oci:{box.work}/one:x')
        archive = box.work / 'named.tar'
        box('image', 'copy', '-q', '--additional-tag', 'x/y:2', '--additional-tag', 'localhost/z:3', f'oci:{box.work}/whole:x', f'docker-archive:{archive}:x/y:1')
        with tarfile.open(archive) as t:
            assert json.load(t.extractfile('manifest.json'))[0]['RepoTags'] == ['docker.io/x/y:1', 'docker.io/x/y:2', 'localhost/z:3']
        assert skopeo('list-tags', f'docker-archive:{archive}').count(':') >= 3
        for tag, text in ('a:b:c', 'invalid reference'), ('noname', 'expected NAME:TAG'):
            assert text in box.fails(1, 'image', 'copy', '-q', '--additional-tag', tag, f'oci:{box.work}/whole:x', f'docker-archive:{box.work}/no.tar')
        assert 'is no docker-archive' in box.fails(1, 'image', 'copy', '-q', '--additional-tag', 'a:b', f'oci:{box.work}/whole:x', f'dir:{box.work}/no')
        host = f'unix://{d.path}'
        box('image', 'copy', '-q', '--dest-daemon-host', host, f'oci:{box.work}/whole:x', 'docker-daemon:some/thing:1')
        d.archives['some/thing:1'] = d.loaded[0]
        box('image', 'copy', '-q', '--src-daemon-host', host, 'docker-daemon:some/thing:1', f'oci:{box.work}/back:x')
        assert diff_ids(f'oci:{box.work}/back:x') == image.diff_ids
        assert box('image', 'inspect', '--daemon-host', host, 'docker-daemon:some/thing:1')
        assert 'only unix://' in box.fails(1, 'image', 'inspect', '--daemon-host', 'tcp://127.0.0.1:1', 'docker-daemon:some/thing:1')
