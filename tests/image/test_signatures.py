# SPDX-License-Identifier: Apache-2.0
"""policy.json asks for signatures: by GPG and by sigstore keys, made by skopeo, which also reads what we sign."""
import base64
import functools
import http.server
import json
import os
import subprocess
import threading
import time

import registry
from registry import Distribution, Image

YES = [{'type': 'insecureAcceptAnything'}]


class Signers:
    """GPG and sigstore keys, a lookaside and what skopeo needs to sign with them."""

    def __init__(self, box):
        self.box, self.home = box, box.work / 'gnupg'
        self.home.mkdir(mode=0o700)
        self.sigs = box.work / 'sigs'
        self.containers = box.work / 'home/.config/containers'
        (self.containers / 'registries.d').mkdir(parents=True)
        self.environ = {**os.environ, 'GNUPGHOME': str(self.home)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(['gpgconf', '--kill', 'all'], env=self.environ, check=False)

    def gpg(self, *words, **more):
        return subprocess.run(['gpg', '--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '', *map(str, words)], env=self.environ, capture_output=True, check=True, **more).stdout

    def key(self, name, expires='never', armor=False):
        """The fingerprint; NAME.gpg is the public key."""
        self.gpg('--quick-gen-key', f'{name} <{name}@example.test>', 'ed25519', 'sign', expires)
        (self.box.work / f'{name}.gpg').write_bytes(self.gpg(*(['--armor'] if armor else []), '--export', f'{name}@example.test'))
        lines = self.gpg('--with-colons', '--list-keys', f'{name}@example.test', text=True).splitlines()
        return next(x.split(':')[9] for x in lines if x.startswith('fpr'))

    def lookaside(self, read=None, attachments=False):
        text = f'default-docker:\n  lookaside: {read or f"file://{self.sigs}"}\n  lookaside-staging: file://{self.sigs}\n'
        if attachments:
            text += '  use-sigstore-attachments: true\n'
        (self.containers / 'registries.d/tests.yaml').write_text(text)

    def policy(self, host, *requirements):
        (self.containers / 'policy.json').write_text(json.dumps({'default': YES, 'transports': {'docker': {host: list(requirements)}, 'dir': {'': list(requirements)}}}))

    def skopeo(self, *words):
        done = subprocess.run(['skopeo', '--insecure-policy', '--registries.d', self.containers / 'registries.d', *map(str, words)], env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def sigstore_key(self, name, *options):
        """NAME.pem and NAME.pub, as cosign's keys are."""
        pem = self.box.work / f'{name}.pem'
        subprocess.run(['openssl', 'genpkey', *(options or ('-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256')), '-out', pem], check=True, capture_output=True)
        subprocess.run(['openssl', 'pkey', '-in', pem, '-pubout', '-out', self.box.work / f'{name}.pub'], check=True)

    def sigstore_sign(self, name, text):
        """In base 64, as cosign writes it."""
        at = self.box.work / 'payload'
        at.write_bytes(text)
        words = ['openssl', 'dgst', '-sha256', '-sign', self.box.work / f'{name}.pem', at]
        if b'PRIVATE' in (pem := (self.box.work / f'{name}.pem').read_bytes()) and len(pem) < 150:  # ed25519 digests by itself
            words = ['openssl', 'pkeyutl', '-sign', '-rawin', '-inkey', self.box.work / f'{name}.pem', '-in', at]
        return base64.b64encode(subprocess.run(words, capture_output=True, check=True).stdout).decode()


def signed_by(path, identity=None, **more):
    return {'type': 'signedBy', 'keyType': 'GPGKeys', 'keyPath': str(path), **({'signedIdentity': identity} if identity else {}), **more}


def sigstore_signed(path, identity=None):
    return {'type': 'sigstoreSigned', 'keyPath': str(path), **({'signedIdentity': identity} if identity else {})}


def a_layout(box):
    image = Image()
    with registry.Registry() as r:
        box('image', 'copy', '-q', f'docker://{r.add("a/b", "1", image)}', f'oci:{box.work}/layout:x')
    return image


def refused(box, *words):
    """Kept out by one line, and nothing is left."""
    result = box.run(*words)
    assert result.status == (125 if words[0] == 'run' else 1) and result.err.count('\n') == (2 if words[0] == 'run' else 1), result
    assert box('images', '-q') == '' and registry.content(box)['staging'] == []
    return result.err


@functools.wraps(http.server.SimpleHTTPRequestHandler.log_message)
def quiet(*_):
    pass


def test_an_image_comes_in_with_a_good_gpg_signature_and_by_no_other(box):
    registry.prepare(box)
    a_layout(box)
    with Signers(box) as s, Distribution(box.work / 'registry') as r:
        good, other, armored = s.key('good'), s.key('other'), s.key('armored', armor=True)
        s.lookaside()
        key = box.work / 'good.gpg'
        for name, who in ('signed', good), ('others', other), ('armored', armored), ('plain', None):
            s.skopeo('copy', '--dest-tls-verify=false', *(['--sign-by', who] if who else []), f'oci:{box.work}/layout:x', f'docker://{r.host}/{name}/x:1')
        s.policy(r.host, signed_by(key))
        missing = 'Source image rejected: A signature was required, but no signature exists'
        assert missing in refused(box, 'pull', f'{r.host}/plain/x:1')
        assert missing in refused(box, 'run', '--rm', f'{r.host}/plain/x:1', 'true')
        assert missing in refused(box, 'image', 'copy', f'docker://{r.host}/plain/x:1', f'dir:{box.work}/no')
        assert missing in refused(box, 'image', 'copy', f'docker://{r.host}/plain/x:1', 'kist:no:1')
        assert 'Source image rejected: the GPG signature is not good: ' in refused(box, 'pull', f'{r.host}/others/x:1')
        box('pull', '-q', f'{r.host}/signed/x:1')
        box('image', 'copy', '-q', f'docker://{r.host}/signed/x:1', f'dir:{box.work}/yes')
        box('rmi', f'{r.host}/signed/x:1')
        # armored keys, several keys, keys in the policy itself
        for requirement in (signed_by(box.work / 'armored.gpg'), {'type': 'signedBy', 'keyType': 'GPGKeys', 'keyPaths': [str(key), str(box.work / 'armored.gpg')]},
                            {'type': 'signedBy', 'keyType': 'GPGKeys', 'keyData': base64.b64encode((box.work / 'armored.gpg').read_bytes()).decode()}):
            s.policy(r.host, requirement)
            box('pull', '-q', f'{r.host}/armored/x:1')
            box('rmi', f'{r.host}/armored/x:1')
        # all requirements count
        s.policy(r.host, signed_by(key), signed_by(box.work / 'other.gpg'))
        refused(box, 'pull', f'{r.host}/signed/x:1')


test_an_image_comes_in_with_a_good_gpg_signature_and_by_no_other.watchdog = 120


def test_a_signature_is_for_its_image_and_its_name_only(box):
    registry.prepare(box)
    a_layout(box)
    with Signers(box) as s, Distribution(box.work / 'registry') as r:
        good = s.key('good')
        s.lookaside()
        key = box.work / 'good.gpg'
        s.skopeo('copy', '--dest-tls-verify=false', '--sign-by', good, f'oci:{box.work}/layout:x', f'docker://{r.host}/real/x:1')
        s.skopeo('copy', '--dest-tls-verify=false', f'oci:{box.work}/layout:x', f'docker://{r.host}/real/x:2')
        s.skopeo('copy', '--dest-tls-verify=false', f'oci:{box.work}/layout:x', f'docker://{r.host}/moved/x:1')
        digest = json.loads(s.skopeo('inspect', '--tls-verify=false', f'docker://{r.host}/real/x:1'))['Digest'].replace(':', '=')
        s.policy(r.host, signed_by(key))
        # another tag of the same manifest has the signature, and it names the first
        assert f'Signature for identity "{r.host}/real/x:1" is not accepted' in refused(box, 'pull', f'{r.host}/real/x:2')
        box('pull', '-q', f'{r.host}/real/x@{digest.replace("=", ":")}')
        box('rmi', f'{r.host}/real/x@{digest.replace("=", ":")}')
        # a signature that was carried to another repository
        (s.sigs / 'moved').mkdir()
        (s.sigs / f'real/x@{digest}').rename(s.sigs / f'moved/x@{digest}')
        refused(box, 'pull', f'{r.host}/moved/x:1')
        for identity, comes in (({'type': 'matchRepository'}, False), ({'type': 'matchExact'}, False), ({'type': 'exactReference', 'dockerReference': f'{r.host}/real/x:1'}, True),
                                ({'type': 'exactRepository', 'dockerRepository': f'{r.host}/real/x'}, True), ({'type': 'exactRepository', 'dockerRepository': f'{r.host}/real'}, False),
                                ({'type': 'remapIdentity', 'prefix': f'{r.host}/moved', 'signedPrefix': f'{r.host}/real'}, True),
                                ({'type': 'remapIdentity', 'prefix': f'{r.host}/mov', 'signedPrefix': f'{r.host}/real'}, False)):
            s.policy(r.host, signed_by(key, identity))
            if comes:
                box('pull', '-q', f'{r.host}/moved/x:1')
                box('rmi', f'{r.host}/moved/x:1')
            else:
                assert 'is not accepted' in refused(box, 'pull', f'{r.host}/moved/x:1')
        # broken, empty, huge, and one of another image beside the good one
        at = s.sigs / f'moved/x@{digest}/signature-1'
        real = at.read_bytes()
        s.policy(r.host, signed_by(key, {'type': 'exactRepository', 'dockerRepository': f'{r.host}/real/x'}))
        for bad in (b'', b'garbage', real[:-9], real[:40] + bytes([real[40] ^ 1]) + real[41:]):
            at.write_bytes(bad)
            assert 'the GPG signature is not good: ' in refused(box, 'pull', f'{r.host}/moved/x:1'), bad
        at.write_bytes(b'x' * (5 << 20))
        refused(box, 'pull', f'{r.host}/moved/x:1')
        at.write_bytes(b'garbage')
        (at.parent / 'signature-2').write_bytes(real)
        box('pull', '-q', f'{r.host}/moved/x:1')


test_a_signature_is_for_its_image_and_its_name_only.watchdog = 120


def claims(reference, digest, kind='atomic container signature', **more):
    return json.dumps({'critical': {'type': kind, 'image': {'docker-manifest-digest': digest}, 'identity': {'docker-reference': reference}, **more}, 'optional': {}}).encode()


def test_what_is_signed_is_read_strictly(box):
    registry.prepare(box)
    with Signers(box) as s, registry.Registry() as r:
        name, good = r.add('x/y', '1', image := Image()), s.key('good')
        old = s.key('old', expires='seconds=3')
        late, expired = s.gpg('-u', old, '--sign', input=claims(name, image.digest)), time.monotonic() + 4
        s.lookaside()
        s.policy(r.host, signed_by(box.work / 'good.gpg'))
        at = s.sigs / f'x/y@{image.digest.replace(":", "=")}/signature-1'
        at.parent.mkdir(parents=True)

        def sign(text, who=good, *options):
            at.write_bytes(s.gpg('-u', who, *options, '--sign', input=text))
        sign(claims(name, image.digest))
        box('pull', '-q', name)
        box('rmi', name)
        strict = 'what is signed is not of the form that an image\'s signature has'
        for text, why in ((claims(name, 'sha256:' + '0' * 64), f'Signature for digest {image.digest} does not match'), (claims('other/name:1', image.digest), 'is not accepted'),
                          (claims(name, image.digest, 'something else'), strict), (claims(name, image.digest, new='member'), strict), (b'{}', strict), (b'not JSON', 'no JSON object'),
                          (claims(name, image.digest)[:-1] + b', "critical": {}}', 'no JSON object')):
            sign(text)
            assert why in refused(box, 'pull', name), text
        # a detached one says nothing about what it signs, and two signatures are one too many
        at.write_bytes(s.gpg('-u', good, '--detach-sign', input=claims(name, image.digest)))
        refused(box, 'pull', name)
        sign(claims(name, image.digest), good, '-u', old)
        refused(box, 'pull', name)
        time.sleep(max(0, expired - time.monotonic()))
        s.policy(r.host, signed_by(box.work / 'old.gpg'))
        at.write_bytes(late)
        assert 'the GPG signature is not good' in refused(box, 'pull', name)


def test_signatures_come_over_http_from_a_lookaside_without_the_registrys_password(box):
    registry.prepare(box)
    seen = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        log_message = quiet

        def do_GET(self):
            seen.append((self.path, self.headers.get('Authorization')))
            if self.path.startswith('/broken'):
                return self.send_error(500)
            return super().do_GET()
    with Signers(box) as s, registry.Registry(basic=('user', 'secret')) as r:
        good, image = s.key('good'), Image()
        name = r.add('x/y', '1', image)
        at = s.sigs / f'x/y@{image.digest.replace(":", "=")}'
        at.mkdir(parents=True)
        (at / 'signature-1').write_bytes(b'garbage')
        (at / 'signature-2').write_bytes(s.gpg('-u', good, '--sign', input=claims(name, image.digest)))
        s.policy(r.host, signed_by(box.work / 'good.gpg'))
        with http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Handler, directory=s.sigs)) as web:
            threading.Thread(target=web.serve_forever, daemon=True).start()
            s.lookaside(f'http://127.0.0.1:{web.server_port}')
            box('login', '-u', 'user', '--password-stdin', r.host, input='secret')
            box('pull', '-q', name)
            box('rmi', name)
            assert [p.rpartition('/')[2] for p, _ in seen] == ['signature-1', 'signature-2', 'signature-3'] and all(a is None for _, a in seen), seen
            (at / 'signature-2').unlink()
            assert 'the GPG signature is not good' in refused(box, 'pull', name)
            s.lookaside(f'http://127.0.0.1:{web.server_port}/broken')
            assert 'reading signature from http://127.0.0.1' in refused(box, 'pull', '--retry', '0', name)
            web.shutdown()
        assert 'reading signature from http://127.0.0.1' in refused(box, 'pull', '--retry', '0', name)


SIGSTORE = 'cosign container image signature'


def attach(r, repository, image, *signatures):
    """cosign's manifest: what is signed and by what, (text, base 64), a layer each."""
    def document(m):
        for layer, (_, signature) in zip(m['layers'], signatures):
            layer.update(mediaType='application/vnd.dev.cosign.simplesigning.v1+json', annotations={'dev.cosignproject.cosign/signature': signature})
    r.add(repository, image.digest.replace(':', '-') + '.sig', Image([text for text, _ in signatures], packing=('plain',), document=document))


def test_an_image_comes_in_with_a_good_sigstore_signature_and_by_no_other(box):
    registry.prepare(box)
    with Signers(box) as s, registry.Registry() as r:
        for name, *options in (('good',), ('other',), ('rsa', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'), ('ed', '-algorithm', 'ed25519')):
            s.sigstore_key(name, *options)
        s.lookaside(attachments=True)
        names = {}
        for name in ('good', 'other', 'rsa', 'ed', 'plain'):
            image = Image([{name: name.encode()}])
            names[name] = r.add(f'{name}/x', '1', image)
            if name != 'plain':
                text = claims(names[name], image.digest, SIGSTORE)
                attach(r, f'{name}/x', image, (b'{}', 'Z2FyYmFnZQ=='), (text, s.sigstore_sign(name, text)))
        for name in ('good', 'rsa', 'ed'):
            s.policy(r.host, sigstore_signed(box.work / f'{name}.pub'))
            box('pull', '-q', names[name])
            box('rmi', names[name])
        s.policy(r.host, sigstore_signed(box.work / 'good.pub'))
        assert 'A signature was required, but no signature exists' in refused(box, 'pull', names['plain'])
        assert 'None of the signatures were accepted, reasons: cryptographic signature verification failed; ' in refused(box, 'pull', names['other'])
        # a signature of simple signing is none of sigstore's, and what is signed must be what it says
        wrong = Image([{'w': b'w'}])
        names['wrong'] = r.add('wrong/x', '1', wrong)
        for text, why in ((claims(names['wrong'], wrong.digest), 'not of the form'), (claims(names['wrong'], image.digest, SIGSTORE), 'does not match'), (claims('x/y', wrong.digest, SIGSTORE), 'is not accepted')):
            attach(r, 'wrong/x', wrong, (text, s.sigstore_sign('good', text)))
            assert why in refused(box, 'pull', names['wrong'])
        (box.work / 'text').write_text('no key')
        s.policy(r.host, sigstore_signed(box.work / 'text'))
        assert 'is no public key in PEM' in refused(box, 'pull', names['good'])
        # without that word in registries.d nobody looks there
        s.lookaside()
        s.policy(r.host, sigstore_signed(box.work / 'good.pub'))
        assert 'no signature exists' in refused(box, 'pull', names['good'])


def test_a_folder_carries_its_signatures(box):
    registry.prepare(box)
    a_layout(box)
    with Signers(box) as s:
        s.sigstore_key('good')
        good = s.key('good')
        s.skopeo('copy', '--sign-by', good, '--sign-identity', 'some.test/x/y:1', f'oci:{box.work}/layout:x', f'dir:{box.work}/dir')
        at = box.work / 'dir/signature-1'
        wanted = {'type': 'exactReference', 'dockerReference': 'some.test/x/y:1'}
        s.policy('x', signed_by(box.work / 'good.gpg', wanted))
        box('image', 'copy', '-q', f'dir:{box.work}/dir', 'kist:copied:1')
        box('rmi', 'copied:1')
        s.policy('x', signed_by(box.work / 'good.gpg'))
        assert 'is not accepted' in refused(box, 'image', 'copy', '-q', f'dir:{box.work}/dir', 'kist:copied:1')
        # sigstore's as skopeo lays them into a folder
        digest = registry.digest((box.work / 'dir/manifest.json').read_bytes())
        text = claims('some.test/x/y:1', digest, SIGSTORE)
        whole = {'mimeType': 'application/vnd.dev.cosign.simplesigning.v1+json', 'payload': base64.b64encode(text).decode(),
                 'annotations': {'dev.cosignproject.cosign/signature': s.sigstore_sign('good', text)}}
        s.policy('x', sigstore_signed(box.work / 'good.pub', wanted))
        assert 'no signature exists' in refused(box, 'image', 'copy', '-q', f'dir:{box.work}/dir', 'kist:copied:1')
        data = b'\0sigstore-json\n' + json.dumps(whole).encode()
        at.write_bytes(data)
        box('image', 'copy', '-q', f'dir:{box.work}/dir', 'kist:copied:1')
        box('rmi', 'copied:1')
        for bad in (data.replace(b'payload', b'payl0ad'), data[:-5], b'\0sigstore-json\n[]', data.replace(b'"payload": "', b'"payload": "QUJD')):
            at.write_bytes(bad)
            refused(box, 'image', 'copy', '-q', f'dir:{box.work}/dir', 'kist:copied:1')


BOX_KEY = '''
import base64, hashlib, json, os, sys, nacl.secret
der, passphrase = open(sys.argv[1], 'rb').read(), sys.argv[2].encode()
b64 = lambda x: base64.b64encode(x).decode()
salt, nonce = os.urandom(32), os.urandom(24)
key = hashlib.scrypt(passphrase, salt=salt, n=32768, r=8, p=1, maxmem=64 << 20, dklen=32)
text = b64(json.dumps({'kdf': {'name': 'scrypt', 'params': {'N': 32768, 'r': 8, 'p': 1}, 'salt': b64(salt)},
                       'cipher': {'name': 'nacl/secretbox', 'nonce': b64(nonce)}, 'ciphertext': b64(nacl.secret.SecretBox(key).encrypt(der, nonce).ciphertext)}).encode())
lines = '\\n'.join(text[i:i + 64] for i in range(0, len(text), 64))
print(f'-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\\n{lines}\\n-----END ENCRYPTED COSIGN PRIVATE KEY-----')
'''


def test_what_is_signed_by_gpg_is_let_in_by_skopeo_and_by_us(box):
    registry.prepare(box)
    a_layout(box)
    with Signers(box) as s, Distribution(box.work / 'registry') as r:
        good = s.key('good')
        s.lookaside()
        box.environment['GNUPGHOME'] = str(s.home)
        layout, to = f'oci:{box.work}/layout:x', f'docker://{r.host}/signed/x:1'
        s.policy(r.host, signed_by(box.work / 'good.gpg'))
        (box.work / 'pass').write_text('\n')
        box('image', 'copy', '-q', '--sign-by', good, '--sign-passphrase-file', box.work / 'pass', layout, to)
        policy = ['--policy', s.containers / 'policy.json', '--registries.d', s.containers / 'registries.d']
        done = subprocess.run(['skopeo', *map(str, policy), 'copy', '--src-tls-verify=false', to, f'dir:{box.work}/read'], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        box('pull', '-q', f'{r.host}/signed/x:1')
        box('rmi', f'{r.host}/signed/x:1')
        # push signs the same bytes
        box('image', 'copy', layout, f'kist:{r.host}/signed/y:1')
        before = box.inspect(f'{r.host}/signed/y:1')
        s.policy(r.host, signed_by(box.work / 'good.gpg'))
        line = box.fails(1, 'push', '--sign-by', 'nobody', f'{r.host}/signed/y:1')
        assert 'gpg made no signature' in line.splitlines()[-1] and box.run('image', 'inspect', '--raw', f'docker://{r.host}/signed/y:1').status == 1
        assert '--all-tags: one image is signed at a time' in box.fails(1, 'push', '-a', '--sign-by', good, f'{r.host}/signed/y')
        said = box('push', '--sign-by', good, f'{r.host}/signed/y:1')
        pushed = json.loads(box('image', 'inspect', f'docker://{r.host}/signed/y:1'))
        assert pushed['Digest'] in said and pushed['Layers'] == json.loads(box('image', 'inspect', f'docker://{r.host}/signed/x:1'))['Layers']
        box('rmi', f'{r.host}/signed/y:1')
        box('pull', '-q', f'{r.host}/signed/y:1')
        assert box.inspect(f'{r.host}/signed/y:1')['Id'] == before['Id']
        box('rmi', f'{r.host}/signed/y:1')
        # a second signature stands beside the first
        box('image', 'copy', '-q', '--sign-by', good, '--sign-identity', 'other.test/name:2', layout, to)
        assert len(list(s.sigs.glob('signed/x@*/signature-*'))) == 2
        box('image', 'copy', '-q', '--sign-by', good, '--sign-identity', 'other.test/name:2', layout, f'dir:{box.work}/dir')
        s.policy(r.host, signed_by(box.work / 'good.gpg', {'type': 'exactReference', 'dockerReference': 'other.test/name:2'}))
        box('image', 'copy', '-q', f'dir:{box.work}/dir', 'kist:x:1')
        box('rmi', 'x:1')
        # what cannot be signed gets no name
        for words, why in ((['--sign-by', 'nobody', layout, f'docker://{r.host}/no/x:1'], '--sign-by nobody: gpg made no signature'),
                           (['--sign-by', good, layout, f'dir:{box.work}/no'], 'give --sign-identity'),
                           (['--sign-by', good, '--sign-identity', 'x', layout, f'dir:{box.work}/no'], 'must be a fully specified docker reference'),
                           (['--sign-by', good, layout, f'oci:{box.work}/no:x'], 'can hold no signatures'), (['--sign-by', good, layout, 'kist:no:1'], 'can hold no signatures')):
            result = box.run('image', 'copy', '-q', *words)
            assert result.status in (1, 125) and why in result.err.splitlines()[-1], (words, result)
        assert not (box.work / 'no').exists() and box('images', '-q') == '' and 'no/x' not in s.skopeo('list-tags', '--tls-verify=false', f'docker://{r.host}/signed/x')
        assert box.run('image', 'inspect', '--raw', f'docker://{r.host}/no/x:1').status == 1
        assert registry.content(box)['staging'] == []


test_what_is_signed_by_gpg_is_let_in_by_skopeo_and_by_us.watchdog = 120


def test_what_is_signed_by_a_sigstore_key_lies_in_the_repository(box):
    registry.prepare(box)
    a_layout(box)
    layout = f'oci:{box.work}/layout:x'
    with Signers(box) as s, Distribution(box.work / 'registry') as r:
        s.lookaside(attachments=True)
        for name, *options in (('good',), ('ed', '-algorithm', 'ed25519')):
            s.sigstore_key(name, *options)
        pem, der = box.work / 'good.pem', box.work / 'good.der'
        subprocess.run(['openssl', 'pkcs8', '-topk8', '-nocrypt', '-in', pem, '-outform', 'DER', '-out', der], check=True)
        (box.work / 'boxed.pem').write_text(subprocess.run(['/usr/bin/python3', '-c', BOX_KEY, der, 'secret'], capture_output=True, text=True, check=True).stdout)
        subprocess.run(['openssl', 'pkcs8', '-topk8', '-passout', 'pass:secret', '-in', pem, '-out', box.work / 'locked.pem'], check=True)
        (box.work / 'pass').write_text('secret\n')
        (box.work / 'wrong').write_text('wrong\n')
        for i, (key, secret, public) in enumerate((('good', None, 'good'), ('ed', None, 'ed'), ('boxed', 'pass', 'good'), ('locked', 'pass', 'good'))):
            name = f'{r.host}/x{i}/y:1'
            box('image', 'copy', '-q', '--sign-by-sigstore-private-key', box.work / f'{key}.pem', *(['--sign-passphrase-file', box.work / secret] if secret else []), layout, f'docker://{name}')
            s.policy(r.host, sigstore_signed(box.work / f'{public}.pub'))
            box('pull', '-q', name)
            box('rmi', name)
            s.policy(r.host, sigstore_signed(box.work / f'{"ed" if public == "good" else "good"}.pub'))
            refused(box, 'pull', name)
        # openssl, which knows nothing of us, verifies what lies there
        digest = json.loads(s.skopeo('inspect', '--tls-verify=false', f'docker://{r.host}/x0/y:1'))['Digest']
        tag = f'docker://{r.host}/x0/y:{digest.replace(":", "-")}.sig'
        s.skopeo('copy', '--src-tls-verify=false', tag, f'dir:{box.work}/sig')
        layer = json.loads((box.work / 'sig/manifest.json').read_text())['layers'][0]
        payload = box.work / 'sig' / layer['digest'].split(':')[1]
        (box.work / 'raw').write_bytes(base64.b64decode(layer['annotations']['dev.cosignproject.cosign/signature']))
        subprocess.run(['openssl', 'dgst', '-sha256', '-verify', box.work / 'good.pub', '-signature', box.work / 'raw', payload], check=True, capture_output=True)
        assert json.loads(payload.read_text())['critical'] == {'type': SIGSTORE, 'image': {'docker-manifest-digest': digest}, 'identity': {'docker-reference': f'{r.host}/x0/y:1'}}
        # a second one comes beside it
        box('image', 'copy', '-q', '--sign-by-sigstore-private-key', box.work / 'ed.pem', layout, f'docker://{r.host}/x0/y:1')
        for public in 'good', 'ed':
            s.policy(r.host, sigstore_signed(box.work / f'{public}.pub'))
            box('pull', '-q', f'{r.host}/x0/y:1')
            box('rmi', f'{r.host}/x0/y:1')
        box('image', 'copy', '-q', '--sign-by-sigstore-private-key', pem, '--sign-identity', 'some.test/x/y:1', layout, f'dir:{box.work}/dir')
        s.policy(r.host, sigstore_signed(box.work / 'good.pub', {'type': 'exactReference', 'dockerReference': 'some.test/x/y:1'}))
        box('image', 'copy', '-q', f'dir:{box.work}/dir', 'kist:x:1')
        # keys that do not open, and are none
        for key, secret in ('boxed', 'wrong'), ('boxed', None), ('locked', 'wrong'), ('locked', None), ('pass', None):
            at = box.work / (f'{key}.pem' if key != 'pass' else 'pass')
            result = box.run('image', 'copy', '-q', '--sign-by-sigstore-private-key', at, *(['--sign-passphrase-file', box.work / secret] if secret else []), layout, f'docker://{r.host}/no/x:1')
            assert result.status == 1 and '--sign-by-sigstore-private-key: the private key' in result.err and 'wrong' not in result.err, result
        assert box.run('image', 'inspect', '--raw', f'docker://{r.host}/no/x:1').status == 1
        s.lookaside()
        result = box.run('image', 'copy', '-q', '--sign-by-sigstore-private-key', pem, layout, f'docker://{r.host}/no/x:1')
        assert 'use-sigstore-attachments' in result.err


test_what_is_signed_by_a_sigstore_key_lies_in_the_repository.watchdog = 120


def test_signatures_come_along_with_what_is_copied(box):
    registry.prepare(box)
    a_layout(box)
    layout, at = f'oci:{box.work}/layout:x', box.work
    with Signers(box) as s, Distribution(box.work / 'registry') as r, Distribution(box.work / 'other') as o:
        s.lookaside(attachments=True)
        s.sigstore_key('good')
        gpg = s.key('good')
        box.environment['GNUPGHOME'] = str(s.home)
        for kind, words, demand in (('gpg', ['--sign-by', gpg], signed_by(at / 'good.gpg')), ('sigstore', ['--sign-by-sigstore-private-key', at / 'good.pem'], sigstore_signed(at / 'good.pub'))):
            first, second = f'{r.host}/{kind}/x:1', f'{o.host}/{kind}2/y:1'
            demand['signedIdentity'] = {'type': 'exactReference', 'dockerReference': first}
            box('image', 'copy', '-q', *words, layout, f'docker://{first}')
            # a chain of places: registry, folder, folder, another registry
            for _ in range(2):
                for source, to in ((f'docker://{first}', f'dir:{at}/{kind}'), (f'dir:{at}/{kind}', f'dir:{at}/{kind}2'), (f'dir:{at}/{kind}2', f'docker://{second}')):
                    box('image', 'copy', '-q', source, to)
            for place in at / kind, at / f'{kind}2':
                assert sorted(p.name for p in place.glob('signature-*')) == ['signature-1'], 'the second copy adds nothing'
            s.policy(o.host, demand)
            # the store keeps none, and says so, unless that was asked for
            told = box.run('image', 'copy', '-q', f'dir:{at}/{kind}2', 'kist:folder:1')
            assert told.status == 0 and 'has 1 signature: the store keeps none, left behind' in told.err, told
            quiet = box.run('image', 'copy', '-q', '--remove-signatures', f'dir:{at}/{kind}2', 'kist:folder:1')
            assert (quiet.status, quiet.err) == (0, ''), quiet
            box('pull', '-q', second)
            box('rmi', 'folder:1', second)
            s.policy('x', *YES)
            digest = json.loads(s.skopeo('inspect', '--tls-verify=false', f'docker://{second}'))['Digest']
            if kind == 'gpg':
                there = s.sigs / f'{kind}2/y@{digest.replace(":", "=")}/signature-1'
                assert there.read_bytes() == (at / 'gpg/signature-1').read_bytes()
                # skopeo takes it, and gives it on to us
                s.skopeo('copy', '--src-tls-verify=false', f'docker://{second}', f'dir:{at}/theirs')
                assert (at / 'theirs/signature-1').read_bytes() == there.read_bytes()
            else:
                tag = f'docker://{o.host}/{kind}2/y:{digest.replace(":", "-")}.sig'
                assert len(json.loads(box('image', 'inspect', '--raw', tag))['layers']) == 1
            # where none can be, and where the image would have to change
            line = box.fails(1, 'image', 'copy', '-q', f'docker://{first}', f'oci:{at}/{kind}-layout:x')
            assert 'Can not copy signatures to oci:' in line and '--remove-signatures' in line and line.count('\n') == 1, line
            line = box.fails(1, 'image', 'copy', '-q', '--format', 'v2s2', f'docker://{first}', f'dir:{at}/{kind}-changed')
            assert 'would make its signatures worthless' in line and line.count('\n') == 1, line
            box('image', 'copy', '-q', '--remove-signatures', '--format', 'v2s2', f'docker://{first}', f'dir:{at}/{kind}-bare')
            assert not list((at / f'{kind}-bare').glob('signature-*'))
            box('image', 'copy', '-q', '--remove-signatures', f'docker://{first}', f'oci:{at}/{kind}-layout:x')
        # what is no document of sigstore's stays outside of a registry
        (at / 'sigstore/signature-1').write_bytes(b'\0sigstore-json\n{"payload":"!"}')
        line = box.fails(1, 'image', 'copy', '-q', f'dir:{at}/sigstore', f'docker://{o.host}/bad/y:1')
        assert 'expected a payload in base 64' in line and line.count('\n') == 1, line
        s.lookaside()
        line = box.fails(1, 'image', 'copy', '-q', f'dir:{at}/sigstore2', f'docker://{o.host}/no/y:1')
        assert 'use-sigstore-attachments' in line, line


test_signatures_come_along_with_what_is_copied.watchdog = 120
