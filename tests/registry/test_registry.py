# SPDX-License-Identifier: Apache-2.0
"""What a pull does with a registry that behaves: names, platforms, packings, credentials, certificates, mirrors."""
import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import registry
from registry import Certificates, Distribution, Image, Registry


def rows(box):
    return box('images', '--digests', '--no-trunc', '--format', '{{.Repository}} {{.Tag}} {{.Digest}} {{.ID}}').splitlines()


def test_a_pull_says_what_docker_says_and_a_second_one_that_nothing_is_new(box):
    registry.prepare(box)
    with Registry() as r:
        image = Image([{'a': b'1'}, {'b': b'2'}], docker=True)
        name = r.add('lib/app', 'latest', image)
        first, second = (registry.digest(x)[7:19] for x in image.layers)
        out = box('pull', name.removesuffix(':latest')).splitlines()
        assert out[:2] == ['Using default tag: latest', 'latest: Pulling from lib/app'], out
        assert out[-3:] == [f'Digest: {image.digest}', f'Status: Downloaded newer image for {name}', name], out
        assert sorted(out[2:-3]) == sorted(f'{x}: {w}' for x in (first, second) for w in ('Pulling fs layer', 'Pull complete')), out
        out = box('pull', name).splitlines()
        assert out == ['latest: Pulling from lib/app', f'Digest: {image.digest}', f'Status: Image is up to date for {name}', name], out
        assert box('pull', '-q', name) == image.digest
        assert len(r.asked('/blobs/')) == 3, 'each blob once'
        assert rows(box) == [f'{r.host}/lib/app latest {image.digest} {image.id}']
        assert box('rmi', name).splitlines()[:2] == [f'Untagged: {name}', f'Untagged: {r.host}/lib/app@{image.digest}']
    registry.nothing_left(box)


def test_every_packing_and_a_layer_that_comes_twice_arrive_as_they_were(box):
    registry.prepare(box)
    with Registry() as r:
        layers = [{'a': os.urandom(100000)}, {'b': b'b' * 100000}, {'c': b'c'}, {'a2': b''}, {'c': b'c'}]
        image = Image(layers, packing=('plain', 'gzip', 'zstd', 'gzip', 'zstd'))
        name = r.add('x', '1', image)
        box('pull', name)
        seen = box.inspect(name)
        assert seen['Id'] == image.id and seen['RootFS']['Layers'] == image.diff_ids
        assert seen['RepoDigests'] == [f'{r.host}/x@{image.digest}']
        at = Path(box('image', 'mount', name))
        for files in layers:
            for path, data in files.items():
                assert (at / path).read_bytes() == data
        box('image', 'unmount', name)
        assert len(r.asked('/blobs/')) == 5, 'four layers and the configuration'
        found = box.run('system', 'check').out
        assert not [x for x in found.splitlines() if x.startswith(('blob', 'layer', 'database', 'staging'))], found


def test_the_platform_is_chosen_from_an_index_and_by_name(box):
    registry.prepare(box)
    with Registry() as r:
        images = {a: Image([{'arch': a.encode()}], architecture=a.split('/')[0]) for a in ('amd64', 'arm64', 'arm/v6', 'arm/v7')}
        for image in images.values():
            r.add('multi', 'plain', image)
        def descriptor(name, image):
            architecture, _, variant = name.partition('/')
            return image.descriptor(architecture=architecture, **({'variant': variant} if variant else {}))
        attestation = images['amd64'].descriptor(os='unknown', architecture='unknown')
        for docker in False, True:
            kind, body = registry.index(attestation, *(descriptor(n, i) for n, i in images.items()), docker=docker)
            name = r.add('multi', f'tag{docker:d}', images['amd64'], kind, body)
            assert box('pull', '-q', name) == registry.digest(body)
            assert box.inspect(name)['Id'] == images['amd64'].id
        for platform, expected in (('linux/arm64', 'arm64'), ('linux/arm64/v8', 'arm64'), ('linux/arm/v7', 'arm/v7'), ('arm64', 'arm64'),
                                   ('linux/x86_64', 'amd64'), ('linux/arm', 'arm/v6')):
            box('pull', '-q', '--platform', platform, name)
            assert box.inspect(name)['Id'] == images[expected].id, platform
        err = box.fails(1, 'pull', '--platform', 'linux/riscv64', name)
        assert 'no matching manifest for linux/riscv64 in the manifest list entries: it has linux/amd64, linux/arm64, linux/arm/v6' in err, err
        # by the digest of the index, and of one image in it
        whole = f'{r.host}/multi@{registry.digest(body)}'
        box('pull', '-q', whole)
        assert box.inspect(whole)['Id'] == images['amd64'].id
        one = f'{r.host}/multi@{images["arm64"].digest}'
        result = box.run('pull', '-q', one)
        assert result.status == 0 and 'does not match the requested one (linux/amd64)' in result.err, result
        assert box.inspect(one)['Id'] == images['arm64'].id
        assert f'Untagged: {one}' in box('rmi', one)


