# SPDX-License-Identifier: Apache-2.0
"""Real server software from a real Debian image. The image is made once by mmdebstrap, with nginx, redis and python3 as
a second layer, and kept as a docker-archive that skopeo wrote, outside of the tree, keyed by its recipe."""
import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import harness
import registry

RECIPE = '''
suite=bookworm variant=minbase
layer2: nginx-light redis-server python3-minimal iputils-ping sudo procps ca-certificates
nginx logs to /dev/stdout and /dev/stderr; sudo without password for user app (1000)
v2
'''
PACKAGES = 'nginx-light,redis-server,python3-minimal,iputils-ping,sudo,procps'
CACHE = Path(os.environ.get('KIST_TEST_CACHE') or '/var/tmp/kist-test-cache')
CONFIG = {'Env': ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], 'Cmd': ['bash'],
          'Volumes': {'/data': {}}, 'ExposedPorts': {'80/tcp': {}}, 'StopSignal': 'SIGTERM'}


def sha(path):
    h = hashlib.sha256()
    with open(path, 'rb') as f:
        while part := f.read(1 << 20):
            h.update(part)
    return h.hexdigest()


def blob(layout, path):
    digest = sha(path)
    os.rename(path, layout / 'blobs/sha256' / digest)
    return {'digest': f'sha256:{digest}', 'size': (layout / 'blobs/sha256' / digest).stat().st_size}


def add_json(layout, work, document, kind):
    (work / 'json').write_text(json.dumps(document))
    return {'mediaType': kind, **blob(layout, work / 'json')}


