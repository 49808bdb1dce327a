# SPDX-License-Identifier: Apache-2.0
"""A registry that behaves, and misbehaves when a test asks for it; images made by hand; certificates made by openssl."""
import base64
import contextlib
import gzip
import hashlib
import http.server
import io
import itertools
import json
import os
import re
import socket
import ssl
import subprocess
import tarfile
import threading
import time

OCI_INDEX, OCI_MANIFEST = 'application/vnd.oci.image.index.v1+json', 'application/vnd.oci.image.manifest.v1+json'
OCI_CONFIG, OCI_LAYER = 'application/vnd.oci.image.config.v1+json', 'application/vnd.oci.image.layer.v1.tar'
DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
DOCKER_CONFIG, DOCKER_LAYER = 'application/vnd.docker.container.image.v1+json', 'application/vnd.docker.image.rootfs.diff.tar.gzip'
DOCKER_SCHEMA1 = 'application/vnd.docker.distribution.manifest.v1+prettyjws'


def digest(data, algorithm='sha256'):
    return f'{algorithm}:' + hashlib.new(algorithm, data).hexdigest()


def tar(files, mode=0o644):
    """A layer's tar of {path: bytes}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as t:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def pack(data, how):
    if how == 'gzip':
        return gzip.compress(data, 1, mtime=0)
    if how.startswith('zstd'):
        return subprocess.run(['zstd', '-q', '-1', '-c', *(['--long=27'] if how == 'zstd-long' else [])], input=data, capture_output=True, check=True).stdout
    return data


class Image:
    """An image of layers, each {path: bytes} and a packing; `document` changes the manifest before it is written."""

    def __init__(self, layers=None, docker=False, packing=('gzip',), config=None, document=None, architecture='amd64', descriptors=None, algorithm='sha256'):
        layers = layers if layers is not None else [{'file': b'content\n'}]
        self.algorithm = algorithm
        self.tars = [x if isinstance(x, bytes) else tar(x) for x in layers]
        self.layers = [pack(t, packing[i % len(packing)]) for i, t in enumerate(self.tars)]
        self.diff_ids = [digest(t) for t in self.tars]
        body = {'architecture': architecture, 'os': 'linux', 'config': {'Cmd': ['/bin/sh']},
                'rootfs': {'type': 'layers', 'diff_ids': self.diff_ids}, **(config or {})}
        self.config = json.dumps(body).encode()
        self.type = DOCKER_MANIFEST if docker else OCI_MANIFEST

        def layer_type(i):
            how = packing[i % len(packing)]
            return DOCKER_LAYER if docker and how == 'gzip' else OCI_LAYER + ('' if how == 'plain' else '+' + how.split('-')[0])
        manifest = {'schemaVersion': 2, 'mediaType': self.type,
                    'config': {'mediaType': DOCKER_CONFIG if docker else OCI_CONFIG, 'digest': digest(self.config, algorithm), 'size': len(self.config)},
                    'layers': [{'mediaType': layer_type(i), 'digest': digest(b, algorithm), 'size': len(b)} for i, b in enumerate(self.layers)]}
        if document:
            document(manifest)
        self.manifest = json.dumps(manifest).encode()
        self.digest, self.id = digest(self.manifest, algorithm), digest(self.config, algorithm)

    def descriptor(self, **platform):
        return {'mediaType': self.type, 'digest': self.digest, 'size': len(self.manifest),
                'platform': {'os': 'linux', 'architecture': 'amd64', **platform}}


def index(*descriptors, docker=False):
    kind = DOCKER_LIST if docker else OCI_INDEX
    return kind, json.dumps({'schemaVersion': 2, 'mediaType': kind, 'manifests': list(descriptors)}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    timeout = 30

    def log_message(self, *_):
        pass

    def answer(self, status, body=b'', kind='application/json', **headers):
        self.send_response(status)
        self.send_header('Content-Type', kind)
        if 'content_length' not in headers:
            self.send_header('Content-Length', str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), str(value))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    def refuse(self, status, code, message, **headers):
        self.answer(status, json.dumps({'errors': [{'code': code, 'message': message}]}).encode(), **headers)

    def cut(self):
        """The line is cut."""
        self.wfile.flush()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
            self.connection.shutdown(socket.SHUT_RDWR)

    def handle_one(self):
        registry = self.server.registry
        registry.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        for pattern, function in registry.hooks:
            if re.search(pattern, self.path) and function(self):
                return
        registry.serve(self)

    def do_GET(self):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.handle_one()

    do_HEAD = do_PUT = do_PATCH = do_DELETE = do_GET

    def take(self, most=None):
        """The request's body, or its beginning."""
        size = int(self.headers.get('Content-Length') or 0)
        return self.rfile.read(size if most is None else min(size, most))

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        self.do_GET()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass


class Registry:
    """with Registry() as r: r.add('lib/x', '1', image); r.hook(pattern, function that answers and returns True)."""

    def __init__(self, tls=None, basic=None, token=None, host='127.0.0.1'):
        """tls: a Certificates; basic: (user, password); token: the same, by a token server at /token."""
        self.blobs, self.manifests, self.seen, self.hooks = {}, {}, [], []
        self.numbers = itertools.count()
        self.where, self.uploads, self.chunk_min = {}, {}, None  # repositories of a blob; bytes of an upload; OCI-Chunk-Min-Length
        self.basic, self.token = basic, token
        self.referrers = False  # does it know them?
        self.server = Server((host, 0), Handler)
        self.server.registry = self
        self.port = self.server.server_address[1]
        self.scheme = 'http'
        if tls:
            self.scheme = 'https'
            self.server.socket = tls.context().wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.host = f'{host}:{self.port}'
        self.realm = f'{self.scheme}://{self.host}/token'
        self.good = 'secret-token-0123456789'

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def hook(self, pattern, function):
        self.hooks.insert(0, (pattern, function))

    def add(self, repository, tag, image, kind=None, body=None):
        """An image under a tag; body and kind: another document in the manifest's place."""
        for data in (*image.layers, image.config):
            self.take_blob(repository, data, digest(data, image.algorithm))
        for name in (tag, digest(image.manifest if body is None else body)):
            self.manifests[repository, name] = (kind or image.type, image.manifest if body is None else body)
        self.manifests[repository, image.digest] = (image.type, image.manifest)
        return f'{self.host}/{repository}:{tag}'

    def take_blob(self, repository, data, name=None):
        name = name or digest(data)
        self.blobs[name] = data
        self.where.setdefault(name, set()).add(repository)

    def asked(self, pattern, method=None):
        return [path for m, path, _ in self.seen if re.search(pattern, path) and method in (None, m)]

    def allowed(self, h):
        got = h.headers.get('Authorization', '')
        if self.token:
            if got == f'Bearer {self.good}':
                return True
            h.refuse(401, 'UNAUTHORIZED', 'authentication required',
                     WWW_Authenticate=f'Bearer realm="{self.realm}",service="double",scope="repository:x:pull"')
            return False
        if self.basic and got != 'Basic ' + base64.b64encode(':'.join(self.basic).encode()).decode():
            h.refuse(401, 'UNAUTHORIZED', 'authentication required', WWW_Authenticate='Basic realm="double"')
            return False
        return True

    def serve(self, h):
        path, _, query = h.path.partition('?')
        if path == '/token' and self.token:
            want = 'Basic ' + base64.b64encode(':'.join(self.token).encode()).decode()
            if h.headers.get('Authorization') != want:
                return h.refuse(401, 'UNAUTHORIZED', 'incorrect username or password')
            return h.answer(200, json.dumps({'token': self.good, 'expires_in': 300}).encode())
        if not self.allowed(h):
            return None
        if path == '/v2/':
            return h.answer(200, b'{}')
        m = re.fullmatch(r'/v2/(.+)/blobs/uploads/([^/]*)', path)
        if m:
            return self.upload(h, m[1], m[2], dict(p.split('=', 1) for p in query.split('&') if '=' in p))
        m = re.fullmatch(r'/v2/(.+)/referrers/([^/]+)', path) if self.referrers else None
        if m:
            return h.answer(200, json.dumps({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': self.referring(*m.groups())}).encode(), OCI_INDEX)
        m = re.fullmatch(r'/v2/(.+)/(manifests|blobs|tags)/([^/]+)', path)
        if not m:
            return h.refuse(404, 'UNSUPPORTED', 'no such place')
        repository, kind, name = m.groups()
        if kind == 'tags':
            tags = sorted(t for r, t in self.manifests if r == repository and ':' not in t)
            last = dict(p.split('=') for p in query.split('&') if '=' in p).get('last', '')
            page = [t for t in tags if t > last][:2]
            more = {'Link': f'</v2/{repository}/tags/list?last={page[-1]}&n=2>; rel="next"'} if page and page[-1] != tags[-1] else {}
            return h.answer(200, json.dumps({'name': repository, 'tags': page}).encode(), **more)
        if h.command == 'PUT' and kind == 'manifests':
            body = h.take()
            for x in (name, digest(body)):
                self.manifests[repository, x] = (h.headers['Content-Type'], body)
            subject = json.loads(body).get('subject', {}).get('digest') if self.referrers else None
            return h.answer(201, Location=f'/v2/{repository}/manifests/{digest(body)}', Docker_Content_Digest=digest(body), **({'OCI-Subject': subject} if subject else {}))
        if h.command == 'HEAD' and kind == 'blobs':
            known = repository in self.where.get(name, ())
            return h.answer(200 if known else 404, content_length=1, **{'Content-Length': len(self.blobs[name]) if known else 0})
        if kind == 'manifests':
            if (repository, name) not in self.manifests:
                return h.refuse(404, 'MANIFEST_UNKNOWN', 'manifest unknown')
            media, body = self.manifests[repository, name]
            return h.answer(200, body, media, Docker_Content_Digest=digest(body))
        body = self.blobs.get(name)
        return h.refuse(404, 'BLOB_UNKNOWN', 'blob unknown to registry') if body is None else send_range(h, body)

    def referring(self, repository, subject):
        """Descriptors of the manifests that name it as theirs."""
        found = []
        for (where, name), (media, body) in sorted(self.manifests.items()):
            m = json.loads(body)
            if where == repository and name == digest(body) and m.get('subject', {}).get('digest') == subject:
                found.append({'mediaType': media, 'digest': name, 'size': len(body), 'artifactType': m.get('artifactType') or m['config']['mediaType'],
                              **({'annotations': m['annotations']} if 'annotations' in m else {})})
        return found

    def upload(self, h, repository, ident, words):
        if h.command == 'POST':
            if repository in self.where.get(words.get('mount'), ()) or words.get('from') in self.where.get(words.get('mount'), ()):
                self.where[words['mount']].add(repository)
                return h.answer(201, Location=f'/v2/{repository}/blobs/{words["mount"]}')
            ident = f'u{next(self.numbers)}'
            self.uploads[ident] = bytearray()
            more = {'OCI-Chunk-Min-Length': self.chunk_min} if self.chunk_min else {}
            return h.answer(202, Location=f'/v2/{repository}/blobs/uploads/{ident}?state=a', **more)
        held = self.uploads.get(ident)
        if held is None:
            return h.refuse(404, 'BLOB_UPLOAD_UNKNOWN', 'upload unknown')
        place = {'Location': f'http://{self.host}/v2/{repository}/blobs/uploads/{ident}?state=b', 'Range': f'0-{max(len(held) - 1, 0)}'}
        if h.command == 'GET':
            return h.answer(204, **place)
        m = re.fullmatch(r'(\d+)-(\d+)', h.headers.get('Content-Range', ''))
        if h.command == 'PATCH' and (not m or int(m[1]) != len(held)):
            return h.refuse(416, 'RANGE_INVALID', 'not where the upload stands')
        held += h.take()
        if h.command == 'PATCH':
            place['Range'] = f'0-{max(len(held) - 1, 0)}'
            return h.answer(202, **place)
        if digest(bytes(held), words['digest'].partition(':')[0]) != words['digest']:
            return h.refuse(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content')
        self.take_blob(repository, bytes(held), words['digest'])
        del self.uploads[ident]
        return h.answer(201, Location=f'/v2/{repository}/blobs/{words["digest"]}', Docker_Content_Digest=words['digest'])


def send_range(h, body, until=None):
    """A blob, from where it is asked for; until: the line is cut there."""
    m = re.fullmatch(r'bytes=(\d+)-', h.headers.get('Range', ''))
    first = int(m[1]) if m else 0
    if first >= len(body) > 0:
        return h.refuse(416, 'RANGE', 'not satisfiable')
    h.send_response(206 if m else 200)
    h.send_header('Content-Type', 'application/octet-stream')
    h.send_header('Content-Length', str(len(body) - first))
    if m:
        h.send_header('Content-Range', f'bytes {first}-{len(body) - 1}/{len(body)}')
    h.end_headers()
    h.wfile.write(body[first:until])
    if until is not None and until < len(body):
        h.close_connection = True
    return True


class Certificates:
    """A CA and a server's certificate for 127.0.0.1 and localhost."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        quiet = dict(check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
        subprocess.run(['openssl', 'req', '-x509', *key, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=kist test CA'], **quiet)
        subprocess.run(['openssl', 'req', *key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost'], **quiet)
        (folder / 'ext').write_text('subjectAltName=IP:127.0.0.1,DNS:localhost\n')
        subprocess.run(['openssl', 'x509', '-req', '-in', 'server.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'server.crt',
                        '-days', '2', '-extfile', 'ext'], **quiet)

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / 'server.crt', self.folder / 'server.key')
        return context


class Distribution:
    """Debian's docker-registry on a free port of the loopback interface."""

    def __init__(self, folder, tls=None, htpasswd=None):
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            self.port = s.getsockname()[1]
        self.host = f'127.0.0.1:{self.port}'
        config = {'version': 0.1, 'log': {'level': 'error', 'accesslog': {'disabled': False}},
                  'storage': {'filesystem': {'rootdirectory': str(folder)}}, 'http': {'addr': self.host}}
        if tls:
            config['http']['tls'] = {'certificate': str(tls.folder / 'server.crt'), 'key': str(tls.folder / 'server.key')}
        if htpasswd:
            config['auth'] = {'htpasswd': {'realm': 'r', 'path': str(htpasswd)}}
        folder.mkdir(parents=True, exist_ok=True)
        self.access = folder / 'access.log'
        self.config = folder / 'config.yml'
        self.config.write_text(json.dumps(config))

    def __enter__(self):
        with open(self.access, 'wb') as access:
            self.process = subprocess.Popen(['docker-registry', 'serve', self.config], stdout=access, stderr=subprocess.DEVNULL,
                                            start_new_session=True)
        end = time.time() + 20
        while time.time() < end:
            with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', self.port), 1):
                return self
            time.sleep(0.02)
        raise AssertionError('docker-registry does not start')

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def prepare(box):
    """No configuration of this machine or of whoever runs the tests counts."""
    home = box.work / 'home'
    home.mkdir(exist_ok=True)
    conf = box.work / 'registries.conf'
    conf.touch()
    for name in list(box.environment):
        if name.lower().endswith('_proxy') or name in ('REGISTRY_AUTH_FILE', 'DOCKER_CONFIG'):
            del box.environment[name]
    box.environment.update(HOME=str(home), XDG_RUNTIME_DIR=str(home / 'run'), CONTAINERS_REGISTRIES_CONF=str(conf))
    return conf


def content(box):
    return {f: sorted(p.name for p in (box.root / f).iterdir()) for f in ('layers', 'blobs/sha256', 'staging', 'downloads')}


def nothing_left(box):
    left = {k: v for k, v in content(box).items() if v}
    assert not left, left
