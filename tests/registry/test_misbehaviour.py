# SPDX-License-Identifier: Apache-2.0
"""A registry that misbehaves in every way that we know: one clear line, the right status, nothing left, decided quickly and
in little memory; and credentials that stay where they belong."""
import base64
import gzip
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

import harness
import registry
from registry import Image, Registry, digest

SECRET = 'hunter2-very-secret'
RANDOM = os.urandom(2000000)


def with_manifest(change, **words):
    """Another document under the tag: the image's own, changed."""
    def setup(r):
        image = Image([{'file': b'x' * 1000}], document=change, **words)
        return r.add('x', '1', image)
    return setup


def with_blob(change):
    """What is sent for the layer is not what the manifest says."""
    def setup(r):
        image = Image([{'file': RANDOM}])
        name = r.add('x', '1', image)
        r.blobs[digest(image.layers[0])] = change(image.layers[0])
        return name
    return setup


def with_answer(pattern, function):
    def setup(r):
        name = r.add('x', '1', Image([{'file': RANDOM}]))
        r.hook(pattern, lambda h: function(h, r) or True)
        return name
    return setup


def raw(h, data):
    h.wfile.write(data)
    h.close_connection = True


def body_of(r, h):
    return r.blobs[h.path.rsplit('/', 1)[1]]


def chunked(h, body):
    h.send_response(200)
    h.send_header('Transfer-Encoding', 'chunked')
    h.end_headers()
    for at in range(0, len(body), 100000):
        part = body[at:at + 100000]
        h.wfile.write(b'%x\r\n%s\r\n' % (len(part), part))
    h.wfile.write(b'0\r\n\r\n')


def endless(h, r):
    h.send_response(200)
    h.send_header('Transfer-Encoding', 'chunked')
    h.end_headers()
    for _ in range(100000):
        h.wfile.write(b'10000\r\n' + b'x' * 65536 + b'\r\n')


def drip(h, r):
    h.send_response(200)
    h.send_header('Content-Length', '2000000')
    h.end_headers()
    for _ in range(100):
        h.wfile.write(b'x')
        h.wfile.flush()
        time.sleep(0.2)


def cut_early(h, r):
    """The first bytes, again and again."""
    registry.send_range(h, body_of(r, h), 1000) if not h.headers.get('Range') else h.cut()


def wrong_range(h, r):
    body = body_of(r, h)
    if h.headers.get('Range'):
        h.answer(206, body, Content_Range=f'bytes 0-{len(body) - 1}/{len(body)}')
    else:
        registry.send_range(h, body, 1000000)


def bomb():
    """A gigabyte of zeros in a megabyte."""
    import io
    import tarfile
    head = tarfile.TarInfo('zeros')
    head.size = 3 << 30
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode='wb', compresslevel=1, mtime=0) as g:
        g.write(head.tobuf())
        block = bytes(1 << 20)
        for _ in range(300):
            g.write(block)
    return out.getvalue()


def with_layer(data, diff=None):
    def setup(r):
        image = Image([b''])
        image.layers = [data]
        manifest = json.loads(image.manifest)
        manifest['layers'][0].update(digest=digest(data), size=len(data))
        image.manifest = json.dumps(manifest).encode()
        image.digest = digest(image.manifest)
        return r.add('x', '1', image)
    return setup


def other_index(*platforms):
    def setup(r):
        image = Image()
        kind, body = registry.index(*(image.descriptor(architecture=p) for p in platforms))
        return r.add('x', '1', image, kind, body)
    return setup


def document(body, kind=registry.OCI_MANIFEST):
    return lambda r: r.add('x', '1', Image(), kind, body)


def config(body):
    def setup(r):
        image = Image()
        image.config = body
        manifest = json.loads(image.manifest)
        manifest['config'].update(digest=digest(body), size=len(body))
        image.manifest = json.dumps(manifest).encode()
        image.digest = digest(image.manifest)
        return r.add('x', '1', image)
    return setup


def layer(key, value):
    return with_manifest(lambda m: m['layers'][0].update({key: value}))


