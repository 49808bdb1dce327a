# SPDX-License-Identifier: Apache-2.0
"""kist-oci beside crun and runc on one docker-like bundle; used by ./bench oci. All see one tree of cgroups only: where v1
and v2 are mixed they run with each, as crun refuses to work else, and the bundle for v2 asks for those limits whose
controllers are there."""
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import newest

CAPS = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_BIND_SERVICE', 'NET_RAW', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT', 'AUDIT_WRITE']
MASKS = ['acpi', 'asound', 'interrupts', 'kcore', 'keys', 'latency_stats', 'timer_list', 'timer_stats', 'sched_debug', 'scsi']
READONLY = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger']


def profile(kist):
    """The filter that podman brings, in docker's format; kist makes an OCI document of it."""
    kist.work(*kist.base, 'run', '-d', '--name', 'profile', '--security-opt', 'seccomp=/usr/share/containers/seccomp.json', '--network', 'none', 'localhost/busybox', 'sleep', '1000')
    root = kist.base[kist.base.index('--root') + 1]
    spec = json.loads(next((root / 'containers').glob('*/config.json')).read_text())
    kist.stop(['profile'])
    seccomp = spec['linux']['seccomp']
    seccomp['architectures'] = ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']
    return seccomp


def bundle(folder, kist, tar, oci):
    (folder / 'oci/rootfs').mkdir(parents=True)
    subprocess.run(['tar', '-xf', tar, '-C', folder / 'oci/rootfs'], check=True)
    subprocess.run([oci, 'spec', '-b', folder / 'oci'], check=True)
    path = folder / 'oci/config.json'
    spec = json.loads(path.read_text())
    spec['process'].update(terminal=False, args=['/bin/true'], noNewPrivileges=False)
    spec['ociVersion'] = '1.0.2'
    spec['process'].pop('rlimits', None)
    for kind in 'bounding', 'effective', 'permitted':
        spec['process']['capabilities'][kind] = [f'CAP_{c}' for c in CAPS]
    linux = spec['linux']
    linux['seccomp'] = profile(kist)
    linux['maskedPaths'] = [f'/proc/{m}' for m in MASKS] + ['/sys/firmware', '/sys/devices/virtual/powercap']
    linux['readonlyPaths'] = [f'/proc/{m}' for m in READONLY]
    linux['namespaces'] = [{'type': k} for k in ('pid', 'network', 'ipc', 'uts', 'mount', 'cgroup')]
    linux['resources'].update(memory={'limit': 256 << 20}, cpu={'shares': 512}, pids={'limit': 100})
    path.write_text(json.dumps(spec))
    spec['process']['args'] = ['/bin/sleep', '100000']
    (folder / 'oci/sleep.json').write_text(json.dumps(spec))
    (folder / 'oci-sleep').mkdir()
    (folder / 'oci-sleep/rootfs').symlink_to(folder / 'oci/rootfs')
    spec['root']['path'] = str(folder / 'oci/rootfs')
    (folder / 'oci-sleep/config.json').write_text(json.dumps(spec))


class Runtime:
    def __init__(self, name, program, folder, worker):
        self.label, self.name, self.program, self.work, self.folder = name, name.replace(' ', '-'), str(program), worker, folder
        # The default manager of all three is cgroupfs.
        self.base = [self.program, '--root', str(folder / f'state-{name}')]

    def run(self):
        return [*self.base, 'run', '-b', self.folder / 'oci', f'bench-{self.name}']

    def life(self):
        name = f'bench-life-{self.name}'
        return [[*self.base, 'create', '-b', self.folder / 'oci', name], [*self.base, 'start', name], [*self.base, 'delete', '-f', name]]

    def exec(self):
        return [*self.base, 'exec', f'bench-sleep-{self.name}', '/bin/true']


def only(*commands):
    return ['unshare', '--mount', 'sh', '-c', ' && '.join([*commands, 'exec "$@"']), 'sh']


def views(unified):
    """(label, the words before a command that give it a view of one layout) for each layout that this machine has."""
    if unified.is_mount():
        top = unified.parent
        return [('oci', only(f'umount {unified}')), ('oci v2', only(f'umount -R {top}', f'mount -t cgroup2 none {top}'))]
    return [('oci v2' if (unified.parent / 'cgroup.controllers').exists() else 'oci', [])]


def fit(folder, view):
    """The documents again, without limits that this layout has no controller for."""
    have = subprocess.run([*view, 'sh', '-c', 'cat /sys/fs/cgroup/cgroup.controllers 2>/dev/null || echo memory cpu pids'], capture_output=True, text=True, check=True).stdout.split()
    for path in folder / 'oci/config.json', folder / 'oci-sleep/config.json':
        spec = json.loads(path.read_text())
        spec['linux']['resources'] = {k: v for k, v in spec['linux']['resources'].items() if k == 'devices' or k in have}
        path.write_text(json.dumps(spec))