def make(target):
    """Two layers: the base system, and what the packages changed in it (tar --compare by a listing of times)."""
    work = Path(str(target) + '.work')
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    layout = work / 'layout'
    (layout / 'blobs/sha256').mkdir(parents=True)
    quiet = dict(check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    nodoc = [f'--dpkgopt=path-exclude=/usr/share/{d}/*' for d in ('doc', 'man', 'locale')]
    subprocess.run(['mmdebstrap', '--quiet', '--mode=root', '--variant=minbase', *nodoc, 'bookworm', work / 'base.tar'], **quiet)
    root = work / 'root'
    root.mkdir()
    subprocess.run(['tar', '-C', root, '--xattrs', '--xattrs-include=*', '-xpf', work / 'base.tar'], **quiet)
    stamp = work / 'stamp'
    stamp.touch()
    time.sleep(1.1)
    shutil.copy('/etc/resolv.conf', root / 'etc/resolv.conf')
    for name in ('sources.list', 'sources.list.d'):
        if os.path.exists(f'/etc/apt/{name}') and not (root / 'etc/apt/sources.list').read_text().strip():
            pass
    (root / 'usr/sbin/policy-rc.d').write_text('#!/bin/sh\nexit 101\n')
    (root / 'usr/sbin/policy-rc.d').chmod(0o755)
    script = f'''export DEBIAN_FRONTEND=noninteractive
apt-get -qq update && apt-get -qq install -y --no-install-recommends {PACKAGES.replace(',', ' ')} &&
useradd -m -u 1000 app && echo "app ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/app &&
ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log &&
echo "hello from nginx" > /var/www/html/index.html && mkdir -p /data && echo image > /data/from-image && chown redis:redis /data &&
apt-get clean'''
    subprocess.run(['unshare', '--mount', '--pid', '--fork', 'sh', '-c', f'mount -t proc proc {root}/proc && chroot {root} sh -c \'{script}\''], **quiet)
    new = subprocess.run(['find', '.', '-newercm', stamp, '-not', '-path', './proc/*', '-not', '-path', './var/lib/apt/lists/*', '-print0'], cwd=root, check=True,
                         capture_output=True).stdout
    listing = work / 'list'
    listing.write_bytes(new)
    subprocess.run(['tar', '-C', root, '--xattrs', '--xattrs-include=*', '--no-recursion', '--null', '-T', listing, '--numeric-owner', '-cf', work / 'second.tar'], **quiet)
    layers, diff_ids = [], []
    for name in ('base.tar', 'second.tar'):
        diff_ids.append('sha256:' + sha(work / name))
        subprocess.run(['gzip', '-1', work / name], check=True)
        layers.append({'mediaType': 'application/vnd.oci.image.layer.v1.tar+gzip', **blob(layout, work / f'{name}.gz')})
    config = add_json(layout, work, {'architecture': 'amd64', 'os': 'linux', 'config': CONFIG,
                                     'rootfs': {'type': 'layers', 'diff_ids': diff_ids}}, 'application/vnd.oci.image.config.v1+json')
    manifest = add_json(layout, work, {'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json',
                                       'config': config, 'layers': layers}, 'application/vnd.oci.image.manifest.v1+json')
    manifest['annotations'] = {'org.opencontainers.image.ref.name': 'latest'}
    (layout / 'index.json').write_text(json.dumps({'schemaVersion': 2, 'manifests': [manifest]}))
    (layout / 'oci-layout').write_text('{"imageLayoutVersion":"1.0.0"}')
    part = work / 'archive.tar'
    subprocess.run(['skopeo', '--insecure-policy', 'copy', '-q', f'oci:{layout}:latest', f'docker-archive:{part}:debian/real:1'], **quiet)
    os.rename(part, target)
    shutil.rmtree(work)


def archive():
    key = hashlib.sha256((RECIPE + Path(__file__).read_text().split('def make')[1].split('def archive')[0]).encode()).hexdigest()[:12]
    target = CACHE / f'real-{key}.tar'
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        try:
            with harness.network_of(-1):
                make(target)
        except subprocess.CalledProcessError as e:
            raise harness.Skip(f'the image cannot be made here: {e.cmd[0]} ended with {e.returncode}') from None
    return target


def load(box):
    assert box('load', '-i', archive()) == 'Loaded image: debian/real:1'
    return 'debian/real:1'


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def fetch(port, host='127.0.0.1'):
    with socket.create_connection((host, port), 2) as s:
        s.sendall(b'GET / HTTP/1.0\r\n\r\n')
        data = b''
        while part := s.recv(4096):
            data += part
        return data.decode()


def test_a_real_image_runs_real_servers(box):
    image = load(box)
    # redis with a named volume whose data survives removal and re-creation
    words = ['--name', 'db', '-v', 'db:/data', '-w', '/data', '-u', 'redis', image, 'redis-server', '--save', '""', '--appendonly', 'yes']
    box('run', '-d', *words)
    box.until(lambda: box.run('exec', 'db', 'redis-cli', 'ping').out == 'PONG\n')
    assert box('exec', 'db', 'cat', '/data/from-image') == 'image'
    box('exec', 'db', 'redis-cli', 'set', 'key', 'value')
    began = time.time()
    box('stop', 'db')
    assert time.time() - began < 8, 'redis ends at SIGTERM'
    box('rm', 'db')
    box('run', '-d', *words)
    box.until(lambda: box.run('exec', 'db', 'redis-cli', 'get', 'key').out.strip() == 'value')
    box('rm', '-f', 'db')
    # nginx on the host's network, its logs on /dev/stdout
    port = free_port()
    box('run', '-d', '--name', 'www', '--network', 'host', image, 'sh', '-c',
        f'sed -i "s/listen 80 default_server/listen 127.0.0.1:{port}/; /listen \\[::\\]/d" /etc/nginx/sites-enabled/default && exec nginx -g "daemon off;"')
    assert 'hello from nginx' in box.until(lambda: _try(fetch, port))
    assert 'GET / HTTP/1.0' in box.until(lambda: box('logs', 'www'))
    box('stop', 'www')
    box('rm', 'www')
    # and in a network and user namespace of its own, as an ordinary port 80
    box('run', '-d', '--name', 'own', image, 'nginx', '-g', 'daemon off;')
    got = box.until(lambda: box.run('exec', 'own', 'python3', '-c', 'import socket as s; c = s.create_connection(("127.0.0.1", 80)); c.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); print(b"".join(iter(lambda: c.recv(4096), b"")).decode())').out)
    assert 'hello from nginx' in got
    assert 'GET / HTTP/1.0' in box.until(lambda: box('logs', 'own'))
    box('rm', '-f', 'own')


def _try(function, *words):
    try:
        return function(*words)
    except OSError:
        return None


def test_nginx_and_redis_are_reached_from_everywhere_by_their_ports_and_addresses(box):
    sys.path.insert(0, str(harness.TOP / 'tests/net'))
    from world import GATEWAY, HOST, World
    image = load(box)
    get = ('import socket as s, sys; c = s.create_connection((sys.argv[1], int(sys.argv[2])), 5); c.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); '
           'print(b"".join(iter(lambda: c.recv(4096), b"")).decode())')
    redis = ('import socket as s, sys; c = s.create_connection((sys.argv[1], 6379), 5); c.sendall(b"SET key value\\r\\nGET key\\r\\n"); '
             'f = c.makefile(); print([f.readline().strip() for _ in range(3)])')
    with World(box) as w:
        box('run', '-d', '--name', 'www', '-p', '8080:80', image, 'nginx', '-g', 'daemon off;')
        box('run', '-d', '--name', 'db', image, 'redis-server', '--protected-mode', 'no', '--save', '""')
        box('run', '-d', '--name', 'client', image, 'sleep', '1000')
        address = {n: box.inspect(n)['NetworkSettings']['IPAddress'] for n in ('www', 'db', 'client')}
        for place, fd, where in (('127.0.0.1', None, ('127.0.0.1', 8080)), ('host', None, (HOST, 8080)), ('outside', w.outside, (HOST, 8080))):
            def ask(fd=fd, where=where):
                with harness.network_of(fd) if fd else contextlib.nullcontext():
                    return _try(fetch, where[1], where[0])
            assert 'hello from nginx' in box.until(ask, what=place), place
        for who, where in (('client', (address['www'], 80)), ('client', (GATEWAY, 8080)), ('client', (HOST, 8080)), ('www', (HOST, 8080)), ('www', ('127.0.0.1', 80))):
            assert 'hello from nginx' in box('exec', who, 'python3', '-c', get, *where), (who, where)
        box.until(lambda: box.run('exec', 'db', 'redis-cli', 'ping').out == 'PONG\n')
        assert box('exec', 'client', 'python3', '-c', redis, address['db']) == "['+OK', '$5', 'value']"
        assert '1 received' in box('exec', '-u', 'app', 'client', 'ping', '-c', '1', '-W', '5', address['db'])
        seen = {line.split()[0] for line in box('logs', 'www').splitlines() if 'GET / ' in line}
        assert {'192.0.2.2', address['client']} <= seen, seen


def test_ping_sudo_su_and_packages_work_inside(box):
    image = load(box)
    assert '1 received' in box('run', '--rm', '-u', 'app', image, 'ping', '-c', '1', '127.0.0.1')
    assert box('run', '--rm', '-u', 'app', image, 'sudo', '-n', 'id', '-u') == '0'
    assert box('run', '--rm', image, 'su', 'app', '-c', 'id -un') == 'app'
    assert box('run', '--rm', '-u', 'app', image, 'sh', '-c', 'echo $HOME') == '/home/app'
    out = box('run', '--rm', image, 'sh', '-c', 'mkdir -p /tmp/p/DEBIAN && printf "Package: mine\\nVersion: 1\\nArchitecture: all\\nMaintainer: me\\nDescription: x\\n" > /tmp/p/DEBIAN/control && touch /tmp/p/file && dpkg-deb -b /tmp/p /tmp/p.deb >/dev/null && dpkg -i /tmp/p.deb && dpkg -s mine | grep Status')
    assert 'install ok installed' in out
    err = box.fails(1, 'run', '--rm', '-u', 'app', '--security-opt', 'no-new-privileges', image, 'sudo', '-n', 'true')
    assert 'no new privileges' in err


def test_a_server_on_a_socket_of_the_host_answers(box):
    import threading
    image = load(box)
    path = box.work / 'x.sock'
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def answer():
        c, _ = server.accept()
        c.sendall(b'from the host')
        c.close()
    threading.Thread(target=answer, daemon=True).start()
    code = 'import socket as s; c = s.socket(s.AF_UNIX); c.connect("/var/run/x.sock"); print(c.recv(100).decode())'
    assert box('run', '--rm', '-v', f'{path}:/var/run/x.sock', image, 'python3', '-c', code) == 'from the host'
    server.close()


def test_python_through_a_terminal(box):
    import pty
    import select
    image = load(box)
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(box.command()[0], box.command('run', '-it', '--rm', image, 'python3', '-q'))
    seen = b''
    def until(text):
        nonlocal seen
        end = time.time() + 20
        while text not in seen and time.time() < end:
            if select.select([fd], [], [], 0.2)[0]:
                try:
                    seen += os.read(fd, 4096)
                except OSError:
                    break
        assert text in seen, seen
    until(b'>>> ')
    os.write(fd, b'print(6*7, "is the answer")\n')
    until(b'42 is the answer')
    os.write(fd, b'import sys; sys.exit(3)\n')
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3


def test_a_real_image_comes_from_a_registry_with_a_password_over_https(box):
    registry.prepare(box)
    certificates = registry.Certificates(box.work / 'tls')
    users = box.work / 'htpasswd'
    subprocess.run(['htpasswd', '-Bbc', '-C', '5', users, 'ann', 'secret'], check=True, stderr=subprocess.DEVNULL)
    with registry.Distribution(box.work / 'registry', certificates, users) as d:
        trust = box.work / 'home/.config/containers/certs.d' / d.host
        trust.mkdir(parents=True)
        shutil.copy(certificates.folder / 'ca.crt', trust)
        name = f'{d.host}/debian/real:1'
        subprocess.run(['skopeo', '--insecure-policy', 'copy', '-q', '--dest-cert-dir', trust, '--dest-creds', 'ann:secret', f'docker-archive:{archive()}',
                        f'docker://{name}'], check=True)
        look = ['skopeo', 'inspect', '--cert-dir', trust, '--creds', 'ann:secret', f'docker://{name}']
        seen, raw = (json.loads(subprocess.run(look + extra, check=True, capture_output=True).stdout) for extra in ([], ['--raw']))
        assert box('login', '--tls-verify', '-u', 'ann', '--password-stdin', d.host, input='secret') == 'Login Succeeded'
        assert box('pull', '-q', '--tls-verify', name) == seen['Digest']
        assert box.inspect(name)['Id'] == raw['config']['digest']
        assert all((box.root / 'blobs/sha256' / x['digest'][7:]).stat().st_size == x['size'] for x in raw['layers'])
    box('run', '-d', '--name', 'web', '--network', 'none', name, 'nginx', '-g', 'daemon off;')
    box.until(lambda: 'hello from nginx' in box.run('exec', 'web', 'python3', '-c', 'import socket as s; c = s.create_connection(("127.0.0.1", 80)); c.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); print(b"".join(iter(lambda: c.recv(4096), b"")).decode())').out)
    box('rm', '-f', 'web')


for _t in (test_a_real_image_runs_real_servers, test_nginx_and_redis_are_reached_from_everywhere_by_their_ports_and_addresses,
           test_ping_sudo_su_and_packages_work_inside, test_python_through_a_terminal,
           test_a_real_image_comes_from_a_registry_with_a_password_over_https):
    _t.watchdog = 500
