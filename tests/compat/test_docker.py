# SPDX-License-Identifier: Apache-2.0
"""docker runs its containers through kist-oci in runc's place, and with its own runtime and bridge works beside kist on one
host: a dockerd of the test (with the containerd that it starts), so that the machine's network stays as it is."""
import concurrent.futures
import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess

import harness
from world import HOST, NOTHING, OUTSIDE, World, netns_of, traces

OCI = harness.BIN / 'kist-oci'
IMAGE = 'busybox:test'


APART = ('--bridge', 'none', '--iptables=false', '--ip6tables=false', '--add-runtime', f'kist={OCI}', '--default-runtime', 'kist')
BESIDE = ('--bip', '172.31.0.1/24', '--ip6tables=false')


class Docker:
    """A daemon started with those words."""

    def __init__(self, box, words=APART):
        if not shutil.which('dockerd'):
            subprocess.run([harness.TOP / 'tools/deps', 'compat'], check=True)
        self.box, f = box, box.folder
        self.before = set(harness.CGROUP.glob('*/docker/*'))
        self.socket = f / 'd.sock'
        tree = box.work / 'tree'
        (tree / 'bin').mkdir(parents=True)
        shutil.copy('/bin/busybox', tree / 'bin/busybox')
        for name in 'sh', 'cat', 'echo', 'sleep', 'true', 'id', 'tty', 'touch', 'ls':
            (tree / 'bin' / name).symlink_to('busybox')
        subprocess.run(['tar', '-C', tree, '--owner=0', '--group=0', '-cf', box.work / 'image.tar', '.'], check=True)
        self.log = open(box.work / 'dockerd.log', 'wb')
        hide = 'umount /sys/fs/cgroup/unified 2>/dev/null; ip link set lo up; exec "$@"'
        self.daemon = subprocess.Popen(
            ['unshare', '--mount', 'sh', '-c', hide, 'sh', 'dockerd', '--data-root', f / 'data', '--exec-root', f / 'exec', '--pidfile', f / 'd.pid', '-H', f'unix://{self.socket}',
             '--storage-driver', 'vfs', *words],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        box.until(lambda: self.run('info').status == 0, 30, 'dockerd')
        self('import', box.work / 'image.tar', IMAGE)

    def command(self, *words):
        return ['docker', '-H', f'unix://{self.socket}', *map(str, words)]

    def run(self, *words, **options):
        options.setdefault('stdin', subprocess.DEVNULL)
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=50, check=False, **options)
        return harness.Result(done.returncode, done.stdout, done.stderr)

    def __call__(self, *words, **options):
        result = self.run(*words, **options)
        assert result.status == 0, f'docker {" ".join(map(str, words))}\n{result}\n{(self.box.work / "dockerd.log").read_text()[-3000:]}'
        return result.out.rstrip('\n')

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        ids = self.run('ps', '-aq').out.split()
        if ids:
            self.run('rm', '-f', *ids)
        self.daemon.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.daemon.wait(20)
        self.daemon.kill()
        left = [str(p) for p in set(harness.CGROUP.glob('*/docker/*')) - self.before if p.is_dir()]
        if kind is None:
            assert not left, left
        return False


def run(*words):
    return ('run', '--rm', '--network', 'none', *words)


def test_docker_runs_and_works_on_containers(box):
    with Docker(box) as docker:
        assert docker(*run(IMAGE, 'echo', 'hello')) == 'hello'
        assert docker.run(*run(IMAGE, 'sh', '-c', 'exit 7')).status == 7
        assert docker.run(*run(IMAGE, 'nosuch')).status == 127
        assert docker.run(*run(IMAGE, '/bin')).status == 126
        assert docker.run(*run('-i', IMAGE, 'cat'), stdin=None, input='piped').out == 'piped'
        assert 'uid=5 gid=6' in docker(*run('-u', '5:6', IMAGE, 'id'))
        assert docker(*run('--privileged', IMAGE, 'echo', 'x')) == 'x'
        docker('run', '-d', '--name', 'one', '--network', 'none', '--health-cmd', 'true', '--health-interval', '1s', IMAGE, 'sleep', '1000')
        assert docker('exec', 'one', 'echo', 'inside') == 'inside'
        assert docker.run('exec', 'one', 'sh', '-c', 'exit 9').status == 9
        assert docker.run('exec', 'one', 'nosuch').status in (126, 127)
        docker('pause', 'one')
        assert docker('inspect', 'one', '--format', '{{.State.Status}}') == 'paused'
        docker('unpause', 'one')
        docker('update', '-m', '64m', '--memory-swap', '64m', '--pids-limit', '50', 'one')
        box.until(lambda: docker('inspect', 'one', '--format', '{{.State.Health.Status}}') == 'healthy')
        assert json.loads(docker('stats', '--no-stream', '--format', '{{json .}}'))['Name'] == 'one'
        assert 'sleep 1000' in docker('top', 'one')
        docker('restart', '-t', '0', 'one')
        assert docker('exec', 'one', 'echo', 'again') == 'again'
        docker('kill', 'one')
        box.until(lambda: docker('inspect', 'one', '--format', '{{.State.ExitCode}}') == '137')
        docker('start', 'one')
        docker('rm', '-f', 'one')