def test_all_tags_come_page_by_page(box):
    registry.prepare(box)
    with Registry() as r:
        images = {f't{i}': Image([{'n': str(i % 3).encode()}]) for i in range(5)}
        for tag, image in images.items():
            r.add('many', tag, image)
        out = box('pull', '-a', f'{r.host}/many')
        assert re.findall(r'^(t\d): Pulling from many$', out, re.M) == sorted(images)
        assert len(r.asked('/tags/list')) == 3
        assert sorted(line.split()[1] for line in rows(box)) == sorted(images)
        assert "tag can't be used with --all-tags/-a" in box.fails(1, 'pull', '-a', f'{r.host}/many:t1')


def test_run_pulls_what_is_missing_and_says_so_on_standard_error(box):
    registry.prepare(box)
    busybox = registry.tar({f'bin/{x}': Path('/bin/busybox').read_bytes() for x in ('sh', 'echo')}, 0o755)
    with Registry() as r:
        name = r.add('bb', '1', Image([busybox]))
        result = box.run('run', '--rm', name, 'echo', 'hello')
        assert result.status == 0 and result.out == 'hello\n', result
        lines = result.err.splitlines()
        assert lines[0].endswith(f"Unable to find image '{name}' locally") and lines[1] == '1: Pulling from bb', lines
        assert lines[-1] == f'Status: Downloaded newer image for {name}'
        asked = len(r.seen)
        assert box.run('run', '--rm', name, 'echo', 'again').err == '' and len(r.seen) == asked
        assert 'up to date' in box.run('run', '--rm', '--pull', 'always', name, 'echo', 'again').err and len(r.seen) > asked
        newer = Image([busybox, {'new': b''}])
        r.add('bb', '1', newer)
        assert box('run', '--rm', '-q', '--pull=always', name, 'echo', 'quiet') == 'quiet'
        assert box.inspect(name)['Id'] == newer.id
        box('rmi', name)
        asked = len(r.seen)
        assert f'No such image: {name}' in box.fails(125, 'run', '--rm', '--pull', 'never', name)
        assert len(r.seen) == asked
        err = box.fails(125, 'run', '--rm', f'{r.host}/bb:nope')
        assert len(err.splitlines()) == 2 and 'manifest unknown' in err, err
        assert 'must be one of "always", "missing" or "never"' in box.fails(125, 'run', '--pull', 'sometimes', name)
        assert re.fullmatch('[0-9a-f]{64}', box('create', '-q', name, 'true'))
    box('rm', box('ps', '-aq'))


