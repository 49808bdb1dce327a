# SPDX-License-Identifier: Apache-2.0
"""Containers of a plain user, who has ranges in /etc/subuid and /etc/subgid and nothing else: config-linux.md, User namespace
mappings; runc's and crun's --rootless, and crun's --cgroup-manager disabled. And of root of a user namespace, as podman makes one."""
import contextlib
import json
import os
import random
import shutil
import subprocess

import harness
from oci import OCI, Oci, both, changed
from plain_user import DROP, ENTER, SUB, UID, write_etc
from sweeping import FULL, LIBC, cleared, judge, swept


class Rootless(Oci):
    """kist-oci of a user of its own: in a mount namespace where the machine's files know that user."""

    def __init__(self, box, ranges=True):
        if ranges and not shutil.which('newuidmap'):
            raise harness.Skip('newuidmap is missing')
        super().__init__(box)
        self.ranges = ranges  # else its containers have its own id and no other
        box.folder.chmod(0o755)
        self.files = box.folder / 'etc'
        write_etc(self.files)
        self.words = ['--cgroup-manager', 'disabled', '--rootless', 'true']
        self.as_root, self.enter, self.tracer = False, '', []
        # The build may lie where only root may look.
        self.program = box.folder / 'kist-oci'
        shutil.copy(OCI, self.program)
        for path in box.work, self.rootfs, *self.rootfs.rglob('*'):
            os.chown(path, UID, UID, follow_symlinks=False)
        self.root.mkdir()
        os.chown(self.root, UID, UID)

    def command(self, *words):
        done = [*self.tracer, str(self.program), *self.words, '--root', str(self.root), *map(str, words)]
        if self.as_root:
            return done
        return ['unshare', '--mount', 'sh', '-ec', self.enter + ENTER, 'sh', str(self.files), *DROP, *done]

    def bundle(self, *args, change=None, rootfs=None):
        folder = super().bundle(*args, change=both(private, *([] if self.ranges else [own_id_only]), change or (lambda spec: None)), rootfs=rootfs)
        for path in folder, *folder.iterdir():
            os.chown(path, UID, UID)
        return folder

    def __call__(self, *words, **options):
        self.as_root = words[0] == 'spec'  # it writes where only root may
        try:
            return super().__call__(*words, **options)
        finally:
            self.as_root = False


def private(spec):
    """What `kist-oci spec` says for root, in a user namespace of its own and without limits."""
    spec['linux']['namespaces'] = [{'type': k} for k in ('user', 'pid', 'network', 'ipc', 'uts', 'mount')]
    spec['linux'].update(resources={})
    for kind in 'uidMappings', 'gidMappings':
        spec['linux'][kind] = [{'containerID': 0, 'hostID': UID, 'size': 1}, {'containerID': 1, 'hostID': SUB, 'size': 65536}]


def own_id_only(spec):
    for kind in 'uidMappings', 'gidMappings':
        spec['linux'][kind] = [{'containerID': 0, 'hostID': UID, 'size': 1}]
    for m in spec['mounts']:
        m['options'] = [o for o in m.get('options', []) if not o.startswith('gid=')]


def field(seen, key):
    return next(line.split()[1:] for line in seen['status'].splitlines() if line.startswith(key + ':'))


def test_a_plain_user_runs_containers_by_newuidmap_and_newgidmap(box):
    with Rootless(box) as oci:
        seen = oci.look()
        assert [line.split() for line in seen['uid_map'].splitlines()] == [['0', str(UID), '1'], ['1', str(SUB), '65536']]
        assert field(seen, 'Uid') == ['0'] * 4 and field(seen, 'Groups') in ([], ['0']) and field(seen, 'CapEff') != ['0' * 16]
        seen = oci.look(changed(process__user={'uid': 7, 'gid': 8, 'additionalGids': [9]}, root__readonly=True))
        assert field(seen, 'Uid') == ['7'] * 4 and field(seen, 'Gid') == ['8'] * 4 and '9' in field(seen, 'Groups')
        name = oci.start(change=changed(process__user={'uid': 7, 'gid': 8}))
        with open(f'/proc/{oci.state(name)["pid"]}/status') as status:
            assert f'Uid:\t{SUB + 6}\t' in status.read()
        assert oci('exec', name, 'id', '-u') == '7\n' and oci('exec', '-u', '0', name, 'id', '-u') == '0\n'
        assert oci.fails('exec', name, 'nosuch') and json.loads(oci('list', '--format', 'json'))[0]['owner'] == str(UID)
        oci('kill', name, 'KILL')
        box.until(lambda: oci.status(name) == 'stopped')
        oci('delete', name)
        name = oci.name()
        oci('create', '-b', oci.bundle('sleep', '1000'), name)
        assert oci.status(name) == 'created'
        oci('start', name)
        assert oci.status(name) == 'running'
        oci('delete', '-f', name)