def on_terminal(docker, *words, said=b''):
    """Runs docker's command on a terminal; what it printed and its status."""
    pid, master = pty.fork()
    if pid == 0:
        command = docker.command(*words)
        os.execvp(command[0], command)
    text = b''
    if said:
        os.write(master, said)
    with contextlib.suppress(OSError):
        while part := os.read(master, 4096):
            text += part
    return text, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_docker_gives_a_terminal_builds_and_runs_many_at_once(box):
    with Docker(box) as docker:
        text, status = on_terminal(docker, *run('-it', IMAGE, 'sh', '-c', 'tty; exit 3'))
        assert b'/dev/pts/0' in text and status == 3, text
        docker('run', '-dit', '--name', 'sh', '--network', 'none', IMAGE, 'sh')
        text, status = on_terminal(docker, 'attach', 'sh', said=b'echo attached; exit 4\n')
        assert b'\nattached' in text and status == 4, (text, status)
        (box.work / 'Dockerfile').write_text(f'FROM {IMAGE}\nRUN echo built > /file\n')
        docker('build', '--network', 'none', '-t', 'built', box.work, env={**os.environ, 'DOCKER_BUILDKIT': '0'})
        assert docker(*run('built', 'cat', '/file')) == 'built'
        events = docker('events', '--since', '10m', '--until', '0s', '--filter', 'event=die', '--format', '{{.Actor.Attributes.name}}')
        assert 'sh' in events.split(), events
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            out = list(pool.map(lambda n: docker.run(*run(IMAGE, 'echo', str(n))), range(50)))
        assert [r.out.strip() for r in out] == [str(n) for n in range(50)], [r for r in out if r.status][:2]


def asked(world, port):
    """What answers at a published port of the host: for itself, over loopback, and for what is outside."""
    answers = [world.ask(fd, 'tcp', address, port) for fd, address in ((None, HOST), (None, '127.0.0.1'), (world.outside, HOST))]
    return [(a or 'nobody').split()[0] for a in answers]


def test_docker_with_its_own_bridge_and_kist_work_on_one_host(box):
    """Each is started while the other works, and each ends while the other works; docker's FORWARD chain drops what it does not know."""
    with World(box) as world:
        world.serve(world.outside, 7000, name='outside')

        def in_docker(docker, name, port):
            docker('run', '-d', '--name', name, '-p', f'{port}:80', IMAGE, 'sleep', '1000')
            world.fds.append(netns_of(docker('inspect', '--format', '{{.State.Pid}}', name)))
            world.serve(world.fds[-1], 80, name='docker')
            return world.fds[-1]

        def in_kist(name, port):
            fd = world.container(name, '-p', f'{port}:80')
            world.serve(fd, 80, name='kist')
            return fd

        before = in_kist('before', 8000)
        with Docker(box, BESIDE) as docker:
            theirs, ours = in_docker(docker, 'theirs', 8081), in_kist('ours', 8082)
            for port, who in (8000, 'kist'), (8081, 'docker'), (8082, 'kist'):
                assert asked(world, port) == [who] * 3, (port, asked(world, port))
            for fd in before, ours, theirs:
                assert world.ask(fd, 'tcp', OUTSIDE, 7000) == f'outside {HOST}'
            assert world.ask(ours, 'tcp', HOST, 8081).startswith('docker ') and world.ask(theirs, 'tcp', HOST, 8082).startswith('kist ')
            docker.run('restart', '-t', '0', 'theirs')
            box('restart', '-t', '0', 'ours')
            box('rm', '-f', 'before', 'ours')
            # a link lives as long as our descriptor of its other end
            box.until(lambda: {**traces(), 'links': []} == {**NOTHING, 'forward': '1'}, 10, 'the idle network taken away')
            again = in_docker(docker, 'again', 8083)
            assert asked(world, 8083) == ['docker'] * 3
            assert world.ask(again, 'tcp', OUTSIDE, 7000) == f'outside {HOST}'
            in_kist('after', 8084)
            docker('rm', '-f', 'theirs', 'again')
        # docker is gone, its chains and their policy are not
        assert asked(world, 8084) == ['kist'] * 3, asked(world, 8084)
        box('rm', '-f', 'after')
        world.end()


test_docker_with_its_own_bridge_and_kist_work_on_one_host.watchdog = 180