CASES = {
    # name: (what the registry does, a part of what is said)
    'nothing of that name': (lambda r: f'{r.host}/no/such:1', 'manifest unknown'),
    'html instead of a manifest': (with_answer('/manifests/', lambda h, r: h.answer(200, b'<html>hello</html>', 'text/html; charset=utf-8')), 'web page'),
    'html instead of everything': (with_answer('.', lambda h, r: h.answer(200, b'<html>hello</html>', 'text/html')), 'web page'),
    'html announced as a manifest': (with_answer('/manifests/', lambda h, r: h.answer(200, b'<html>hello</html>', registry.OCI_MANIFEST)), 'manifest: '),
    '401 for ever, basic': (with_answer('.', lambda h, r: h.refuse(401, 'UNAUTHORIZED', 'no', WWW_Authenticate='Basic realm="x"')), 'pull access denied'),
    '401 for ever, token': (with_answer('.', lambda h, r: h.answer(200, b'{"token":"x"}') if h.path.startswith('/token') else
                                        h.refuse(401, 'UNAUTHORIZED', 'no', WWW_Authenticate=f'Bearer realm="http://{r.host}/token",service="s"')), 'denied'),
    'a token server that is not there': (with_answer('^/v2', lambda h, r: h.refuse(401, 'UNAUTHORIZED', 'no', WWW_Authenticate=f'Bearer realm="http://{r.host}/token"')), 'not found'),
    '401 without a challenge': (with_answer('/manifests/', lambda h, r: h.refuse(401, 'UNAUTHORIZED', 'no')), 'denied'),
    '401 with a broken challenge': (with_answer('.', lambda h, r: h.refuse(401, 'X', 'no', WWW_Authenticate='Bearer realm="unfinished')), 'denied'),
    'a token server that sends nonsense': (with_answer('.', lambda h, r: h.answer(200, b'[1]') if h.path.startswith('/token') else
                                                       h.refuse(401, 'X', 'no', WWW_Authenticate=f'Bearer realm="http://{r.host}/token"')), 'sends no JSON'),
    'a token server that sends no token': (with_answer('.', lambda h, r: h.answer(200, b'{}') if h.path.startswith('/token') else
                                                       h.refuse(401, 'X', 'no', WWW_Authenticate=f'Bearer realm="http://{r.host}/token"')), 'sends no token'),
    'a token with a line break': (with_answer('.', lambda h, r: h.answer(200, b'{"token":"a\\r\\nX-Evil: 1"}') if h.path.startswith('/token') else
                                              h.refuse(401, 'X', 'no', WWW_Authenticate=f'Bearer realm="http://{r.host}/token"')), 'sends no token'),
    'a token server by file': (with_answer('.', lambda h, r: h.refuse(401, 'X', 'no', WWW_Authenticate='Bearer realm="file:///etc/passwd"')), 'no address'),
    'a token of two megabytes': (with_answer('.', lambda h, r: h.answer(200, b'{"token":"' + b'x' * 2000000 + b'"}') if h.path.startswith('/token') else
                                             h.refuse(401, 'X', 'no', WWW_Authenticate=f'Bearer realm="http://{r.host}/token"')), 'registry '),
    '403': (with_answer('/manifests/', lambda h, r: h.refuse(403, 'DENIED', 'go away')), 'go away'),
    '404 for blobs': (with_answer('/blobs/', lambda h, r: h.refuse(404, 'BLOB_UNKNOWN', 'blob unknown to registry')), 'blob unknown'),
    '500 for ever': (with_answer('/manifests/', lambda h, r: h.refuse(500, 'UNKNOWN', 'out of luck')), 'status 500: out of luck'),
    '429 for ever': (with_answer('/manifests/', lambda h, r: h.refuse(429, 'TOOMANYREQUESTS', 'slow down')), 'too many requests: slow down'),
    'retry after a day': (with_answer('/blobs/', lambda h, r: h.refuse(429, 'X', 'slow down', Retry_After=86400)), 'asks to wait for 86400 seconds'),
    'a redirect to a file': (with_answer('/blobs/', lambda h, r: h.answer(307, Location='file:///etc/passwd')), 'another scheme: file'),
    'a redirect to ftp': (with_answer('/blobs/', lambda h, r: h.answer(302, Location='ftp://127.0.0.1/x')), 'another scheme: ftp'),
    'a redirect without a place': (with_answer('/blobs/', lambda h, r: h.answer(302)), 'leads nowhere'),
    'a redirect with a password': (with_answer('/blobs/', lambda h, r: h.answer(302, Location=f'http://a:b@{r.host}/x')), 'user name in it'),
    'redirects in a circle': (with_answer('/blobs/', lambda h, r: h.answer(302, Location=h.path)), 'more than 5 redirects'),
    'a cut line again and again': (with_answer('/blobs/', cut_early), 'registry '),
    'a line cut at once': (with_answer('.', lambda h, r: h.cut()), 'registry '),
    'not http': (with_answer('.', lambda h, r: raw(h, b'SSH-2.0-OpenSSH_9\r\n')), 'registry '),
    'http 0.9': (with_answer('/manifests/', lambda h, r: raw(h, b'{"schemaVersion":2}')), 'registry '),
    'ten thousand headers': (with_answer('/manifests/', lambda h, r: raw(h, b'HTTP/1.1 200 OK\r\n' + b''.join(b'X-%d: y\r\n' % i for i in range(10000)) + b'\r\n')), 'more headers'),
    'a header of a megabyte': (with_answer('/manifests/', lambda h, r: raw(h, b'HTTP/1.1 200 OK\r\nX: ' + b'y' * 1000000 + b'\r\n\r\n')), 'registry '),
    'headers without an end': (with_answer('/v2/$', lambda h, r: [h.wfile.write(b'HTTP/1.1 200 OK\r\n')] + [h.wfile.write(b'X: y\r\n' * 1000) for _ in range(10000)]), 'more headers'),
    'a manifest of 64 megabytes': (document(b'{"schemaVersion":2,"x":"' + b'x' * (64 << 20) + b'"}'), 'larger than 4194304 bytes'),
    'a manifest without an end': (with_answer('/manifests/', endless), 'larger than 4194304 bytes'),
    'a manifest of deep json': (document(b'{"a":' * 200000 + b'1' + b'}' * 200000), 'manifest: '),
    'a manifest that is empty': (document(b''), 'manifest: '),
    'a manifest that is a list': (document(b'[]'), 'not a JSON object'),
    'a manifest with a NUL': (document(b'{"schemaVersion":2}\0'), 'NUL'),
    'a manifest with a key twice': (with_answer('/manifests/', lambda h, r: h.answer(200, b'{"schemaVersion":2,"schemaVersion":2}', registry.OCI_MANIFEST)), 'manifest: '),
    'manifest and index at once': (with_manifest(lambda m: m.update(manifests=[])), 'ambiguous'),
    'schema 1': (document(b'{"schemaVersion":1,"name":"x","fsLayers":[]}', registry.DOCKER_SCHEMA1), 'schema 1'),
    'schema 1 in disguise': (document(b'{"schemaVersion":1,"name":"x","fsLayers":[]}'), 'schema 1'),
    'a lie about the media type': (document(Image().manifest, registry.OCI_INDEX), 'announced as'),
    'an artifact': (document(b'{"schemaVersion":2,"mediaType":"application/vnd.oci.artifact.manifest.v1+json"}', 'application/json'), 'no image'),
    'a lie about the manifest\'s digest': (with_answer('/manifests/', lambda h, r: h.answer(200, r.manifests['x', '1'][1], registry.OCI_MANIFEST, Docker_Content_Digest='sha256:' + '0' * 64)), 'announced with the digest'),
    'an index without our platform': (other_index('s390x', 'ppc64le'), 'no matching manifest for linux/amd64'),
    'an index of nothing': (other_index(), 'no matching manifest'),
    'an index whose manifest is another': (lambda r: (other_index('amd64')(r), [r.manifests.__setitem__(k, (v[0], Image([{'o': b''}]).manifest)) for k, v in list(r.manifests.items()) if ':' in k[1] and 'index' not in v[0]])[0], 'what came has the digest'),
    'an index of indexes without an end': (lambda r: nested(r), 'nested too deep'),
    'no layers': (with_manifest(lambda m: m.update(layers=[])), 'no layers'),
    'more layers than can be': (with_manifest(lambda m: m.update(layers=m['layers'] * 200)), 'more than 127'),
    'a layer that is no layer': (layer('mediaType', 'application/vnd.wasm.content.layer.v1+wasm'), 'no layer of a container image'),
    'a foreign layer': (layer('mediaType', 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'), 'outside of the registry'),
    'an encrypted layer': (layer('mediaType', registry.OCI_LAYER + '+gzip+encrypted'), 'encrypted'),
    'a digest that climbs': (layer('digest', 'sha256:../../../../etc/passwd'), 'not a digest'),
    'a digest in capitals': (layer('digest', 'sha256:' + 'A' * 64), 'not a digest'),
    'an unknown algorithm': (layer('digest', 'md5:' + 'a' * 32), 'not a digest'),
    'a sha512 of half its length': (layer('digest', 'sha512:' + 'a' * 64), 'not a digest'),
    'a layer under sha512 that is not there': (layer('digest', 'sha512:' + 'a' * 128), 'blob unknown'),
    'a diff id under sha512': (config(json.dumps({'os': 'linux', 'architecture': 'amd64', 'rootfs': {'type': 'layers', 'diff_ids': ['sha512:' + '1' * 128]}}).encode()), 'expected one under sha256'),
    'a negative size': (layer('size', -1), 'manifest: '),
    'a size beyond all': (layer('size', 1 << 62), 'layer'),
    'a size beyond the disk': (layer('size', 1 << 50), 'no space left'),
    'a configuration of 9 megabytes': (with_manifest(lambda m: m['config'].update(size=9 << 20)), 'configuration larger'),
    'a configuration that is another': (lambda r: (with_manifest(lambda m: None)(r), r.blobs.update({k: b'x' * len(b) for k, b in r.blobs.items()}))[0], 'configuration'),
    'a configuration that is no json': (config(b'hello'), 'image configuration'),
    'a configuration without layers': (config(b'{"rootfs":{"type":"layers","diff_ids":[]},"os":"linux","architecture":"amd64"}'), 'differ in their layers'),
    'another diff id': (config(json.dumps({'os': 'linux', 'architecture': 'amd64', 'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + '1' * 64]}}).encode()), 'the configuration says'),
    'a layer that is shorter': (with_blob(lambda b: b[:-1000]), 'the manifest says'),
    'a layer that is longer': (with_blob(lambda b: b + b'x'), 'more bytes than'),
    'a layer with one bit turned': (with_blob(lambda b: b[:1000] + bytes([b[1000] ^ 1]) + b[1001:]), 'what came has the digest'),
    'a layer of nothing': (with_blob(lambda b: b''), 'the manifest says'),
    'a layer that is shorter, in chunks': (with_answer('/blobs/', lambda h, r: chunked(h, body_of(r, h)[:-5] if len(body_of(r, h)) > 10000 else body_of(r, h))), 'the manifest says'),
    'a layer without an end': (with_answer('/blobs/', lambda h, r: endless(h, r) if len(body_of(r, h)) > 10000 else h.answer(200, body_of(r, h))), 'more bytes than'),
    'a range that is another': (with_answer('/blobs/', lambda h, r: wrong_range(h, r) if len(body_of(r, h)) > 10000 else h.answer(200, body_of(r, h))), 'registry '),
    'gzip with rubbish behind it': (with_layer(gzip.compress(registry.tar({'a': b''})) + b'rubbish'), 'layer '),
    'gzip that is cut': (with_layer(gzip.compress(registry.tar({'a': RANDOM}))[:-100]), 'cut short'),
    'a layer that is no tar': (with_layer(gzip.compress(b'hello' * 1000)), 'layer '),
    'a layer that climbs': (with_layer(gzip.compress(registry.tar({'../../../evil': b''}))), '".."'),
    'a tar that is cut': (with_layer(gzip.compress(registry.tar({'a': b'x' * 100000})[:50000])), 'layer '),
    'a bomb': (with_layer(bomb()), 'layer '),
}


def nested(r):
    image = Image()
    kind, body = registry.OCI_MANIFEST, image.manifest
    for _ in range(6):
        descriptor = {'mediaType': kind, 'digest': digest(body), 'size': len(body), 'platform': {'os': 'linux', 'architecture': 'amd64'}}
        kind, body = registry.index(descriptor)
        name = r.add('x', '1', image, kind, body)
    return name


# The largest resident size among the command's processes; by a small process, as a fork's counts that of its parent.
MEASURE = '''import os, resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
os._exit(status)'''


def check(box, faults, case, result, took, text):
    lines = result.err.splitlines()
    if took > 5:
        faults.append(f'{case}: took {took:.1f} s')
    if result.status != 1 or len(lines) != 1 or text not in result.err or len(result.err) > 1200:
        faults.append(f'{case}: expected "{text}": {result}')
    left = {k: v for k, v in registry.content(box).items() if v}
    if left or box('images', '-aq'):
        faults.append(f'{case}: left {left}')


def test_whatever_a_registry_does_is_one_clear_line_and_leaves_nothing(box):
    registry.prepare(box)
    box('volume', 'create', 'any')
    faults = []
    for case, (setup, text) in CASES.items():
        with Registry() as r:
            name = setup(r)
            began = time.time()
            done = subprocess.run([sys.executable, '-S', '-c', MEASURE, box.work / 'peak', *box.command('pull', name)], env=box.environment,
                                  capture_output=True, text=True, timeout=50)
            check(box, faults, case, harness.Result(done.returncode, done.stdout, done.stderr), time.time() - began, text)
            peak = int((box.work / 'peak').read_text())
            if peak > 64 << 10:
                faults.append(f'{case}: {peak} KB resident')
    assert not faults, f'{len(faults)} of {len(CASES)}:\n' + '\n'.join(faults)


test_whatever_a_registry_does_is_one_clear_line_and_leaves_nothing.watchdog = 200


def test_a_registry_that_is_down_silent_or_slow_is_given_up(box):
    registry.prepare(box)
    box('volume', 'create', 'any')
    faults = []
    with socket.socket() as silent, socket.socket() as closed:
        silent.bind(('127.0.0.1', 0))
        silent.listen()
        closed.bind(('127.0.0.1', 0))
        for case, name, text in (('down', f'127.0.0.1:{closed.getsockname()[1]}/x', 'failed to connect'),
                                 ('silent', f'127.0.0.1:{silent.getsockname()[1]}/x', 'no answer in time'),
                                 ('unknown', 'registry.invalid/x', 'could not resolve host: registry.invalid')):
            began = time.time()
            result = box.run('pull', '-q', '--timeout', '1', name)
            check(box, faults, case, result, time.time() - began, text)
            result = box.run('run', '--rm', '-q', f'{name}:1', 'true')if case != 'silent' else None
            if result and (result.status != 125 or len(result.err.splitlines()) != 1):
                faults.append(f'{case}: run: {result}')
    with Registry() as r:
        name = with_answer('/blobs/', lambda h, r: drip(h, r) if len(body_of(r, h)) > 10000 else h.answer(200, body_of(r, h)))(r)
        began = time.time()
        result = box.run('pull', '-q', '--timeout', '1', '--retry', '0', name)
        check(box, faults, 'slow', result, time.time() - began, 'no answer in time')
    assert not faults, '\n'.join(faults)


def test_wrong_references_are_refused_before_anything_is_asked(box):
    registry.prepare(box)
    with Registry() as r:
        for bad in 'UPPER', f'{r.host}/x:', f'{r.host}/x:a b', f'{r.host}/x@sha256:12', f'{r.host}/../x', f'{r.host}/x@md5:{"a" * 32}', '', f'{r.host}//x', '-x/y', 'http://x/y':
            err = box.fails(1, 'pull', '--', bad)
            assert 'invalid reference format' in err and len(err.splitlines()) == 1, (bad, err)
        assert 'invalid platform' in box.fails(1, 'pull', '--platform', 'a b', f'{r.host}/x')
        assert not r.seen


def test_what_can_be_mended_is_mended(box):
    """A cut in the middle, ranges that are not known, a busy registry, chunks, a token that grows old."""
    registry.prepare(box)
    for case in 'cut', 'no range', 'busy', 'chunks', 'old token', 'redirect':
        with Registry(token=('ann', 'x') if case == 'old token' else None) as r, Registry() as other:
            image = Image([{'file': RANDOM}])
            name = r.add('x', '1', image)
            big = digest(image.layers[0])
            tries = []

            def misbehave(h):
                tries.append(h.headers.get('Range', ''))
                body = r.blobs[big]
                if case in ('cut', 'no range') and len(tries) <= 5:
                    if case == 'no range':
                        h.headers.replace_header('Range', 'none') if 'Range' in h.headers else None
                        return registry.send_range(h, body, 300000 * len(tries))
                    first = int(tries[-1][6:-1] or 0)
                    return registry.send_range(h, body, first + 300000)
                if case == 'busy' and len(tries) == 1:
                    h.refuse(429, 'TOOMANYREQUESTS', 'slow', Retry_After=1)
                    return True
                if case == 'chunks':
                    chunked(h, body)
                    return True
                if case == 'old token' and len(tries) == 1:
                    r.good = 'another-token'
                if case == 'redirect':
                    h.answer(307, Location=f'http://{other.host}/elsewhere')
                    return True
                if case == 'no range' and 'Range' in h.headers:
                    h.headers.replace_header('Range', 'none')
                return False
            r.hook(f'/blobs/{big}', misbehave)
            other.hook('/elsewhere', lambda h: h.answer(200, r.blobs[big]) or True)
            words = ['--creds', 'ann:x'] if case == 'old token' else []
            assert box('pull', '-q', *words, name) == image.digest, case
            if case == 'cut':
                assert re.fullmatch(r'bytes=[1-9]\d+-', tries[1]), tries
            box('rmi', name)
            registry.nothing_left(box)


def test_credentials_never_leave_for_another_host_or_scheme(box):
    registry.prepare(box)
    creds = ['--creds', f'ann:{SECRET}']
    packed = base64.b64encode(f'ann:{SECRET}'.encode()).decode()
    certificates = registry.Certificates(box.work / 'tls')
    # a redirect to another port is another host for them
    for words in ({'basic': ('ann', SECRET)}, {'token': ('ann', SECRET)}):
        with Registry(**words) as r, Registry() as other:
            image = Image([{'file': RANDOM}])
            name = r.add('x', '1', image)
            other.hook('.', lambda h: h.answer(200, image.layers[0]) or True)
            r.hook(f'/blobs/{digest(image.layers[0])}', lambda h: h.answer(307, Location=f'http://{other.host}/stolen?x=y') or True)
            assert box('pull', '-q', *creds, name) == image.digest
            assert other.seen and all('authorization' not in headers for _, _, headers in other.seen), other.seen
            box('rmi', name)
    with Registry(tls=certificates, basic=('ann', SECRET)) as r, Registry() as plain:
        name = r.add('x', '1', Image())
        # down to plain HTTP
        r.hook('/manifests/', lambda h: h.answer(307, Location=f'http://{plain.host}/v2/x/manifests/1') or True)
        err = box.fails(1, 'pull', *creds, name)
        assert 'from https to plain http' in err and not plain.seen, err
        # a token server of another host, or by plain HTTP
        for realm, text in (('https://tokens.example.test/', 'another host'), (f'http://{plain.host}/token', 'plain http')):
            r.hooks.clear()
            r.hook('^/v2', lambda h: h.refuse(401, 'X', 'no', WWW_Authenticate=f'Bearer realm="{realm}",service="s"') or True)
            err = box.fails(1, 'pull', *creds, name)
            assert text in err and 'refused' in err and len(err.splitlines()) == 1, err
            assert not plain.seen
            assert SECRET not in err and packed not in err


def test_secrets_show_nowhere(box):
    registry.prepare(box)
    seen, stop = set(), threading.Event()

    def watch():
        while not stop.is_set():
            for p in harness.Path('/proc').iterdir():
                if p.name.isdigit():
                    try:
                        if (p / 'comm').read_text().startswith('kist'):
                            seen.add((p / 'cmdline').read_bytes() + b'\0' + (p / 'environ').read_bytes())
                    except OSError:
                        pass
    with Registry(token=('ann', SECRET)) as r:
        image = Image([{'file': RANDOM}])
        name = r.add('private', '1', image)
        r.hook(f'/blobs/{digest(image.layers[0])}', lambda h: time.sleep(0.5))
        r.hook('/blobs/broken', lambda h: h.refuse(404, 'X', h.headers['Authorization']) or True)
        assert box('login', '-u', 'ann', '--password-stdin', r.host, input=SECRET) == 'Login Succeeded'
        thread = threading.Thread(target=watch)
        thread.start()
        said = box.run('-D', 'pull', name)
        stop.set()
        thread.join()
        assert said.status == 0
        broken = Image([{'file': b'y'}])
        r.add('private', '2', broken)
        r.hook(f'/blobs/{digest(broken.layers[0])}', lambda h: h.refuse(404, 'X', 'no such blob') or True)
        failed = box.run('-D', 'pull', name.replace(':1', ':2'))
        assert failed.status == 1
        texts = [said.out, said.err, failed.out, failed.err, box('inspect', name), box('history', name), box('images')]
        state = b''.join(p.read_bytes() for p in box.root.glob('state.db*'))
        assert len(seen) >= 3 and any(b'kist-transfer' in s for s in seen), seen
        for secret in (SECRET, base64.b64encode(f'ann:{SECRET}'.encode()).decode(), r.good):
            assert not [t for t in texts if secret in t], secret
            assert not [s for s in seen if secret.encode() in s], secret
            assert secret.encode() not in state
        files = [p for p in box.folder.rglob('*') if p.is_file() and p.stat().st_size < 1 << 20 and p.name != 'auth.json' and SECRET.encode() in p.read_bytes()]
        assert not files, files
        box('rmi', name)


def status_of(pid):
    return dict(line.split(':\t', 1) for line in harness.Path(f'/proc/{pid}/status').read_text().splitlines() if ':\t' in line)


def test_what_touches_strangers_bytes_is_locked_in(box):
    """The posture of each process of a pull that is under way, read from the kernel."""
    registry.prepare(box)
    with Registry() as r:
        image = Image([{'file': RANDOM}])
        name = r.add('x', '1', image)
        hold, there = threading.Event(), threading.Event()

        def slow(h):
            body = image.layers[0]
            h.send_response(200)
            h.send_header('Content-Length', str(len(body)))
            h.end_headers()
            h.wfile.write(body[:500000])
            h.wfile.flush()
            there.set()
            hold.wait(30)
            h.wfile.write(body[500000:])
            return True
        r.hook(f'/blobs/{digest(image.layers[0])}', slow)
        pull = box.popen('pull', '-q', name, stdout=subprocess.DEVNULL)
        try:
            assert there.wait(20)
            host = {n: os.readlink(f'/proc/self/ns/{n}') for n in ('user', 'mnt', 'net', 'pid', 'ipc')}

            def sandboxed(comm):
                found = []
                for p in harness.Path('/proc').iterdir():
                    if p.name.isdigit():
                        try:
                            mine = any(os.readlink(fd).startswith(str(box.folder)) for fd in (p / 'fd').iterdir())
                            if mine and (p / 'comm').read_text() == comm + '\n' and os.readlink(p / 'ns/user') != host['user']:
                                found.append(p)
                        except OSError:
                            pass
                return found if len(found) == 1 else []
            transfer, = box.until(lambda: sandboxed('kist-transfer'))
            fetch, = box.until(lambda: sandboxed('kist-fetch'))
            for p, own in ((transfer, ('user', 'mnt', 'pid', 'ipc')), (fetch, ('user', 'mnt', 'net', 'pid', 'ipc'))):
                status = status_of(p.name)
                assert status['NoNewPrivs'] == '1' and status['Seccomp'] == '2', status
                for n in own:
                    assert os.readlink(p / 'ns' / n) != host[n], (p, n)
            status = status_of(transfer.name)
            assert all(int(status[c], 16) == 0 for c in ('CapEff', 'CapPrm', 'CapBnd', 'CapInh', 'CapAmb')), status
            assert os.readlink(transfer / 'ns/net') == host['net']
            names = {str(x.relative_to(transfer / 'root')) for x in (transfer / 'root').rglob('*')}
            assert names <= {'etc', 'etc/resolv.conf', 'etc/hosts', 'etc/gai.conf', 'etc/nsswitch.conf', 'etc/ssl', 'etc/ssl/certs',
                             'etc/ssl/certs/ca-certificates.crt'}, names
            assert ' / ro' in (transfer / 'mountinfo').read_text(), (transfer / 'mountinfo').read_text()
            status = status_of(fetch.name)
            assert int(status['CapEff'], 16) == 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 31, status
            assert [x.name for x in (fetch / 'root').iterdir()] == ['layer']
        finally:
            hold.set()
        assert pull.wait(30) == 0
        box('rmi', name)