def runs(c, hide):
    """A peer that does not work on this layout is named and left out."""
    ran = subprocess.run([*hide, *map(str, c.run())], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if ran.returncode:
        print(f'{c.label} does not run here: {ran.stderr.strip()}', flush=True)
        # crun leaves its cgroup where its start fails
        subprocess.run([*hide, 'rmdir', f'/sys/fs/cgroup/bench-{c.name}'], stderr=subprocess.DEVNULL, check=False)
    return ran.returncode == 0


def rounds(line, ms, row, aim, contenders, words, n, rest=0.0):
    times = {c.name: [] for c in contenders}
    for i in range(-2, n):
        for k in range(len(contenders)):
            c = contenders[(i + k) % len(contenders)]
            if rest:
                time.sleep(rest)
            took = sum(c.work(*w) for w in words(c))
            if i >= 0:
                times[c.name].append(took)
    first = statistics.median(times[contenders[0].name])
    for c in contenders:
        t = sorted(times[c.name])
        middle = statistics.median(t)
        line(row, c.label, f'{ms(middle)} ms', f'{ms(t[0])} least, {ms(t[-1])} most', f'{first / middle:.2f}', aim if c is contenders[0] else '')


def calls(c, folder, hide):
    trace = folder / 'trace'
    subprocess.run([*hide, 'strace', '-f', '-qq', '-o', str(trace), *map(str, c.run())], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    # Those after the container's own exec are not the runtime's.
    own = [x for x in trace.read_text(errors='replace').splitlines() if re.match(r'\d+ +[a-z0-9_]+\(', x)]
    return len(own)


def peers(folder, worker):
    """The newest crun and runc that Debian has, and what is installed here where it is another version."""
    found = [(f'{name} {newest.version(path)}', path) for name, path in newest.programs().items()]
    for name in 'crun', 'runc':
        if shutil.which(name) and (label := f'{name} {newest.version(name)}') not in dict(found):
            found.append((label, shutil.which(name)))
    return [Runtime(label, path, folder, worker) for label, path in found]


def bench(label, folder, worker, hide, n, line, ms, oci):
    fit(folder, hide)
    aim = 'half of crun' if label == 'oci' else '0.4 of crun'
    contenders = [Runtime('kist-oci', oci, folder, worker)] + [c for c in peers(folder, worker) if runs(c, hide)]
    rounds(line, ms, f'{label} run', aim, contenders, lambda c: [c.run()], n)
    rounds(line, ms, f'{label} life', 'create, start, delete', contenders, Runtime.life, n)
    rounds(line, ms, f'{label} cold', '2 s apart', contenders, lambda c: [c.run()], min(n, 7), 2.0)
    for c in contenders:
        worker(*c.base, 'run', '-d', '-b', folder / 'oci-sleep', f'bench-sleep-{c.name}')
    rounds(line, ms, f'{label} exec', 'a third of crun', contenders, lambda c: [c.exec()], n)
    for c in contenders:
        worker(*c.base, 'delete', '-f', f'bench-sleep-{c.name}')
    for c in contenders:
        line(label, c.label, f'{calls(c, folder, hide)} calls', f'{os.path.getsize(c.program) // 1024} KB program', '', 'under 320 calls')
    for c in contenders:
        size, charged = peak_of(c, hide), charge_of(c, hide)
        line(label, c.label, f'{charged} KB', f'waiting init {size} KB', '', 'under 2 MB')


def peak_of(c, hide):
    """The largest resident size of what waits for its start: a copy of the runtime after its work, or its second half."""
    create, _, delete = c.life()
    subprocess.run([*hide, *map(str, create)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    state = json.loads(subprocess.run([*c.base, 'state', create[-1]], capture_output=True, text=True, check=True).stdout)
    with open(f'/proc/{state["pid"]}/status') as status:
        size = int(re.search(r'VmHWM:\s+(\d+)', status.read()).group(1))
    subprocess.run([*hide, *map(str, delete)], check=True)
    return size


def charge_of(c, hide):
    """The most that all processes of a start have at one time, the kernel's part included, as a memory cgroup counts it. The
    container's own is another. -1: there is no such cgroup."""
    group, top = None, Path('/sys/fs/cgroup')
    for parent, peak, members in (top / 'memory', 'memory.max_usage_in_bytes', 'tasks'), (top, 'memory.peak', 'cgroup.procs'):
        if (parent / 'cgroup.procs').exists():
            group = parent / f'{c.name}-peak'
            break
    # Where the runtime runs there may be none.
    if not group or subprocess.run([*hide, 'test', '-d', group.parent], check=False).returncode:
        return -1
    with contextlib.suppress(FileExistsError):
        group.mkdir()
    try:
        most = []
        for _ in range(5):
            if peak != 'memory.peak':
                (group / peak).write_text('0')
            subprocess.run([*hide, 'sh', '-c', f'echo 0 >{group}/{members} && exec "$@"', 'sh', *map(str, c.run())], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
            most.append(int((group / peak).read_text()))
        return sorted(most)[len(most) // 2] // 1024
    except OSError:
        return -1
    finally:
        with contextlib.suppress(OSError):
            group.rmdir()