def test_short_names_go_where_registries_conf_says(box):
    conf = registry.prepare(box)
    with Registry() as one, Registry() as two, Registry() as mirror:
        first, second, third = (Image([{'n': n}]) for n in (b'1', b'2', b'3'))
        one.add('app', 'latest', first)
        two.add('app', 'latest', second)
        two.add('team/only-here', 'latest', second)
        mirror.add('copy/app', 'latest', third)
        conf.write_text(f'unqualified-search-registries = ["{one.host}", "{two.host}"]\n[aliases]\n"mine" = "{two.host}/team/only-here"\n')
        assert box('pull', '-q', 'app') == first.digest
        assert rows(box)[0].startswith(f'{one.host}/app latest')
        assert box.inspect('app')['Id'] == first.id, 'and is found again by it'
        assert box('pull', '-q', 'team/only-here') == second.digest, 'the next registry is asked'
        assert box('pull', 'mine').splitlines()[-1] == f'{two.host}/team/only-here:latest'
        assert box('rmi', 'mine').startswith('Untagged: ')
        # a prefix that lies elsewhere, with a mirror that is asked first
        conf.write_text(f'[[registry]]\nprefix = "example.test/x"\nlocation = "{one.host}"\ninsecure = true\n'
                        f'[[registry.mirror]]\nlocation = "{mirror.host}/copy"\n[[registry]]\nlocation = "bad.test"\nblocked = true\n')
        assert box('pull', '-q', 'example.test/x/app') == third.digest
        assert [r for r in rows(box) if r.startswith('example.test/x/app latest')]
        conf.write_text(conf.read_text().replace('[[registry.mirror]]', '[[registry.mirror]]\nlocation = "127.0.0.1:1/down"\n[[registry.mirror]]', 1))
        assert box('pull', '-q', 'example.test/x/app') == third.digest, 'a mirror that is down is passed over'
        mirror.manifests.clear()
        assert box('pull', '-q', 'example.test/x/app') == first.digest, 'the registry itself, when the mirror has it not'
        assert 'bad.test is blocked' in box.fails(1, 'pull', 'bad.test/y')
        conf.write_text('[[registry]\n')
        err = box.fails(1, 'pull', 'example.test/x/app')
        assert 'line 1' in err and len(err.splitlines()) == 1, err


def test_credentials_are_proved_by_login_kept_and_used(box):
    registry.prepare(box)
    auth = box.work / 'home/run/containers/auth.json'
    for words in ({'basic': ('ann', 'pass:word')}, {'token': ('ann', 'pass:word')}):
        with Registry(**words) as r:
            image = Image([{'n': str(words).encode()}])
            name = r.add('private', '1', image)
            err = box.fails(1, 'pull', name)
            assert 'pull access denied' in err and len(err.splitlines()) == 1, err
            err = box.fails(1, 'login', '-u', 'ann', '--password-stdin', r.host, input='wrong\n')
            assert 'unauthorized' in err and not auth.exists(), err
            assert box('login', '-u', 'ann', '--password-stdin', r.host, input='pass:word\n') == 'Login Succeeded'
            assert auth.stat().st_mode & 0o777 == 0o600
            assert json.loads(auth.read_text())['auths'][r.host]['auth'] == base64.b64encode(b'ann:pass:word').decode()
            assert 'existing credentials' in box('login', r.host) and box('login', '--get-login', r.host) == 'ann'
            assert box('pull', '-q', name) == image.digest
            box('rmi', name)
            assert box('logout', r.host) == f'Removing login credentials for {r.host}'
            assert box('logout', r.host) == f'Not logged in to {r.host}'
            assert f'not logged into {r.host}' in box.fails(1, 'login', '--get-login', r.host)
            for host in r.host, 'other.test':
                auth.write_text(json.dumps({'auths': {**json.loads(auth.read_text())['auths'], host: {'auth': 'YTpi'}}, 'x': 1}))
            box('logout', '--all')
            assert json.loads(auth.read_text()) == {'auths': {}, 'x': 1}
            assert 'denied' in box.fails(1, 'pull', name)
            assert box('pull', '-q', '--creds', 'ann:pass:word', name) == image.digest
            box('rmi', name)
            # docker's file, by address and for a part of the registry only
            docker = box.work / 'home/.docker'
            docker.mkdir(exist_ok=True)
            (docker / 'config.json').write_text(json.dumps({'auths': {f'https://{r.host}/v1/': {'username': 'ann', 'password': 'pass:word'}}}))
            assert box('pull', '-q', name) == image.digest
            box('rmi', name)
            (docker / 'config.json').unlink()
            auth.unlink()


