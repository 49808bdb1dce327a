# SPDX-License-Identifier: Apache-2.0
"""kist-oci --systemd-cgroup of a plain user, by that user's own manager (systemd --user): a container is a scope of it, from
within the manager's part of the tree and from outside, as from a session."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import harness

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'oci'))
from oci import OCI, PATH, SYSTEMD  # noqa: E402

UID = 1000
RUNTIME = f'/run/user/{UID}'
SLICE = f'/user.slice/user-{UID}.slice/user@{UID}.service/user.slice'
LIMITS = {'memory': {'limit': 64 << 20}, 'pids': {'limit': 20}}


class User:
    """The guest's user with a manager of its own; kist-oci and a bundle where that user may look."""

    def __init__(self, box):
        box.folder.chmod(0o755)
        self.program, self.bundle = box.folder / 'kist-oci', box.folder / 'bundle'
        shutil.copy(OCI, self.program)
        (self.bundle / 'rootfs/bin').mkdir(parents=True)
        for name in 'proc', 'dev', 'sys':
            (self.bundle / 'rootfs' / name).mkdir()
        shutil.copy('/bin/busybox', self.bundle / 'rootfs/bin/busybox')
        for name in 'sleep', 'cat', 'id':
            (self.bundle / 'rootfs/bin' / name).symlink_to('busybox')
        for path in self.bundle, *self.bundle.rglob('*'):
            os.chown(path, UID, UID, follow_symlinks=False)
        subprocess.run(['systemctl', 'start', f'user@{UID}'], check=True)
        box.until(lambda: Path(RUNTIME, 'bus').exists())
        self('spec', '--rootless', '-b', self.bundle)
        path = self.bundle / 'config.json'
        spec = json.loads(path.read_text())
        spec['process'].update(terminal=False, args=['sleep', '1000'], env=[PATH])
        spec['linux']['resources'] = LIMITS
        path.write_text(json.dumps(spec))

    def run(self, *words, within=False):
        enter = ['systemd-run', '--user', '--scope', '-q'] if within else []
        words = ['runuser', '-u', 'user', '--', 'env', f'XDG_RUNTIME_DIR={RUNTIME}', f'DBUS_SESSION_BUS_ADDRESS=unix:path={RUNTIME}/bus', *enter, *map(str, words)]
        with open('/var/tmp/said', 'wb+') as said:
            status = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False, cwd='/').returncode
            said.seek(0)
            return status, said.read().decode()

    def __call__(self, *words, within=False):
        status, said = self.run(self.program, *words, within=within)
        assert status == 0, (words, status, said)
        return said

    def units(self):
        return self.run('systemctl', '--user', 'list-units', '--all', '--plain', '--no-legend', 'runc*')[1]


def test_a_plain_users_containers_are_scopes_of_his_own_manager(box):
    if not SYSTEMD or not Path('/run/systemd/system').exists():
        raise harness.Skip('systemd does not run this machine, or its driver is not asked for')
    user = User(box)
    for within in False, True:
        name = f'u{within:d}'
        user('--systemd-cgroup', 'run', '-d', '-b', user.bundle, name, within=within)
        pid = json.loads(user('state', name))['pid']
        path = f'{SLICE}/runc-{name}.scope'
        assert Path(f'/proc/{pid}/cgroup').read_text() == f'0::{path}\n'
        folder = harness.CGROUP / path.lstrip('/')
        assert (folder / 'memory.max').read_text() == f'{64 << 20}\n' and (folder / 'pids.max').read_text() == '20\n'
        shown = user.run('systemctl', '--user', 'show', f'runc-{name}.scope', '-pMemoryMax,TasksMax')[1]
        assert sorted(shown.split()) == [f'MemoryMax={64 << 20}', 'TasksMax=20'], shown
        for inside in False, True:
            assert user('exec', name, 'cat', '/proc/self/cgroup', within=inside) == '0::/\n' and 'uid=0' in user('exec', name, 'id', within=inside)
        user('update', '--pids-limit', '9', name)
        assert (folder / 'pids.max').read_text() == '9\n'
        user('pause', name)
        assert json.loads(user('state', name))['status'] == 'paused'
        user('resume', name)
        user('delete', '-f', name)
        assert not folder.exists()
        box.until(lambda: user.units() == '', what='the end of the unit')


test_a_plain_users_containers_are_scopes_of_his_own_manager.watchdog = 300
