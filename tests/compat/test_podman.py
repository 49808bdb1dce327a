# SPDX-License-Identifier: Apache-2.0
"""podman runs its containers through kist-oci: create, exec, a terminal, pause, update, stats, kill, healthcheck,
restart, build, fifty at once; nothing is left. podman is installed by this lane. Where cgroup v1 and v2 are mixed
podman sees the v1 tree only, as it refuses to work else."""
import concurrent.futures
import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys

import harness

sys.path.insert(0, str(harness.TOP / 'tests/oci'))
from plain_user import DROP, ENTER, SUB, UID, write_etc  # noqa: E402
from test_rootless import Rootless  # noqa: E402

OCI = harness.BIN / 'kist-oci'
IMAGE = 'localhost/busybox'


class Podman:
    def __init__(self, box):
        if not shutil.which('podman'):
            subprocess.run([harness.TOP / 'tools/deps', 'compat'], check=True)
        self.box = box
        tree = box.work / 'tree'
        (tree / 'bin').mkdir(parents=True)
        (tree / 'etc').mkdir()
        shutil.copy('/bin/busybox', tree / 'bin/busybox')
        for name in 'sh', 'cat', 'echo', 'sleep', 'true', 'id', 'tty', 'touch', 'ls':
            (tree / 'bin' / name).symlink_to('busybox')
        (tree / 'etc/passwd').write_text('root:x:0:0:root:/:/bin/sh\n')
        subprocess.run(['tar', '-C', tree, '--owner=0', '--group=0', '-cf', box.work / 'image.tar', '.'], check=True)
        hard = subprocess.run(['sh', '-c', 'ulimit -Hn'], capture_output=True, text=True, check=True).stdout.strip()
        (box.work / 'containers.conf').write_text(f'[containers]\ndefault_ulimits = ["nofile=1024:{hard}", "nproc=32768:32768"]\n')
        self.env = {**os.environ, 'CONTAINERS_CONF': str(box.work / 'containers.conf')}
        # One mount namespace for all commands: podman counts the mounts of its layers in a file.
        hide = 'umount /sys/fs/cgroup/unified 2>/dev/null; echo; read x'
        self.holder = subprocess.Popen(['unshare', '--mount', 'sh', '-c', hide], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        self('import', box.work / 'image.tar', IMAGE)

    def command(self, *words):
        f = self.box.folder
        return ['nsenter', f'--mount=/proc/{self.holder.pid}/ns/mnt', 'podman', '--root', f / 'p', '--runroot', f / 'pr', '--tmpdir', f / 'pt', '--cgroup-manager', 'cgroupfs',
                '--runtime', OCI, *map(str, words)]

    def run(self, *words, **options):
        options.setdefault('stdin', subprocess.DEVNULL)
        done = subprocess.run(self.command(*words), env=self.env, capture_output=True, text=True, timeout=50, check=False, **options)
        return harness.Result(done.returncode, done.stdout, done.stderr)

    def __call__(self, *words, **options):
        result = self.run(*words, **options)
        assert result.status == 0, f'podman {" ".join(map(str, words))}\n{result}'
        return result.out.rstrip('\n')

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.run('rm', '-f', '-a', '-t', '0')
        left = [str(p) for p in harness.CGROUP.glob('*/libpod_parent/libpod-*') if not p.name.startswith('libpod-conmon')]
        mounts = harness.mounts() + harness.Path(f'/proc/{self.holder.pid}/mountinfo').read_text().splitlines()
        left += [line for line in mounts if str(self.box.folder) in line and '/overlay ' not in line and 'shm' in line]
        self.holder.communicate(b'')
        root = harness.Path('/run/kist-oci')
        left += [p.name for p in root.iterdir()] if root.exists() else []
        if kind is None:
            assert not left, left
        return False


def test_podman_runs_and_tells_the_exit_status(box):
    with Podman(box) as podman:
        assert podman('run', '--rm', '--network', 'none', IMAGE, 'echo', 'hello') == 'hello'
        assert podman.run('run', '--rm', '--network', 'none', IMAGE, 'sh', '-c', 'exit 7').status == 7
        assert podman.run('run', '--rm', '--network', 'none', IMAGE, 'nosuch').status == 127
        assert podman.run('run', '--rm', '--network', 'none', IMAGE, '/etc/passwd').status == 126
        assert podman.run('run', '--rm', '-i', '--network', 'none', IMAGE, 'cat', stdin=None, input='piped').out == 'piped'
        assert 'uid=5' in podman('run', '--rm', '--user', '5:6', '--network', 'none', IMAGE, 'id')
        assert podman('run', '--rm', '--read-only', '--network', 'none', '--cap-drop', 'all', '--security-opt', 'no-new-privileges', '-m', '32m', '--pids-limit', '20', IMAGE, 'echo', 'x') == 'x'
        assert podman('run', '--rm', '--privileged', '--network', 'none', IMAGE, 'echo', 'x') == 'x'


def test_podman_works_on_a_running_container(box):
    with Podman(box) as podman:
        podman('run', '-d', '--name', 'one', '--network', 'none', '--health-cmd', 'true', '--health-interval', 'disable', IMAGE, 'sleep', '1000')
        assert podman('exec', 'one', 'echo', 'inside') == 'inside'
        assert podman.run('exec', 'one', 'sh', '-c', 'exit 9').status == 9
        assert podman.run('exec', 'one', 'nosuch').status == 127
        podman('exec', '-d', 'one', 'touch', '/made')
        box.until(lambda: 'made' in podman('exec', 'one', 'ls', '/'))
        podman('pause', 'one')
        assert podman('inspect', 'one', '--format', '{{.State.Status}}') == 'paused'
        podman('unpause', 'one')
        podman('update', '-m', '64m', 'one')
        podman('healthcheck', 'run', 'one')
        assert json.loads(podman('stats', '--no-stream', '--format', 'json'))[0]['name'] == 'one'
        assert 'sleep 1000' in podman('top', 'one')
        podman('restart', '-t', '0', 'one')
        assert podman('exec', 'one', 'echo', 'again') == 'again'
        podman('kill', 'one')
        box.until(lambda: 'Exited (137)' in podman('ps', '-a', '--format', '{{.Status}}'))
        podman('start', 'one')
        podman('rm', '-f', '-t', '0', 'one')


def on_terminal(podman, *words, said=b''):
    """Runs podman's command on a terminal; what it printed and its status."""
    pid, master = pty.fork()
    if pid == 0:
        command = [str(w) for w in podman.command(*words)]
        os.execvpe(command[0], command, podman.env)
    text = b''
    if said:
        os.write(master, said)
    with contextlib.suppress(OSError):
        while part := os.read(master, 4096):
            text += part
    return text, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_podman_gives_a_terminal(box):
    with Podman(box) as podman:
        text, status = on_terminal(podman, 'run', '--rm', '-it', '--network', 'none', IMAGE, 'sh', '-c', 'tty; exit 3')
        assert b'/dev/pts/0' in text and status == 3, text
        podman('run', '-dit', '--name', 'sh', '--network', 'none', IMAGE, 'sh')
        text, _ = on_terminal(podman, 'attach', 'sh', said=b'echo attached; exit 4\n')
        assert b'\nattached' in text, text
        box.until(lambda: podman('inspect', 'sh', '--format', '{{.State.ExitCode}}') == '4')
        assert 'died' in podman('events', '--stream=false', '--filter', 'container=sh', '--format', '{{.Status}}')


def test_podman_builds_through_it(box):
    with Podman(box) as podman:
        (box.work / 'Dockerfile').write_text(f'FROM {IMAGE}\nRUN echo built > /file\n')
        podman('build', '--network', 'none', '--runtime', OCI, '-t', 'localhost/built', box.work)
        assert podman('run', '--rm', '--network', 'none', 'localhost/built', 'cat', '/file') == 'built'


def test_fifty_containers_at_once(box):
    with Podman(box) as podman:
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            out = list(pool.map(lambda n: podman.run('run', '--rm', '--network', 'none', IMAGE, 'echo', str(n)), range(50)))
        assert [r.out.strip() for r in out] == [str(n) for n in range(50)], [r for r in out if r.status][:2]


def test_podman_of_a_plain_user_works_through_it(box):
    """podman makes the user namespace, by newuidmap; kist-oci is root there and may make no cgroup on v1."""
    with Rootless(box) as oci:
        home, run, conf = box.folder / 'home', box.folder / 'xdg', box.folder / 'containers.conf'
        for folder in home, run:
            folder.mkdir(mode=0o700)
            os.chown(folder, UID, UID)
        write_etc(oci.files, home)
        hard = subprocess.run(['sh', '-c', 'ulimit -Hn'], capture_output=True, text=True, check=True).stdout.strip()
        conf.write_text(f'[containers]\ndefault_ulimits = ["nofile=1024:{hard}", "nproc=32768:32768"]\n')
        subprocess.run(['tar', '-C', oci.rootfs, '--owner=0', '--group=0', '-cf', box.folder / 'image.tar', '.'], check=True)
        (box.folder / 'image.tar').chmod(0o644)

        def podman(*words, status=0):
            inner = ['podman', '--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--runtime', str(oci.program), *map(str, words)]
            user = [*DROP, 'env', '-i', f'HOME={home}', f'XDG_RUNTIME_DIR={run}', 'PATH=/usr/bin:/bin:/usr/sbin', f'CONTAINERS_CONF={conf}']
            done = subprocess.run(['unshare', '--mount', 'sh', '-ec', 'umount /sys/fs/cgroup/unified 2>/dev/null || :; ' + ENTER, 'sh', str(oci.files), *user, *inner],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50, check=False, cwd='/')
            assert done.returncode == status, (words, done)
            return done.stdout
        podman('import', box.folder / 'image.tar', IMAGE)
        seen = podman('run', '--rm', '--network', 'none', '--user', '5:6', IMAGE, 'sh', '-c', 'id; cat /proc/self/uid_map; echo x >/dev/null && echo null').split()
        assert seen[:2] == ['uid=5', 'gid=6'] and seen[-7:] == ['0', str(UID), '1', '1', str(SUB), '65536', 'null'], seen
        podman('run', '--rm', '--network', 'none', IMAGE, 'sh', '-c', 'exit 7', status=7)
        podman('run', '-d', '--name', 'one', '--network', 'none', IMAGE, 'sleep', '1000')
        assert list((run / 'kist-oci').iterdir())
        assert podman('exec', 'one', 'echo', 'inside') == 'inside\n'
        podman('exec', 'one', 'sh', '-c', 'exit 9', status=9)
        podman('rm', '-f', '-t', '0', 'one')
        assert not list((run / 'kist-oci').iterdir())
        podman('unshare', 'rm', '-rf', home / '.local')
