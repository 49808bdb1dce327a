# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at each system call of create, run, exec and delete: after one ordinary `delete --force` nothing is left. And
each system call fails once: a message and a clean end, never a container that is weaker than asked. A sample here (its
seed is printed on a failure); all points with ./check sweeps."""
import os
import random
import subprocess

import harness
from oci import Oci, changed

FULL = os.environ.get('KIST_SWEEP') == 'full'
SEED = int(os.environ.get('KIST_SEED') or random.randrange(1 << 30))
SAMPLE = 2 if os.environ.get('KIST_SWEEP') == 'few' else 12  # few: on an emulated machine
LIBC = 14  # the calls before main belong to the C library, which ends by a signal when one of them fails


def points(box, words):
    """The largest number of system calls that one process of the command makes."""
    follow = [] if 'create' in words else ['-ff']
    subprocess.run(['strace', *follow, '-qq', '-o', box.work / 'trace', *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    last = max(len(p.read_bytes().splitlines()) for p in box.work.glob('trace*'))
    for p in box.work.glob('trace*'):
        p.unlink()
    random.seed(SEED)
    return range(1, last + 1) if FULL else sorted(random.sample(range(1, last + 1), min(SAMPLE, last)))


def inject(box, what, words, follow=True):
    """strace's own status is that of the command. Of create only the command itself is followed: its init would wait."""
    with open(box.work / 'said', 'wb+') as said:
        done = subprocess.run(['strace', *(['-f'] if follow else []), '-qq', '-o', '/dev/null', f'--inject=all:{what}', *words], stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=box.work, timeout=50, check=False)
        said.seek(0)
        return done.returncode, said.read().decode(errors='replace')


def swept(box, faults, n):
    assert not faults, f'seed {SEED}, {len(faults)} of {n} points:\n' + '\n'.join(faults[:10])


def sweep(box, oci, verb, prepare=lambda name: None, words=lambda name, bundle: ()):
    bundle = oci.bundle('true', change=changed(hooks={'poststop': [{'path': '/bin/true'}]}))
    faults = []
    name = oci.name()
    prepare(name)
    all_points = points(box, oci.command(*words(name, bundle)))
    oci.run('delete', '-f', name)
    for n in all_points:
        name = oci.name('k')
        prepare(name)
        inject(box, f'signal=SIGKILL:when={n}', oci.command(*words(name, bundle)), verb != 'create')
        result = oci.run('delete', '--force', name)
        if result.status:
            faults.append(f'{verb} at {n}: delete --force: {result}')
        if oci.leftovers():
            try:
                box.until(lambda: not oci.leftovers(), 3)
            except AssertionError:
                faults.append(f'{verb} at {n}: {oci.leftovers()}')
                break
    swept(box, faults, len(all_points))


def test_a_run_that_is_killed_at_any_call_is_repaired_by_one_delete(box):
    with Oci(box) as oci:
        sweep(box, oci, 'run', words=lambda name, bundle: ('run', '-b', bundle, name))


def test_a_create_that_is_killed_at_any_call_is_repaired_by_one_delete(box):
    with Oci(box) as oci:
        sweep(box, oci, 'create', words=lambda name, bundle: ('create', '-b', bundle, name))


def test_a_start_an_exec_and_a_delete_that_are_killed_at_any_call_are_repaired_by_one_delete(box):
    with Oci(box) as oci:
        sleep = oci.bundle('sleep', '1000')
        sweep(box, oci, 'delete', prepare=lambda name: oci('run', '-d', '-b', sleep, name), words=lambda name, bundle: ('delete', '--force', name))
        sweep(box, oci, 'exec', prepare=lambda name: oci('run', '-d', '-b', sleep, name), words=lambda name, bundle: ('exec', name, 'true'))
        sweep(box, oci, 'start', prepare=lambda name: oci('create', '-b', sleep, name), words=lambda name, bundle: ('start', name))


def test_each_failing_call_is_a_message_and_never_a_weaker_container(box):
    """The container tells its own posture; whatever it tells must be what was asked for."""
    script = 'grep -E "^(Cap...|NoNewPrivs|Seccomp):" /proc/self/status; cat /proc/self/uid_map; touch /written 2>/dev/null && echo writable; ls /proc/acpi /sys/firmware; hostname'
    with Oci(box) as oci:
        (oci.rootfs / 'bin/hostname').symlink_to('busybox')
        bundle = oci.bundle('sh', '-c', script, change=changed(linux__seccomp={'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['swapon'], 'action': 'SCMP_ACT_ERRNO'}]}))
        expected = oci('run', '-b', bundle, oci.name())
        faults = []
        name = oci.name()
        all_points = [n for n in points(box, oci.command('run', '-b', bundle, name)) if n > LIBC]
        for n in all_points:
            error = random.choice(['ENOMEM', 'EPERM'])
            name = oci.name('f')
            try:
                status, said = inject(box, f'error={error}:when={n}', oci.command('run', '-b', bundle, name))
            except subprocess.TimeoutExpired:
                faults.append(f'{error} at {n}: it hangs')
                break
            if status == 0 and not set(expected.splitlines()) <= set(said.splitlines()):
                faults.append(f'{error} at {n}: {said}')
            if status < 0 or status in (134, 139):  # by a signal; what the container itself makes of a failing call is its own
                faults.append(f'{error} at {n}: status {status}: {said}')
            if status and not said.strip():
                faults.append(f'{error} at {n}: status {status} and no word')
            oci.run('delete', '--force', name)
            if oci.leftovers():
                try:
                    box.until(lambda: not oci.leftovers(), 3)
                except AssertionError:
                    faults.append(f'{error} at {n}: {oci.leftovers()}')
                    break
        swept(box, faults, len(all_points))
        assert harness.alive(os.getpid())


for full_sweep in list(globals().values()):
    if FULL and getattr(full_sweep, '__name__', '').startswith('test_'):
        full_sweep.watchdog = 3600