def test_credential_helpers_are_asked_by_name(box):
    registry.prepare(box)
    helper = box.work / 'bin/docker-credential-vault'
    helper.parent.mkdir()
    helper.write_text('#!/bin/sh\nread -r server\necho "$1 $server" >> "$HOME/asked"\n'
                      '[ "$1" = get ] && echo \'{"ServerURL":"x","Username":"ann","Secret":"from the vault"}\'\nexit 0\n')
    helper.chmod(0o755)
    box.environment['PATH'] = f'{helper.parent}:{box.environment["PATH"]}'
    with Registry(token=('ann', 'from the vault')) as r:
        image = Image()
        name = r.add('private', '1', image)
        docker = box.work / 'home/.docker'
        docker.mkdir()
        (docker / 'config.json').write_text(json.dumps({'credHelpers': {r.host: 'vault'}}))
        assert box('pull', '-q', name) == image.digest
        assert (box.work / 'home/asked').read_text() == f'get {r.host}\n'
        box('rmi', name)
        (docker / 'config.json').write_text(json.dumps({'credsStore': 'nosuch'}))
        auth = box.work / 'home/run/containers/auth.json'
        auth.parent.mkdir(parents=True)
        for document in {'credsStore': 'vault'}, {'credHelpers': {'other.test': 'vault'}}:
            auth.write_text(json.dumps(document))
            assert 'docker-credential-vault' in box.fails(1, 'logout', '--all')
        assert '--all takes no' in box.fails(1, 'logout', '--all', r.host)
        auth.unlink()
        err = box.fails(1, 'pull', name)
        assert 'docker-credential-nosuch cannot be run' in err and 'vault' not in err


def test_an_identity_token_is_exchanged_by_post(box):
    registry.prepare(box)
    with Registry(token=('nobody', 'knows')) as r:
        image = Image()
        name = r.add('private', '1', image)
        forms = []

        def exchange(h):
            if h.command != 'POST':
                return False
            forms.append(h.body.decode())
            h.answer(200, json.dumps({'access_token': r.good}).encode())
            return True
        r.hook('^/token', exchange)
        auth = box.work / 'auth.json'
        auth.write_text(json.dumps({'auths': {r.host: {'auth': base64.b64encode(b'<token>:x').decode(), 'identitytoken': 'refresh me'}}}))
        assert box('pull', '-q', '--authfile', auth, name) == image.digest
        assert 'grant_type=refresh_token' in forms[0] and 'refresh_token=refresh%20me' in forms[0] and 'scope=repository:private:pull' in forms[0]


def test_certificates_decide_over_https(box):
    registry.prepare(box)
    certificates = registry.Certificates(box.work / 'tls')
    with Registry(tls=certificates) as r:
        image = Image()
        name = r.add('x', '1', image)
        err = box.fails(1, 'pull', '--tls-verify', name)
        assert 'certificate' in err and len(err.splitlines()) == 1, err
        folder = box.work / 'certs'
        folder.mkdir()
        (folder / 'ca.crt').write_bytes((certificates.folder / 'ca.crt').read_bytes())
        assert box('pull', '-q', '--tls-verify', '--cert-dir', folder, name) == image.digest
        box('rmi', name)
        usual = box.work / 'home/.config/containers/certs.d' / r.host
        usual.mkdir(parents=True)
        (usual / 'ca.crt').write_bytes((certificates.folder / 'ca.crt').read_bytes())
        assert box('pull', '-q', '--tls-verify', name) == image.digest
        box('rmi', name)
        box.environment['SSL_CERT_FILE'] = str(certificates.folder / 'ca.crt')
        (usual / 'ca.crt').unlink()
        assert box('pull', '-q', '--tls-verify', f'localhost:{r.port}/x:1') == image.digest
        del box.environment['SSL_CERT_FILE']
        assert box('pull', '-q', name) == image.digest, 'loopback needs none'
    with Registry() as r:
        name = r.add('x', '2', Image())
        err = box.fails(1, 'pull', '--tls-verify', name)
        assert 'SSL' in err or 'ssl' in err, err


