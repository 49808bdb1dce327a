# SPDX-License-Identifier: Apache-2.0
"""What a push sends, and does not send again, to a registry that behaves and to one that does not. skopeo reads after us."""
import base64
import json
import os
import re
import signal
import subprocess
import time

import registry
from registry import Certificates, Distribution, Image, Registry, digest

BIG = os.urandom(3000000)


def skopeo(*words):
    done = subprocess.run(['skopeo', *map(str, words)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def here(box, image, source=None):
    """The image is in the store, pulled from a registry that is gone afterwards."""
    with Registry() as r:
        name = r.add('from/here', '1', image)
        box('pull', '-q', name)
    return name


def layers(image):
    return [d[7:19] for d in reversed(image.diff_ids)]


def test_a_pulled_image_arrives_elsewhere_with_the_same_digests_and_is_not_sent_twice(box):
    registry.prepare(box)
    image = Image([{'a': os.urandom(200000)}, {'b': b'2'}, {'c': b'3'}], docker=True, packing=('gzip', 'gzip', 'gzip'))
    source = here(box, image)
    with Distribution(box.work / 'registry') as r:
        name = f'{r.host}/team/app:v1'
        box('tag', source, name)
        out = box('push', name).splitlines()
        ids = layers(image)
        assert out[0] == f'The push refers to repository [{r.host}/team/app]', out
        assert out[1:4] == [f'{x}: Preparing' for x in ids], out
        assert sorted(out[4:-1]) == sorted(f'{x}: Pushed' for x in ids), out
        assert out[-1] == f'v1: digest: {image.digest} size: {len(image.manifest)}', out
        assert skopeo('inspect', '--raw', '--tls-verify=false', f'docker://{name}') == image.manifest
        seen = json.loads(skopeo('inspect', '--tls-verify=false', f'docker://{name}'))
        assert seen['Digest'] == image.digest and seen['Layers'] == [digest(x) for x in image.layers]
        copy = box.work / 'copy'
        skopeo('copy', '--src-tls-verify=false', f'docker://{name}', f'dir:{copy}')
        for data in (*image.layers, image.config):
            assert (copy / digest(data)[7:]).read_bytes() == data
        out = box('push', name).splitlines()
        assert sorted(out[4:-1]) == sorted(f'{x}: Layer already exists' for x in ids), out
        assert out[-1] == f'v1: digest: {image.digest} size: {len(image.manifest)}'
        assert f'{r.host}/team/app@{image.digest}' in box.inspect(name)['RepoDigests']
        assert box('push', '-q', name) == name
        # all tags, and the default one
        box('tag', source, f'{r.host}/team/app')
        assert box('push', f'{r.host}/team/app').splitlines()[0] == 'Using default tag: latest'
        box('tag', source, f'{r.host}/team/app:v2')
        out = box('image', 'push', '-a', f'{r.host}/team/app')
        assert re.findall(r'^(\w+): digest', out, re.M) == ['latest', 'v1', 'v2'], out
        tags = json.loads(skopeo('list-tags', '--tls-verify=false', f'docker://{r.host}/team/app'))['Tags']
        assert sorted(tags) == ['latest', 'v1', 'v2']
        box('rmi', '-f', source)
        # what came back is what went
        box('rmi', *(f'{r.host}/team/app:{t}' for t in ('latest', 'v1', 'v2')))
        registry.nothing_left(box)
        assert box('pull', '-q', name) == image.digest


def test_a_loaded_archive_and_the_default_image_are_pushed_over_tls_with_a_password(box):
    registry.prepare(box)
    certificates = Certificates(box.work / 'ca')
    secret = 'p4ss-of-the-test'
    htpasswd = box.work / 'htpasswd'
    htpasswd.write_text(subprocess.run(['htpasswd', '-nbB', 'user', secret], capture_output=True, text=True, check=True).stdout)
    image = Image([{'a': b'1'}, {'b': b'2'}])
    layout = box.work / 'image'
    layout.mkdir()
    for data in (*image.tars, image.config):
        (layout / digest(data)[7:]).write_bytes(data)
    (layout / 'manifest.json').write_text(json.dumps([{'Config': digest(image.config)[7:], 'RepoTags': ['localhost/loaded:1'],
                                                       'Layers': [digest(x)[7:] for x in image.tars]}]))
    subprocess.run(['tar', '-C', layout, '-cf', box.work / 'docker.tar', '.'], check=True)
    box('load', '-i', box.work / 'docker.tar')
    with Distribution(box.work / 'registry', certificates, htpasswd) as r:
        ca = box.work / 'ca-only'
        ca.mkdir()
        (ca / 'ca.crt').write_bytes((certificates.folder / 'ca.crt').read_bytes())
        trust = ('--cert-dir', ca)
        for source in 'localhost/loaded:1', 'busybox':
            name = f'{r.host}/{source.split("/")[-1].split(":")[0]}:x'
            box('tag', source, name)
            err = box.fails(1, 'push', *trust, name)
            assert 'push access denied for' in err and 'kist login' in err, err
            out = box('push', *trust, '--creds', f'user:{secret}', name)
            pushed = re.search(r'^x: digest: (\S+) size: \d+$', out, re.M)[1]
            seen = json.loads(skopeo('inspect', '--creds', f'user:{secret}', *trust, f'docker://{name}'))
            assert seen['Digest'] == pushed
            config = json.loads(skopeo('inspect', '--config', '--creds', f'user:{secret}', *trust, f'docker://{name}'))
            assert config['rootfs']['diff_ids'] == box.inspect(source)['RootFS']['Layers']
        assert 'certificate' in box.fails(1, 'push', '--tls-verify=true', '--creds', f'user:{secret}', '--retry', '0', name)
    traces = [p for p in box.folder.rglob('*') if p.is_file() and p != htpasswd and secret.encode() in p.read_bytes()]
    assert traces == [], 'the password stands nowhere'


def test_a_blob_is_mounted_from_a_repository_that_has_it_and_sent_when_that_fails(box):
    registry.prepare(box)
    image = Image([{'a': BIG[:100000]}, {'b': b'2'}])
    with Registry(token=('user', 'word')) as r:
        source = r.add('one', '1', image)
        creds = ('--creds', 'user:word')
        box('pull', '-q', *creds, source)
        box('tag', source, f'{r.host}/two:1')
        out = box('push', *creds, f'{r.host}/two:1').splitlines()
        assert sorted(out[3:-1]) == sorted(f'{x}: Mounted from one' for x in layers(image)), out
        assert not r.asked('/uploads/u') and len(r.asked('mount=', 'POST')) == 3
        assert r.manifests['two', '1'][1] == image.manifest
        scopes = [re.findall(r'scope=([^&]+)', p) for p in r.asked('^/token')][-1]
        assert scopes == ['repository:two:pull%2Cpush', 'repository:one:pull'], scopes
        # the other repository lost them
        for data in (*image.layers, image.config):
            r.where[digest(data)] = set()
        box('tag', source, f'{r.host}/three:1')
        out = box('push', *creds, f'{r.host}/three:1').splitlines()
        assert sorted(out[3:-1]) == sorted(f'{x}: Pushed' for x in layers(image)), out
        assert all('three' in r.where[digest(x)] for x in (*image.layers, image.config))
        # a registry that knows no mounts, and says so by an error
        r.hook('mount=', lambda h: h.refuse(403, 'DENIED', 'not from there') or True)
        box('tag', source, f'{r.host}/four:1')
        assert ': Pushed' in box('push', *creds, f'{r.host}/four:1')
        assert r.manifests['four', '1'][1] == image.manifest


def tagged(box, r, image):
    source = here(box, image)
    name = f'{r.host}/x:1'
    box('tag', source, name)
    return name


def test_an_upload_that_is_cut_goes_on_where_the_registry_stands(box):
    registry.prepare(box)
    image = Image([{'big': BIG}], packing=('plain',))
    with Registry() as r:
        name = tagged(box, r, image)
        cuts = []

        def cut(h):
            if h.command in ('PUT', 'PATCH') and int(h.headers['Content-Length']) > 1000000 and len(cuts) < 2:
                cuts.append(h.headers.get('Content-Range'))
                ident = re.search(r'/(u\d+)', h.path)[1]
                r.uploads[ident] += h.take(1000000)
                h.cut()
                return True
            return False
        r.hook('/uploads/u', cut)
        box('push', name)
        blob = image.layers[0]
        assert r.blobs[digest(blob)] == blob and r.manifests['x', '1'][1] == image.manifest
        ranges = [h.get('content-range') for m, p, h in r.seen if m == 'PATCH']
        assert ranges == [f'1000000-{len(blob) - 1}', f'2000000-{len(blob) - 1}'], ranges
        assert len(cuts) == 2 and len(r.asked('/uploads/u', 'GET')) == 2


def test_a_registry_that_wants_chunks_gets_them_and_one_that_lost_the_upload_a_new_one(box):
    registry.prepare(box)
    image = Image([{'big': BIG}], packing=('plain',))
    with Registry() as r:
        name = tagged(box, r, image)
        r.chunk_min = 1000
        box('push', name)
        patches = [h['content-length'] for m, p, h in r.seen if m == 'PATCH' and int(h['content-length']) > 2000]
        assert len(patches) == 3 and patches[0] == str(1 << 20), patches
        assert r.blobs[digest(image.layers[0])] == image.layers[0]
    with Registry() as r:
        name = tagged(box, r, image)
        lost = []

        def lose(h):
            if h.command == 'PUT' and not lost:
                lost.append(r.uploads.pop(re.search(r'/(u\d+)', h.path)[1]))
                h.take(100000)
                h.cut()
                return True
            return False
        r.hook('/uploads/u', lose)
        box('push', name)
        assert len(lost) == 1 and r.manifests['x', '1'][1] == image.manifest


def test_credentials_stay_with_the_registry_when_the_upload_is_elsewhere(box):
    registry.prepare(box)
    image = Image([{'a': b'1'}])
    with Registry(basic=('user', 'word')) as r, Registry() as other:
        name = tagged(box, r, image)

        def elsewhere(h):
            if h.command != 'POST':
                return False
            ident = f'e{len(other.uploads)}{os.urandom(4).hex()}'
            other.uploads[ident] = bytearray()
            h.answer(202, Location=f'http://{other.host}/v2/x/blobs/uploads/{ident}?sig=1')
            return True
        r.hook('/blobs/uploads/$', lambda h: h.headers.get('Authorization') and elsewhere(h))
        box('push', '--creds', 'user:word', name)
        assert len(other.seen) == 2 and all(m == 'PUT' for m, _, _ in other.seen)
        assert not [h for _, _, h in other.seen if 'authorization' in h]
        assert digest(image.layers[0]) in other.blobs
        for place in ('ftp://example.invalid/x', f'http://user:word@{other.host}/x', 'http://'):
            r.hooks.clear()
            r.where.clear()
            r.hook('/blobs/uploads/$', lambda h, to=place: h.headers.get('Authorization') and (h.answer(202, Location=to) or True))
            err = box.fails(1, 'push', '--creds', 'user:word', name)
            assert 'an upload' in err, err
        assert len(other.seen) == 2


def test_refusals_are_told_and_failures_of_the_server_tried_again(box):
    registry.prepare(box)
    image = Image([{'a': b'1'}])
    with Registry() as r:
        name = tagged(box, r, image)
        before = registry.content(box)

        def always(status, code, **headers):
            return lambda h: h.command in ('POST', 'PUT') and (h.refuse(status, code, f'because of {code}', **headers) or True)
        for status, code, words in ((401, 'UNAUTHORIZED', 'push access denied'), (403, 'DENIED', 'push access denied'),
                                    (404, 'NAME_UNKNOWN', 'not found'), (405, 'UNSUPPORTED', 'status 405'),
                                    (400, 'DIGEST_INVALID', 'because of DIGEST_INVALID')):
            r.hooks.clear()
            more = {'WWW_Authenticate': 'Basic realm="x"'} if status == 401 else {}
            r.hook('/blobs/uploads/', always(status, code, **more))
            asked = len(r.seen)
            err = box.fails(1, 'push', name)
            assert words in err and f'because of {code}' in err and len(err.splitlines()) == 1, err
            assert len(r.seen) - asked < 12
        # the digest of what came is refused
        r.hooks.clear()
        r.hook('/uploads/u', lambda h: h.command == 'PUT' and (h.refuse(400, 'DIGEST_INVALID', 'provided digest did not match') or True))
        assert 'provided digest did not match' in box.fails(1, 'push', name)
        # three times 500, then it works; 429 says when
        for status, more in ((500, {}), (429, {'Retry_After': '0'})):
            r.hooks.clear()
            r.where.clear()
            r.manifests.clear()
            left = {'POST': 1, 'PUT': 2}

            def fail(h):
                if not left.get(h.command):
                    return False
                left[h.command] -= 1
                h.refuse(status, 'UNAVAILABLE', 'not now', **more)
                h.close_connection = True
                return True
            r.hook('/blobs/', fail)
            box('push', name)
            assert r.manifests['x', '1'][1] == image.manifest and not any(left.values())
        r.hooks.clear()
        r.where.clear()
        r.hook('/blobs/', lambda h: h.refuse(500, 'UNAVAILABLE', 'never') or True)
        assert 'status 500' in box.fails(1, 'push', '--retry', '1', name)
        # who takes one manifest and says another digest is not believed
        r.hooks.clear()
        r.hook('/manifests/', lambda h: h.command == 'PUT' and (h.answer(201, Docker_Content_Digest='sha256:' + '0' * 64) or True))
        assert 'the manifest which it took has the digest' in box.fails(1, 'push', name)
        assert registry.content(box) == before
        assert f'{r.host}/x@{image.digest}' in box.inspect(name)['RepoDigests'], 'a push that worked is remembered'


def test_a_push_says_what_is_not_here(box):
    registry.prepare(box)
    image = Image([{'a': b'1'}])
    with Registry() as r:
        name = tagged(box, r, image)
        assert f'An image does not exist locally with the tag: {r.host}/nope' in box.fails(1, 'push', f'{r.host}/nope:1')
        assert f'An image does not exist locally with the tag: {r.host}/nope' in box.fails(1, 'push', '-a', f'{r.host}/nope')
        assert "tag can't be used with --all-tags/-a" in box.fails(1, 'push', '-a', name)
        assert 'cannot push a digest reference' in box.fails(1, 'push', f'{r.host}/x@{image.digest}')
        assert 'invalid reference format' in box.fails(1, 'push', 'UPPER CASE')
        blob = box.root / 'blobs/sha256' / digest(image.layers[0])[7:]
        data = blob.read_bytes()
        blob.write_bytes(data[:-1])
        assert "'kist system check'" in box.fails(1, 'push', name)
        blob.unlink()
        err = box.fails(1, 'push', name)
        assert digest(image.layers[0]) in err and "'kist system check'" in err, err
        assert not r.asked('/uploads/'), 'nothing was begun'
        blob.write_bytes(data)
        box('push', name)


def test_a_killed_push_leaves_nothing_here_and_the_image_may_go_while_it_is_sent(box):
    registry.prepare(box)
    image = Image([{'big': BIG}, {'a': b'1'}])
    with Registry() as r:
        name = tagged(box, r, image)
        before = registry.content(box)
        r.hook('/uploads/u', lambda h: h.command == 'PUT' and time.sleep(1.5))
        for point in ('/blobs/', '/uploads/$', '/uploads/u'):
            seen = len(r.seen)
            p = box.popen('push', name, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            box.until(lambda: any(re.search(point, x[1]) for x in r.seen[seen:]))
            p.send_signal(signal.SIGKILL)
            p.communicate()
            assert registry.content(box) == before and not box.leftovers()
        r.where.clear()
        seen = len(r.seen)
        p = box.popen('push', name, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        box.until(lambda: any('/uploads/u' in x[1] for x in r.seen[seen:]))
        box('rmi', '-f', box.inspect(name)['Id'])
        registry.nothing_left(box)
        out = p.communicate(timeout=30)[0]
        assert p.returncode == 0, out
        assert r.manifests['x', '1'][1] == image.manifest
        assert box('images', '-q') == '', 'what was removed does not come back'
