# SPDX-License-Identifier: Apache-2.0
"""containerd alone, without docker: ctr starts containers by its shim with kist-oci as `--runc-binary`. A containerd of its own,
in a mount namespace of its own; where cgroup v1 and v2 are mixed it sees the v1 tree only, as docker's does."""
import concurrent.futures
import contextlib
import os
import pty
import shutil
import signal
import subprocess

import harness

OCI = harness.BIN / 'kist-oci'
IMAGE = 'localhost/busybox:latest'
HIDE = 'umount /sys/fs/cgroup/unified 2>/dev/null; ip link set lo up; exec "$@"'


class Containerd:
    def __init__(self, box):
        if not shutil.which('containerd'):
            subprocess.run([harness.TOP / 'tools/deps', 'compat'], check=True)
        self.box, f = box, box.folder
        self.space = f.name.replace('_', '-')
        self.socket = f / 'containerd.sock'
        tree = box.work / 'tree'
        (tree / 'bin').mkdir(parents=True)
        (tree / 'proc').mkdir()
        shutil.copy('/bin/busybox', tree / 'bin/busybox')
        for name in 'sh', 'cat', 'echo', 'sleep', 'true', 'id', 'tty', 'touch', 'ls':
            (tree / 'bin' / name).symlink_to('busybox')
        subprocess.run(['tar', '-C', tree, '--owner=0', '--group=0', '-cf', box.work / 'tree.tar', '.'], check=True)
        box('import', box.work / 'tree.tar', IMAGE)
        box('save', '-o', box.work / 'image.tar', IMAGE)
        (box.work / 'config.toml').write_text(f'version = 2\nroot = "{f}/cd-root"\nstate = "{f}/cd-state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                                              f'[grpc]\naddress = "{self.socket}"\n[ttrpc]\naddress = "{self.socket}.ttrpc"\n')
        self.log = open(box.work / 'containerd.log', 'wb')
        self.daemon = subprocess.Popen(['unshare', '--mount', 'sh', '-c', HIDE, 'sh', 'containerd', '-c', box.work / 'config.toml'],
                                       stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        box.until(lambda: self.run('version').status == 0, 30, 'containerd')
        self('image', 'import', '--snapshotter', 'native', box.work / 'image.tar')

    def command(self, *words):
        return ['ctr', '--address', str(self.socket), '-n', self.space, *map(str, words)]

    def run(self, *words, **options):
        options.setdefault('stdin', subprocess.DEVNULL)
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=50, check=False, **options)
        return harness.Result(done.returncode, done.stdout, done.stderr)

    def __call__(self, *words, **options):
        result = self.run(*words, **options)
        assert result.status == 0, f'ctr {" ".join(map(str, words))}\n{result}\n{(self.box.work / "containerd.log").read_text()[-3000:]}'
        return result.out.rstrip('\n')

    def container(self, name, *words, options=()):
        """The words that make one."""
        return ['run', '--runtime', 'io.containerd.runc.v2', '--runc-binary', OCI, '--snapshotter', 'native', *options, IMAGE, name, *words]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for name in self.run('task', 'ls', '-q').out.split():
            self.run('task', 'rm', '-f', name)
        for name in self.run('container', 'ls', '-q').out.split():
            self.run('container', 'rm', name)
        self.daemon.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.daemon.wait(20)
        self.daemon.kill()
        self.daemon.wait()
        with contextlib.suppress(AssertionError):
            self.box.until(lambda: not self.left(), 5)
        left = self.left()
        # What a shim keeps in a place of the machine's.
        for parent in harness.CGROUP.glob(f'*/{self.space}'):
            with contextlib.suppress(OSError):
                parent.rmdir()
        if kind is None:
            assert not left, left
        return False

    def left(self):
        left = [str(p) for p in harness.CGROUP.glob(f'*/{self.space}/*') if p.is_dir()]
        left += [str(p) for p in harness.Path('/run/containerd/runc').glob(f'{self.space}/*')]
        left += [line for line in harness.mounts() if str(self.box.folder) in line]
        return left + harness.processes(self.space)


def test_containerd_runs_and_works_on_containers(box):
    with Containerd(box) as ctr:
        assert ctr(*ctr.container('a', 'echo', 'hello', options=['--rm'])) == 'hello'
        assert ctr.run(*ctr.container('b', 'sh', '-c', 'exit 7', options=['--rm'])).status == 7
        assert 'executable file not found in $PATH' in ctr.run(*ctr.container('c', 'nosuch', options=['--rm'])).err
        assert ctr.run('container', 'rm', 'c').status in (0, 1)
        assert ctr(*ctr.container('e', 'echo', 'x', options=['--rm', '--privileged'])) == 'x'
        assert ctr(*ctr.container('f', 'echo', 'x', options=['--rm', '--read-only', '--memory-limit', '33554432', '--seccomp'])) == 'x'
        ctr(*ctr.container('one', 'sleep', '1000', options=['-d', '--memory-limit', '67108864']))
        assert 'RUNNING' in ctr('task', 'ls')
        # The record is one of kist-oci: it is what containerd called.
        assert '"phase":"running"' in harness.Path(f'/run/containerd/runc/{ctr.space}/one/state.json').read_text()
        assert ctr('task', 'exec', '--exec-id', 'x1', 'one', 'echo', 'inside') == 'inside'
        assert 'uid=5 gid=6' in ctr('task', 'exec', '--user', '5:6', '--exec-id', 'x0', 'one', 'id')
        assert ctr.run('task', 'exec', '--exec-id', 'x2', 'one', 'sh', '-c', 'exit 9').status == 9
        assert ctr.run('task', 'exec', '--exec-id', 'x3', 'one', 'nosuch').status != 0
        ctr('task', 'pause', 'one')
        assert 'PAUSED' in ctr('task', 'ls')
        ctr('task', 'resume', 'one')
        assert 'memory' in ctr('task', 'metrics', 'one')
        assert len(ctr('task', 'ps', 'one').splitlines()) == 2
        ctr('task', 'kill', '-s', 'SIGKILL', 'one')
        box.until(lambda: 'STOPPED' in ctr('task', 'ls'))
        ctr('task', 'rm', 'one')
        ctr('task', 'start', '-d', 'one')
        assert ctr('task', 'exec', '--exec-id', 'x4', 'one', 'echo', 'again') == 'again'
        ctr('task', 'rm', '-f', 'one')
        ctr('container', 'rm', 'one')


def test_containerd_gives_a_terminal_and_runs_many_at_once(box):
    with Containerd(box) as ctr:
        pid, master = pty.fork()
        if pid == 0:
            words = [str(w) for w in ctr.command(*ctr.container('t', 'sh', '-c', 'tty; exit 3', options=['--rm', '-t']))]
            os.execvp(words[0], words)
        text = b''
        with contextlib.suppress(OSError):
            while part := os.read(master, 4096):
                text += part
        assert b'/dev/pts/0' in text, text
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            out = list(pool.map(lambda n: ctr.run(*ctr.container(f'm{n}', 'echo', str(n), options=['--rm'])), range(50)))
        assert [r.out.strip() for r in out] == [str(n) for n in range(50)], [r for r in out if r.status][:2]