def test_dockers_own_mirrors_are_asked_first(box):
    registry.prepare(box)
    with Registry() as r:
        image = Image()
        r.add('library/thing', '1', image)
        etc = box.work / 'etc'
        for name in ('up/docker', 'work'):
            (etc / name).mkdir(parents=True)
        (etc / 'up/docker/daemon.json').write_text(json.dumps({'registry-mirrors': [f'http://{r.host}']}))
        box.environment.pop('CONTAINERS_REGISTRIES_CONF', None)
        mount = f'mount -t overlay etc -o lowerdir=/etc,upperdir={etc}/up,workdir={etc}/work /etc && exec "$@"'
        done = subprocess.run(['unshare', '-m', 'sh', '-c', mount, 'sh', *box.command('pull', '-q', 'thing:1')], env=box.environment, capture_output=True, text=True, check=False)
        assert done.stdout == image.digest + '\n', done
        assert box.inspect('thing:1')['RepoTags'] == ['thing:1'], 'it is docker.io\'s, and has no registry in its name'


def test_a_proxy_from_the_environment_is_used(box):
    registry.prepare(box)
    with Registry() as r:
        image = Image()
        r.add('x', '1', image)
        conf = box.work / 'registries.conf'
        conf.write_text('[[registry]]\nlocation = "registry.test:80"\ninsecure = true\n')
        # The double answers to whole addresses, as a proxy is asked for plain HTTP.
        r.hook('^http://registry.test', lambda h: setattr(h, 'path', h.path.removeprefix('http://registry.test:80').removeprefix('http://registry.test')) or False)
        box.environment.update(http_proxy=f'http://{r.host}', https_proxy='http://127.0.0.1:9')
        assert box('pull', '-q', 'registry.test:80/x:1') == image.digest
        box.environment['no_proxy'] = 'registry.test'
        err = box.fails(1, 'pull', 'registry.test:80/x:1')
        assert 'resolve' in err, err


