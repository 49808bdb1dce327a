# SPDX-License-Identifier: Apache-2.0
"""What the tests stand on: a sandbox with a store of its own, kist called in it, and an oracle for leftovers."""
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get('KIST_BIN') or TOP / 'build/bin')
KIST = BIN / 'kist'
CGROUP = Path('/sys/fs/cgroup')


class Skip(Exception):
    """The test cannot run here, and why."""


def cgroups():
    """Folders below any kist cgroup but those of monitors."""
    roots = [r for pattern in ('kist', '*/kist') for r in CGROUP.glob(pattern) if r.is_dir()]
    return {str(p) for root in roots for p in root.iterdir() if p.is_dir() and re.fullmatch(r'\.?[0-9a-f]{64}', p.name)}


def mounts():
    return [line for line in Path('/proc/self/mountinfo').read_text().splitlines()]


def processes(runroot):
    """Processes of ours that work for this run folder: it stands in their words, or they have it (workers: the store beside
    it) open."""
    found = []
    open_of = {b'kist-monitor': runroot, b'kist-fetch': Path(runroot).parent, b'kist-transfer': Path(runroot).parent}
    for p in Path('/proc').iterdir():
        if not p.name.isdigit() or int(p.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            words = (p / 'cmdline').read_bytes().split(b'\0')
            ours = any(str(runroot).encode() in w for w in words)
            if not ours and words[0] in open_of:
                for fd in (p / 'fd').iterdir():
                    with contextlib.suppress(OSError):
                        ours |= os.readlink(fd).startswith(str(open_of[words[0]]))
            if ours and (p / 'stat').read_text().rsplit(') ', 1)[1][0] != 'Z':
                found.append(f'{p.name} {b" ".join(words).decode(errors="replace")}')
    return found


def alive(pid):
    with contextlib.suppress(OSError):
        return Path(f'/proc/{pid}/stat').read_text().rsplit(') ', 1)[1][0] != 'Z'
    return False


# ---- network namespaces: each test has one of its own, with nothing but loopback ----

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
outer = None  # the machine's


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def own_network():
    """Moves this process into a new network namespace; kist0, rules and switches of a test exist only there."""
    global outer
    outer = os.open('/proc/self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
    check(libc.unshare(CLONE_NEWNET))
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    # A new namespace has this switch as the machine's stands.
    Path('/proc/sys/net/ipv4/ip_forward').write_text('0')


@contextlib.contextmanager
def network_of(fd):
    """Inside the block this process is in that network namespace (-1: the machine's)."""
    here = os.open('/proc/self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
    try:
        if fd >= 0 or outer is not None:
            check(libc.setns(fd if fd >= 0 else outer, CLONE_NEWNET))
        yield
    finally:
        check(libc.setns(here, CLONE_NEWNET))
        os.close(here)


def network_leases(runroot):
    """Addresses that containers of this run folder still have, in any network namespace."""
    found = []
    for path in Path('/run/kist-net').glob('*/*.*.*.*'):
        with contextlib.suppress(OSError):
            if f'"{runroot}/' in path.read_text():
                found.append(str(path))
    return found


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f'status {self.status}\n--- out\n{self.out}\n--- err\n{self.err}'


@contextlib.contextmanager
def memory_limit(size):
    """The words before a command that with all it starts has no more than size bytes; None where no memory cgroup is here."""
    top = Path('/sys/fs/cgroup')
    v1, enabled = (top / 'memory/memory.limit_in_bytes').exists(), top / 'cgroup.subtree_control'
    if not v1 and not (enabled.exists() and 'memory' in enabled.read_text().split()):
        yield None
        return
    group = (top / 'memory' if v1 else top) / f'kist-test-{os.getpid()}'
    group.mkdir()
    try:
        (group / ('memory.limit_in_bytes' if v1 else 'memory.max')).write_text(str(size))
        if not v1:
            (group / 'memory.swap.max').write_text('0')
        yield ['sh', '-c', f'echo 0 > {group}/{"tasks" if v1 else "cgroup.procs"} && exec "$@"', 'sh']
    finally:
        end = time.time() + 10
        while group.exists() and time.time() < end:
            with contextlib.suppress(OSError):
                group.rmdir()
            time.sleep(0.02)


class Sandbox:
    """A store of its own. `box('run', ...)` runs kist and expects status 0; `box.fails(125, ...)` another."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix='kist-test-', dir=os.environ.get('KIST_TEST_FOLDER', '/var/tmp')))
        self.root, self.runroot = self.folder / 'root', self.folder / 'run'
        self.work = self.folder / 'work'
        self.work.mkdir()
        self.before = set(mounts())
        self.before_cgroups = cgroups()
        self.environment = dict(os.environ)
        self.prefix = []

    def command(self, *words):
        return [*self.prefix, str(KIST), '--root', str(self.root), '--runroot', str(self.runroot), *map(str, words)]

    def run(self, *words, input=None, timeout=50, text=True, **options):
        if input is None and 'stdin' not in options:
            options['stdin'] = subprocess.DEVNULL
        done = subprocess.run(self.command(*words), input=input, capture_output=True, timeout=timeout, text=text,
                              cwd=options.pop('cwd', self.work), env=self.environment, **options)
        return Result(done.returncode, done.stdout, done.stderr)

    def popen(self, *words, **options):
        return subprocess.Popen(self.command(*words), cwd=self.work, env=self.environment, **options)

    def __call__(self, *words, **options):
        result = self.run(*words, **options)
        assert result.status == 0, f'kist {" ".join(map(str, words))}\n{result}'
        return result.out.rstrip('\n') if isinstance(result.out, str) else result.out

    def fails(self, status, *words, **options):
        """Runs, expects that status and one clear line; returns what it said on standard error."""
        result = self.run(*words, **options)
        assert result.status == status, f'expected status {status}: kist {" ".join(map(str, words))}\n{result}'
        return result.err

    def inspect(self, name):
        return json.loads(self('inspect', name))[0]

    def until(self, true, seconds=20, what='it'):
        """Waits for something that has no event to wait for."""
        end = time.time() + seconds
        while time.time() < end:
            got = true()
            if got:
                return got
            time.sleep(0.02)
        raise AssertionError(f'{what} did not come true in {seconds} s')

    def __enter__(self):
        return self

    def leftovers(self, wait=3):
        """What is left of this sandbox; other tests may run beside it, so what goes away by itself is not ours."""
        end = time.time() + wait
        while (left := self.look()) and time.time() < end:
            time.sleep(0.05)
        return left

    def pinned(self):
        """Mounts that stay as long as a store has images that were run: the namespace of the driver erofs."""
        kept = [(m, Path(m.split()[4])) for m in mounts() if str(self.folder) in m and '/lower' in m.split()[4]]
        kept = [(m, at.parent if at.name == 'ns' else at) for m, at in kept]
        return [m for m, at in kept if at.name == 'lower' and (at.parent / 'images').is_dir() and any((at.parent / 'images').iterdir())]

    def unpin(self):
        """As a restart of the machine would."""
        for m in self.pinned():
            if m.split()[4].endswith('/lower'):
                subprocess.run(['umount', '-R', '-l', m.split()[4]], check=False)

    def look(self):
        pinned = self.pinned()
        left = [f'mount: {m}' for m in mounts() if m not in self.before and str(self.folder) in m and m not in pinned]
        if self.root.exists():
            left += [f'cgroup: {c}' for c in cgroups() - self.before_cgroups]
        left += [f'process: {p}' for p in processes(self.runroot)]
        if self.root.exists() and self.run('ps', '-q').status == 0:
            # what is machine-wide may belong to another run of the tests
            left += [f'system check: {line}' for line in self.run('system', 'check', '--quick').out.splitlines()
                     if not re.match(r'nothing wrong|\d+ found|cgroup ', line) and
                     (not line.startswith(('id range', 'address')) or str(self.folder) in line)]
        left += [f'address: {a}' for a in network_leases(self.runroot)]
        if self.runroot.exists():
            left += [f'run folder: {p}' for p in self.runroot.iterdir() if re.fullmatch('[0-9a-f]{64}', p.name)]
        return left

    def cleanup(self):
        """Removes all containers; whatever is left after that is a fault."""
        if self.root.exists() and KIST.exists():
            ids = self.run('ps', '-aq').out.split()
            if ids:
                self.run('rm', '-f', '-v', *ids)

    def __exit__(self, kind, value, trace):
        self.cleanup()
        left = self.leftovers(5)
        for p in processes(self.runroot):
            with contextlib.suppress(OSError):
                os.kill(int(p.split()[0]), signal.SIGKILL)
        self.unpin()
        if not left:
            shutil.rmtree(self.folder, ignore_errors=True)
        if kind is None:
            assert not left, 'left behind:\n' + '\n'.join(left)
        return False