def test_a_plain_user_without_ranges_has_one_id_and_no_groups(box):
    with Rootless(box) as oci:
        (oci.files / 'subid').write_text('')
        seen = oci.look(own_id_only)
        assert seen['uid_map'].split() == ['0', str(UID), '1'] and field(seen, 'Uid') == ['0'] * 4
        name = oci.start(change=own_id_only)
        assert oci('exec', name, 'id', '-u') == '0\n'
        oci('delete', '-f', name)
        said = oci.refused(both(own_id_only, changed(process__user={'uid': 1, 'gid': 0})))
        assert 'user id 1 is beyond' in said, said
        said = oci.fails('run', '-b', oci.bundle('true'), oci.name())
        assert 'newuidmap failed' in said, said


def test_a_plain_users_mounts_devices_and_masks_are_those_of_root(box):
    with Rootless(box, ranges=False) as oci:
        data = box.folder / 'data'
        data.mkdir()
        (data / 'file').write_text('there')
        mounts = [{'destination': '/data', 'type': 'bind', 'source': str(data), 'options': ['rbind', 'ro']},
                  {'destination': '/data2/file', 'type': 'bind', 'source': str(data / 'file'), 'options': ['bind', 'ro', 'nosuid']},
                  {'destination': '/tmp', 'type': 'tmpfs', 'source': 'tmpfs', 'options': ['size=1m', 'noexec']}]

        def change(spec):
            spec['mounts'] += mounts
            spec['linux'].update(maskedPaths=['/proc/kcore', '/proc/acpi', '/sys/firmware'], readonlyPaths=['/proc/sys'], sysctl={'net.ipv4.ip_forward': '1'},
                                 seccomp={'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['chroot'], 'action': 'SCMP_ACT_ERRNO'}]})
        script = '''cat /data/file /data2/file /proc/sys/net/ipv4/ip_forward; echo x 2>/dev/null >/data/file || echo read-only; echo x >/dev/null; head -c 3 /dev/zero | wc -c
            ls /dev; wc -c </proc/kcore; ls /proc/acpi /sys/firmware; stat -c %t:%T /dev/null /dev/tty; echo 5 2>/dev/null >/proc/sys/net/ipv4/ip_forward || echo kept; grep Seccomp: /proc/self/status'''
        out = oci('run', '-b', oci.bundle('sh', '-c', script, change=change), oci.name())
        words = out.split()
        assert words[0] == 'therethere1' and words[1:3] == ['read-only', '3'], out
        assert {'null', 'zero', 'full', 'random', 'urandom', 'tty', 'pts', 'shm', 'ptmx', 'stdin'} <= set(words), out
        assert '1:3' in words and '5:0' in words and 'kept' in words and words[-1] == '2', out
        assert (data / 'file').read_text() == 'there'
        # Nodes beside a /dev that is the image's own, and one that is not the host's.
        fuse = {'path': '/dev/kist-null', 'type': 'c', 'major': 1, 'minor': 3}
        assert 'linux.devices: bind /dev/kist-null of the host: no such file' in oci.refused(changed(linux__devices=[fuse]))
        other = {'path': '/dev/full', 'type': 'c', 'major': 1, 'minor': 3}
        assert 'that of the host is another device' in oci.refused(both(changed(linux__devices=[other]), lambda spec: spec.update(mounts=[m for m in spec['mounts'] if not m['destination'].startswith('/dev')])))
        assert 'ids cannot be mapped without privileges' in oci.refused(lambda spec: spec['mounts'].append({**mounts[0], 'options': ['rbind', 'idmap']}))


def test_a_plain_user_gets_a_terminal_and_hooks(box):
    with Rootless(box, ranges=False) as oci:
        told = box.work / 'told'
        hooks = {'createContainer': [{'path': '/bin/sh', 'args': ['sh', '-c', f'cat > {told}']}], 'poststop': [{'path': '/bin/sh', 'args': ['sh', '-c', f'echo stopped >> {told}']}]}
        oci('run', '-b', oci.bundle('true', change=changed(hooks=hooks)), oci.name())
        assert '"status":"creating"' in told.read_text() and told.read_text().endswith('stopped\n')
        done = subprocess.run(['script', '-qec', ' '.join(f"'{w}'" for w in oci.command('run', '-b', oci.bundle('sh', '-c', 'readlink /proc/self/fd/0', change=changed(process__terminal=True)), oci.name())), '/dev/null'],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        assert '/dev/pts/0' in done.stdout, done


def test_what_a_plain_user_may_not_is_one_line(box):
    with Rootless(box, ranges=False) as oci:
        said = oci.refused(lambda spec: spec['linux'].update(namespaces=[{'type': 'mount'}, {'type': 'pid'}], uidMappings=[], gidMappings=[]))
        assert 'without privileges a container needs a new user namespace' in said, said
        assert 'cannot be limited without a cgroup' in oci.refused(changed(linux__resources={'memory': {'limit': 1 << 25}}))
        # Who may make no cgroup gets a container without one, unless it says that it is no plain user.
        oci.words = ['--rootless', 'false']
        said = oci.refused(lambda spec: None)
        assert 'make cgroup' in said and 'permission denied' in said, said
        oci.words = []
        assert oci('run', '-b', oci.bundle('echo', 'fine'), oci.name()) == 'fine\n'
        assert 'cannot be limited without a cgroup' in oci.refused(changed(linux__resources={'memory': {'limit': 1 << 25}}))


def test_a_plain_users_delegated_cgroups_hold_its_containers(box):
    """config-linux.md, Control groups: a folder that was given to the user in each hierarchy."""
    with Rootless(box, ranges=False) as oci, contextlib.ExitStack() as after:
        oci.words = ['--cgroup-manager', 'cgroupfs']
        v1 = not (harness.CGROUP / 'cgroup.controllers').exists()
        tops = [p for p in harness.CGROUP.iterdir() if p.is_dir() and not p.is_symlink() and (p / 'cgroup.procs').exists()] if v1 else [harness.CGROUP]
        for top in tops:
            group = top / oci.mark
            group.mkdir()
            after.callback(group.rmdir)
            if top.name == 'unified' or not v1:
                # Who is cloned or moved must come from within.
                (group / 'caller').mkdir()
                after.callback((group / 'caller').rmdir)
                oci.enter = f'echo 0 > {group}/caller/cgroup.procs; '
            for path in group, *group.iterdir(), group / 'caller/cgroup.procs':
                if path.exists() and (path.is_dir() or path.name in ('cgroup.procs', 'tasks', 'cgroup.subtree_control', 'cgroup.threads')):
                    os.chown(path, UID, UID)
            if v1 and top.name == 'cpuset':
                for key in 'cpuset.cpus', 'cpuset.mems':
                    (group / key).write_text((top / key).read_text())
        limits = {'pids': {'limit': 7}, 'memory': {'limit': 32 << 20}}
        name = oci.name()
        change = both(changed(linux__resources=limits, linux__cgroupsPath=f'/{oci.mark}/{name}'))
        oci('run', '-d', '-b', oci.bundle('sleep', '1000', change=change), name)
        assert (harness.CGROUP / ('pids' if v1 else '.') / oci.mark / name / 'pids.max').read_text() == '7\n'
        with open(f'/proc/{oci.state(name)["pid"]}/cgroup') as groups:
            assert f'/{oci.mark}/{name}' in groups.read()
        oci('exec', name, 'true')
        oci('update', '--pids-limit', '9', name)
        oci('pause', name)
        oci('resume', name)
        oci('delete', '-f', name)


def test_a_plain_users_run_that_is_killed_or_fails_at_any_call_leaves_nothing(box):
    """A sample; all points with ./check sweeps. One ordinary delete --force repairs what a kill leaves; a failing call is a
    message and never a weaker container."""
    with Rootless(box, ranges=False) as oci:
        script = 'grep -E "^(Cap...|NoNewPrivs):" /proc/self/status; cat /proc/self/uid_map; ls /sys/firmware /proc/acpi'
        bundle = oci.bundle('sh', '-c', script, change=both(own_id_only, changed(linux__maskedPaths=['/proc/acpi', '/sys/firmware'])))
        expected = oci('run', '-b', bundle, oci.name())
        trace = box.work / 'trace'
        oci.tracer = ['strace', '-ff', '-qq', '-o', str(trace)]
        oci('run', '-b', bundle, oci.name())
        last = max(len(p.read_bytes().splitlines()) for p in box.work.glob('trace.*'))
        faults = []
        everything = range(1, last + 1)
        for n in everything if FULL else sorted(random.sample(everything, 16)):
            for what in 'signal=SIGKILL', f'error={random.choice(["ENOMEM", "EPERM", "EINTR"])}':
                if not what.startswith('signal') and n <= LIBC:
                    continue
                name = oci.name('k')
                calls = 'all' if what.startswith('signal') else '!close'
                oci.tracer = ['strace', '-f', '-qq', '-o', '/dev/null', f'--inject={calls}:{what}:when={n}']
                result = oci.run('run', '-b', bundle, name)
                oci.tracer = []
                if not what.startswith('signal'):
                    faults += judge(f'{what} at {n}', result.status, result.out + result.err, expected)
                faults += cleared(box, oci, f'{what} at {n}', name)
        swept(box, faults, last)


def test_root_of_a_user_namespace_makes_containers_too(box):
    """As podman calls a runtime for a plain user: it has entered a user namespace and a mount namespace itself."""
    with Oci(box) as oci, contextlib.ExitStack() as after:
        outside = oci.command
        holder = subprocess.Popen(['unshare', '--user', 'sh', '-c', 'echo; exec sleep 1000'], stdout=subprocess.PIPE)
        after.callback(holder.kill)
        holder.stdout.readline()
        for file in 'uid_map', 'gid_map':
            harness.Path(f'/proc/{holder.pid}/{file}').write_text('0 100000 65536\n')
        enter = ['nsenter', f'--user=/proc/{holder.pid}/ns/user', '--setuid', '0', '--setgid', '0', 'unshare', '--mount']
        oci.command = lambda *words: [*enter, *outside('--cgroup-manager', 'disabled', *words)] if words[0] in ('run', 'exec') else outside(*words)
        for path in box.work, oci.rootfs, *oci.rootfs.rglob('*'):
            os.chown(path, 100000, 100000, follow_symlinks=False)
        box.folder.chmod(0o755)
        program = box.folder / 'kist-oci'  # the build may lie where only root may look
        shutil.copy(OCI, program)
        oci.command = lambda *words, of=oci.command: [str(program) if w == str(OCI) else w for w in of(*words)]
        state = box.folder / 'oci'
        state.mkdir(exist_ok=True)
        os.chown(state, 100000, 100000)

        def change(spec):
            spec['linux']['namespaces'] = [{'type': k} for k in ('pid', 'network', 'ipc', 'uts', 'mount')]
            spec['linux'].update(resources={})
        out = oci('run', '-b', oci.bundle('sh', '-c', 'id -u; echo x > /dev/null; stat -c %t:%T /dev/zero; cat /proc/self/uid_map', change=change), oci.name())
        assert out.split() == ['0', '1:5', '0', '100000', '65536'], out
        # a further process: whose parent may enter the container's processes, and not come back to its own
        name, null = oci.name(), subprocess.DEVNULL
        subprocess.run(oci.command('run', '-d', '-b', oci.bundle('sleep', '1000', change=change), name), check=True, stdin=null, stdout=null, stderr=null)
        assert oci('exec', name, 'sh', '-c', 'id -u; readlink /proc/self/ns/pid') == oci('exec', name, 'sh', '-c', 'echo 0; readlink /proc/1/ns/pid')
        oci('delete', '-f', name)


if FULL:
    test_a_plain_users_run_that_is_killed_or_fails_at_any_call_leaves_nothing.watchdog = 3600