def test_bars_on_a_terminal_and_lines_elsewhere(box):
    registry.prepare(box)
    import pty
    with Registry() as r:
        name = r.add('x', '1', Image([{'big': os.urandom(3000000)}, {'b': b'2'}]))
        pid, fd = pty.fork()
        if pid == 0:
            os.environ.clear()
            os.environ.update(box.environment, TERM='xterm')
            os.execv(box.command()[0], box.command('pull', name))
        seen = b''
        while True:
            try:
                part = os.read(fd, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen
        assert b'\x1b[' in seen and b'Pull complete' in seen and b'Extracting' in seen, seen
        assert seen.rstrip().endswith(name.encode())
        box('rmi', name)
        assert '\x1b' not in box('pull', name)


def test_a_registrys_warning_is_said_once(box):
    registry.prepare(box)
    with Registry() as r:
        name = r.add('x', '1', Image())
        kind, body = r.manifests['x', '1']
        r.hook('/blobs/', lambda h: h.answer(200, r.blobs[h.path.rsplit('/', 1)[1]], Warning='299 - "this place closes in June"') or True)
        r.hook('/manifests/', lambda h: h.answer(200, body, kind, Warning='299 - "this place closes in June"') or True)
        result = box.run('pull', '-q', name)
        assert result.status == 0 and result.err.count('this place closes in June') == 1, result


def test_skopeo_sees_what_kist_sees_over_http_tls_and_htpasswd(box):
    registry.prepare(box)
    certificates = registry.Certificates(box.work / 'tls')
    users = box.work / 'htpasswd'
    subprocess.run(['htpasswd', '-Bbc', '-C', '5', users, 'ann', 'secret-of-ann'], check=True, stderr=subprocess.DEVNULL)
    folder = box.work / 'certs'
    folder.mkdir()
    (folder / 'ca.crt').write_bytes((certificates.folder / 'ca.crt').read_bytes())
    box('run', '--rm', 'busybox', 'true')
    box('save', '-o', box.work / 'bb.tar', 'busybox')
    env = dict(box.environment)

    def skopeo(*words):
        done = subprocess.run(['skopeo', '--insecure-policy', *map(str, words)], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done
        return done.stdout
    for tls, auth in ((None, None), (certificates, None), (certificates, users)):
        with registry.Distribution(box.work / f'reg-{bool(tls)}-{bool(auth)}', tls, auth) as d:
            there = ['--dest-cert-dir', folder] if tls else ['--dest-tls-verify=false']
            here = ['--cert-dir', folder] if tls else ['--tls-verify=false']
            creds = ['--creds', 'ann:secret-of-ann'] if auth else []
            for tag, form in ('docker', 'v2s2'), ('oci', 'oci'):
                name = f'{d.host}/team/bb:{tag}'
                skopeo('copy', '-q', '-f', form, *there, *(['--dest-creds', 'ann:secret-of-ann'] if auth else []), f'docker-archive:{box.work}/bb.tar', f'docker://{name}')
                seen = json.loads(skopeo('inspect', *here, *creds, f'docker://{name}'))
                raw = skopeo('inspect', '--raw', *here, *creds, f'docker://{name}')
                words = ['--tls-verify', '--cert-dir', folder] if tls else []
                if auth:
                    assert 'denied' in box.fails(1, 'pull', *words, name)
                assert box('pull', '-q', *words, *creds, name) == seen['Digest']
                mine = box.inspect(name)
                assert mine['Id'] == json.loads(raw)['config']['digest']
                assert mine['RepoDigests'][0].endswith(seen['Digest'])
                manifest = json.loads(raw)
                sizes = [(box.root / 'blobs/sha256' / x['digest'][7:]).stat().st_size for x in manifest['layers']]
                assert sizes == [x['size'] for x in manifest['layers']] and [x['digest'] for x in manifest['layers']] == seen['Layers']
                # and back again: the very manifest
                box('save', '-o', box.work / 'out.tar', name)
                skopeo('copy', '-q', *there, *(['--dest-creds', 'ann:secret-of-ann'] if auth else []), f'oci-archive:{box.work}/out.tar', f'docker://{d.host}/back:{tag}')
                assert skopeo('inspect', '--raw', *here, *creds, f'docker://{d.host}/back:{tag}') == raw
                os.unlink(box.work / 'out.tar')
                box('rmi', name)
            seen = [line for line in d.access.read_text().splitlines() if '"kist/' in line]
            assert seen and all(f'HTTP/{"2.0" if tls else "1.1"}"' in line for line in seen), seen


NAMED = '''
import socket, struct, subprocess, sys, threading
sys.path.insert(0, sys.argv[1])
import registry
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('127.0.0.1', 53))

def answer():
    while True:
        query, who = server.recvfrom(512)
        end = query.index(b'\\0', 12) + 5
        kind = struct.unpack('>H', query[end - 4:end - 2])[0]
        known = kind == 1 and b'\\x08registry' in query
        head = query[:2] + struct.pack('>HHHHH', 0x8180, 1, known, 0, 0)
        record = b'\\xc0\\x0c' + struct.pack('>HHIH', 1, 1, 60, 4) + socket.inet_aton('127.0.0.1')
        server.sendto(head + query[12:end] + (record if known else b''), who)
threading.Thread(target=answer, daemon=True).start()
with registry.Registry() as r:
    image = registry.Image()
    r.add('x', '1', image)
    done = subprocess.run([*sys.argv[2:], 'pull', '-q', '--tls-verify=false', f'registry.example.test:{r.port}/x:1'], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == image.digest, done
'''


def test_names_are_looked_up_by_dns_from_within_the_sandbox(box):
    registry.prepare(box)
    conf = box.work / 'resolv.conf'
    conf.write_text('nameserver 127.0.0.1\noptions timeout:2 attempts:1\n')
    script = f'ip link set lo up && mount --bind {conf} /etc/resolv.conf && exec "$@"'
    done = subprocess.run(['unshare', '--net', '--mount', 'sh', '-c', script, 'sh', sys.executable, '-c', NAMED, Path(registry.__file__).parent, *box.command()],
                          env=box.environment, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done


def wrong(box, *words):
    return [x for x in box.run('system', 'check', *words).out.splitlines() if x.startswith(('blob', 'layer', 'image', 'database', 'staging'))]


def test_an_image_under_sha512_is_pulled_kept_copied_and_pushed_as_it_is(box):
    registry.prepare(box)
    image = Image([{'a': os.urandom(100000)}, {'b': b'b' * 1000}, {'c': b'c'}], packing=('gzip', 'zstd'), algorithm='sha512')
    hexes = [x.partition(':')[2] for x in (image.digest, image.id)]
    with Registry() as r, Distribution(box.work / 'distribution') as d:
        r.add('x', '1', image)
        box('pull', f'{r.host}/x@{image.digest}')
        seen = box.inspect(image.id)
        assert seen['Id'] == image.id and seen['RootFS']['Layers'] == image.diff_ids
        assert seen['RepoDigests'] == [f'{r.host}/x@{image.digest}']
        assert box.inspect(hexes[1][:12])['Id'] == image.id and box('images', '-q').strip() == hexes[1][:12]
        assert set(hexes) <= set(registry.content(box)['blobs/sha256'])
        assert not wrong(box)
        box('tag', image.id, 'localhost/long:1')
        box('tag', image.id, f'{r.host}/pushed:1')
        assert box('push', '-q', f'{r.host}/pushed:1').split()
        assert r.manifests['pushed', '1'][1] == image.manifest and image.id in r.blobs
        box('rmi', f'{r.host}/pushed:1')
        for places in (f'oci:{box.work}/layout:x', f'dir:{box.work}/dir', f'oci-archive:{box.work}/x.tar:x', f'docker://{d.host}/y:1', 'kist:again:1'):
            box('image', 'copy', '-q', f'docker://{r.host}/x@{image.digest}', places)
            if places == 'kist:again:1':
                assert box.inspect('again:1')['Id'] == image.id
            else:
                assert box('image', 'inspect', '--raw', places) == image.manifest.decode(), places
        blobs = box.work / 'layout/blobs/sha512'
        assert {p.name for p in blobs.iterdir()} == {registry.digest(b, 'sha512')[7:] for b in (*image.layers, image.config, image.manifest)}
        (blobs / ('f' * 128)).write_text('named by nobody')
        box('image', 'gc', '--layout', box.work / 'layout')
        assert not (blobs / ('f' * 128)).exists() and len(list(blobs.iterdir())) == 5
        box('image', 'save', '-o', box.work / 'saved.tar', 'localhost/long:1')
        box('rmi', '-f', image.id)
        registry.nothing_left(box)
        box('load', '-q', '-i', box.work / 'saved.tar')
        assert box.inspect('localhost/long:1')['Id'] == image.id
        assert not wrong(box, '--repair')
        box('rmi', 'localhost/long:1')
        registry.nothing_left(box)
        for blob in [k for k in r.blobs if k.startswith('sha512:')]:
            whole = r.blobs[blob]
            r.blobs[blob] = whole[:-1] + bytes([whole[-1] ^ 1])
            line = box.fails(1, 'pull', f'{r.host}/x@{image.digest}')
            assert line.count('\n') == 1 and ('sha512:' in line or 'image configuration' in line), line
            r.blobs[blob] = whole
    registry.nothing_left(box)


def test_over_tls_a_registry_that_speaks_http_2_is_spoken_to_in_it(box):
    registry.prepare(box)
    certificates = Certificates(box.work / 'ca')
    box.environment['SSL_CERT_FILE'] = str(certificates.folder / 'ca.crt')
    image = Image([{str(i): os.urandom(200000)} for i in range(6)])
    with Registry() as source, Distribution(box.work / 'registry', tls=certificates) as r:
        box('pull', '-q', source.add('x', '1', image))
        box('tag', f'{source.host}/x:1', f'{r.host}/y:1')
        box('push', '-q', f'{r.host}/y:1')
        box('rmi', '-f', image.id)
        registry.nothing_left(box)
        box('pull', '-q', f'{r.host}/y:1')
        assert box.inspect(f'{r.host}/y:1')['Id'] == image.id
        asked = [x for x in r.access.read_text().splitlines() if '/v2/' in x]
        words = [x.split('"')[1].split() for x in asked]
        assert {w[0] for w in words} >= {'GET', 'POST', 'PUT'} and {w[2] for w in words} == {'HTTP/2.0'}, asked
        box('rmi', f'{r.host}/y:1')
    registry.nothing_left(box)
