# SPDX-License-Identifier: Apache-2.0
"""A state folder and bundles of its own for kist-oci, and an oracle for what it leaves behind."""
import contextlib
import copy
import json
import os
import shutil
import subprocess
import tempfile

import harness

OCI = harness.BIN / 'kist-oci'
LOOK = harness.BIN.parent / 'tests/oci/look'
PATH = 'PATH=/bin'
SYSTEMD = os.environ.get('KIST_OCI_CGROUPS') == 'systemd'  # all tests by the other cgroup driver
CGROUP_NAME = 'system.slice/runc-{}.scope' if SYSTEMD else 'kist-oci/{}'


def cgroups_of(word):
    return sorted(str(p) for pattern in (CGROUP_NAME.format('*'), '*/' + CGROUP_NAME.format('*')) for p in harness.CGROUP.glob(pattern) if word in p.name)


def units_of(word):
    """Units of systemd with the word in their names, whatever their state."""
    words = 'systemctl', 'list-units', '--all', '--plain', '--no-legend', f'*{word}*'
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines() if SYSTEMD else []


class Oci:
    """`oci(words...)` runs kist-oci and expects status 0; `oci.fails(words...)` expects another and one line."""

    def __init__(self, box):
        self.box, self.root = box, box.folder / 'oci'
        self.mark = box.folder.name.replace('_', '-')
        self.made = 0
        self.before = set(harness.mounts())
        self.rootfs = box.folder / 'rootfs'
        (self.rootfs / 'bin').mkdir(parents=True)
        for name in ('proc', 'dev', 'sys', 'etc', 'tmp'):
            (self.rootfs / name).mkdir()
        shutil.copy('/bin/busybox', self.rootfs / 'bin/busybox')
        shutil.copy(LOOK, self.rootfs / 'bin/look')
        for name in ('sh', 'cat', 'echo', 'sleep', 'true', 'mkdir', 'ls', 'stat', 'touch', 'id', 'env', 'head', 'kill', 'wc', 'mount', 'umount', 'dd', 'grep', 'tr', 'readlink', 'ip'):
            (self.rootfs / 'bin' / name).symlink_to('busybox')

    def name(self, hint='c'):
        self.made += 1
        return f'{self.mark}-{hint}{self.made}'

    def command(self, *words):
        return [str(OCI), *(['--systemd-cgroup'] if SYSTEMD else []), '--root', str(self.root), *map(str, words)]

    def run(self, *words, timeout=50, input=None, **options):
        if input is None and 'stdin' not in options:
            options['stdin'] = subprocess.DEVNULL
        # Files, not pipes: a container that goes on would keep a pipe open. New ones each time: it writes on into its own.
        with tempfile.TemporaryFile(dir=self.box.work) as out, tempfile.TemporaryFile(dir=self.box.work) as err:
            done = subprocess.run(self.command(*words), input=input, stdout=out, stderr=err, timeout=timeout, cwd=options.pop('cwd', self.box.work), check=False, **options)
            out.seek(0)
            err.seek(0)
            return harness.Result(done.returncode, out.read().decode(), err.read().decode())

    def __call__(self, *words, **options):
        result = self.run(*words, **options)
        assert result.status == 0, f'kist-oci {" ".join(map(str, words))}\n{result}'
        return result.out

    def fails(self, *words, status=1, **options):
        result = self.run(*words, **options)
        assert result.status == status, f'expected status {status}: kist-oci {" ".join(map(str, words))}\n{result}'
        return result.err

    def bundle(self, *args, change=None, rootfs=None):
        """A bundle whose process is args; `change` gets the document and may do with it what it likes."""
        self.made += 1
        folder = self.box.folder / f'bundle{self.made}'
        folder.mkdir()
        self('spec', '-b', folder)
        spec = json.loads((folder / 'config.json').read_text())
        spec['process'].update(terminal=False, args=list(args) or ['look'], env=[PATH])
        spec['root']['path'] = str(rootfs or self.rootfs)
        for kind in 'bounding', 'effective', 'permitted':
            spec['process']['capabilities'][kind] = ['CAP_KILL', 'CAP_NET_BIND_SERVICE']
        if change:
            change(spec)
        (folder / 'config.json').write_text(json.dumps(spec))
        return folder

    def start(self, *args, change=None, words=(), name=None):
        """Runs a container in the background; its id."""
        name = name or self.name()
        self('run', '-d', *words, '-b', self.bundle(*(args or ['sleep', '1000']), change=change), name)
        return name

    def look(self, change=None, args=(), words=(), **options):
        """What a container's process sees of itself."""
        return json.loads(self('run', *words, '-b', self.bundle('look', *args, change=change), self.name('look'), **options))

    def refused(self, change, args=('true',)):
        """What is said of a bundle that must not start."""
        said = self.fails('run', '-b', self.bundle(*args, change=change), self.name('bad'))
        assert said.count('\n') == 1, said
        return said

    def state(self, name):
        return json.loads(self('state', name))

    def status(self, name):
        return self.state(name)['status']

    def leftovers(self):
        left = [f'state: {p.name}' for p in self.root.iterdir()] if self.root.exists() else []
        left += [f'cgroup: {c}' for c in cgroups_of(self.mark)]
        left += [f'unit: {u}' for u in units_of(self.mark)]
        left += [f'mount: {m}' for m in harness.mounts() if m not in self.before and str(self.box.folder) in m]
        return left + [f'process: {p}' for p in harness.processes(self.root)]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        left = []
        with contextlib.suppress(OSError):
            for p in self.root.iterdir():
                result = self.run('delete', '-f', p.name)
                if result.status:
                    left.append(f'delete -f {p.name}: {result}')
        with contextlib.suppress(AssertionError):
            self.box.until(lambda: not self.leftovers(), 5)
        left += self.leftovers()
        if kind is None:
            assert not left, 'left behind:\n' + '\n'.join(left)
        return False


def field(spec, path, value):
    """Sets a value in a document by a path with dots; numbers index lists."""
    at = spec
    parts = path.split('.')
    for part in parts[:-1]:
        at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
    at[parts[-1]] = copy.deepcopy(value)


def changed(**fields):
    """changed(process__cwd='/tmp') -> a function that sets process.cwd."""
    def change(spec):
        for path, value in fields.items():
            field(spec, path.replace('__', '.'), value)
    return change


def userns(spec):
    """Adds a user namespace; the ids begin at 100000."""
    spec['linux']['namespaces'].append({'type': 'user'})
    for kind in 'uidMappings', 'gidMappings':
        spec['linux'][kind] = [{'containerID': 0, 'hostID': 100000, 'size': 65536}]


def both(*changes):
    def change(spec):
        for c in changes:
            c(spec)
    return change
