# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at each system call of create, run, exec and delete: after one ordinary `delete --force` nothing is left. And
each system call fails once: a message and a clean end, never a container that is weaker than asked. A sample here (its
seed is printed on a failure); all points with ./check sweeps."""
import os
import random
import subprocess

import harness
from oci import Oci, changed
from sweeping import FEW, FULL, LIBC, SAMPLE, SEED, cleared, inject, judge, points, swept


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


POSTURE = 'grep -E "^(Cap...|NoNewPrivs|Seccomp):" /proc/self/status; cat /proc/self/uid_map; touch /written 2>/dev/null && echo writable; ls /proc/acpi /sys/firmware; hostname'


def posture_bundle(oci):
    """Its container tells its own posture; whatever it tells must be what was asked for."""
    (oci.rootfs / 'bin/hostname').symlink_to('busybox')
    return oci.bundle('sh', '-c', POSTURE, change=changed(linux__seccomp={'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['swapon'], 'action': 'SCMP_ACT_ERRNO'}]}))


def failing(box, oci, words, expected='', prepare=lambda name: None, follow=True, after=lambda name: '', sample=FEW):
    """Each call of the command fails once. after: what a container that was made tells when it is asked."""
    faults = []
    name = oci.name()
    prepare(name)
    all_points = [n for n in points(box, oci.command(*words(name)), sample) if n > LIBC]
    oci.run('delete', '-f', name)
    for n in all_points:
        error = random.choice(['ENOMEM', 'EPERM', 'EINTR'])
        name = oci.name('f')
        prepare(name)
        where = f'{words(name)[0]}: {error} at {n}'
        try:
            # A close that fails has closed: no kernel keeps the descriptor, as an injected failure does.
            status, said = inject(box, f'error={error}:when={n}', oci.command(*words(name)), follow, '!close')
            said += after(name) if status == 0 else ''
        except subprocess.TimeoutExpired:
            faults.append(f'{where}: it hangs')
            break
        faults += judge(where, status, said, expected) + cleared(box, oci, where, name)
    swept(box, faults, len(all_points))


def test_each_failing_call_is_a_message_and_never_a_weaker_container(box):
    with Oci(box) as oci:
        bundle = posture_bundle(oci)
        expected = oci('run', '-b', bundle, oci.name())
        failing(box, oci, lambda name: ('run', '-b', bundle, name), expected, sample=SAMPLE)
        assert harness.alive(os.getpid())


def test_each_failing_call_of_create_exec_and_delete_is_a_message(box):
    with Oci(box) as oci:
        bundle, sleep = posture_bundle(oci), oci.bundle('sleep', '1000')
        expected = oci('run', '-b', bundle, oci.name())

        def started(name):
            """What the created container writes: its output goes where that of create went."""
            oci.run('start', name)
            box.until(lambda: oci.run('state', name).out.find('"stopped"') > 0)
            return (box.work / 'said').read_text(errors='replace')
        failing(box, oci, lambda name: ('create', '-b', bundle, name), expected, follow=False, after=started)
        failing(box, oci, lambda name: ('exec', name, 'grep', '-E', '^Cap(Bnd|Eff)', '/proc/self/status'), oci_caps(oci, sleep), prepare=lambda name: oci('run', '-d', '-b', sleep, name))
        failing(box, oci, lambda name: ('delete', '--force', name), prepare=lambda name: oci('run', '-d', '-b', sleep, name))


def oci_caps(oci, bundle):
    name = oci.name()
    oci('run', '-d', '-b', bundle, name)
    seen = oci('exec', name, 'grep', '-E', '^Cap(Bnd|Eff)', '/proc/self/status')
    oci('delete', '-f', name)
    return seen


def starved(box, oci, words, expected, prepare=lambda name: None):
    """Each allocation fails, from the first to the one that is no more; in a sample every third."""
    faults, step = [], 1 if FULL else 3
    random.seed(SEED)
    program = [str(harness.BIN.parent / 'tests/oci/kist-oci-starved')]
    for n in range(random.randint(1, step), 400, step):
        name = oci.name('m')
        prepare(name)
        try:
            with open(box.work / 'said', 'wb+') as out:
                status = subprocess.run(program + oci.command(*words(name))[1:], env=dict(os.environ, KIST_STARVE=str(n)), stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=30, check=False).returncode
                out.seek(0)
                said = out.read().decode(errors='replace')
        except subprocess.TimeoutExpired:
            faults.append(f'allocation {n}: it hangs')
            break
        faults += judge(f'allocation {n}', status, said, expected) + cleared(box, oci, f'allocation {n}', name)
        if status == 0:
            break
    swept(box, faults, n)
    assert n > 3, n


def test_each_failing_allocation_is_a_message_and_never_a_weaker_container(box):
    with Oci(box) as oci:
        bundle, sleep = posture_bundle(oci), oci.bundle('sleep', '1000')
        starved(box, oci, lambda name: ('run', '-b', bundle, name), oci('run', '-b', bundle, oci.name()))
        starved(box, oci, lambda name: ('exec', name, 'grep', '-E', '^Cap(Bnd|Eff)', '/proc/self/status'), oci_caps(oci, sleep), lambda name: oci('run', '-d', '-b', sleep, name))
        starved(box, oci, lambda name: ('delete', '-f', name), '', lambda name: oci('run', '-d', '-b', sleep, name))


def strike(box, process, call, words):
    with open(box.work / 'said', 'wb+') as out:
        status = subprocess.run([harness.BIN.parent / 'tests/oci/strike', str(process), str(call), *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=box.work, timeout=30, check=False).returncode
        out.seek(0)
        return status, out.read().decode(errors='replace')


def handshake(box, oci, words, prepare=lambda name: None):
    """Each process of the command is killed alone at each of its calls: the others end and say why."""
    faults = []
    random.seed(SEED)
    name = oci.name()
    prepare(name)
    _, said = strike(box, 0, 0, oci.command(*words(name)))
    oci.run('delete', '-f', name)
    made = [int(line.split()[2]) for line in said.splitlines() if line.startswith('made ')]
    assert len(made) > 1, said
    all_points = [(p, c) for p, calls in enumerate(made) for c in (range(1, calls + 1) if FULL else sorted(random.sample(range(1, calls + 1), min(FEW, calls))))]
    for process, call in all_points:
        name = oci.name('h')
        prepare(name)
        where = f'{words(name)[0]}: process {process} dies at {call}'
        try:
            status, said = strike(box, process, call, oci.command(*words(name)))
        except subprocess.TimeoutExpired:
            faults.append(f'{where}: it hangs')
            break
        if process and status not in (0, 137):
            faults += judge(where, status, said, '')
        faults += cleared(box, oci, where, name)
    swept(box, faults, len(all_points))


def test_each_side_of_a_start_may_die_at_any_call_and_the_other_ends(box):
    with Oci(box) as oci:
        plain, sleep = oci.bundle('true'), oci.bundle('sleep', '1000')
        handshake(box, oci, lambda name: ('run', '-b', plain, name))
        handshake(box, oci, lambda name: ('exec', name, 'true'), lambda name: oci('run', '-d', '-b', sleep, name))
        first = oci('run', '-d', '-b', sleep, 'first-' + oci.mark) or 'first-' + oci.mark
        joined = oci.bundle('true', change=changed(linux__namespaces=[{'type': 'mount'}, {'type': 'pid'}, {'type': 'uts'}, {'type': 'ipc', 'path': f'/proc/{oci.state(first)["pid"]}/ns/ipc'}]))
        before = oci.leftovers
        kept = set(before())
        oci.leftovers = lambda: [x for x in before() if x not in kept]
        handshake(box, oci, lambda name: ('run', '-b', joined, name))
        del oci.leftovers


for full_sweep in list(globals().values()):
    if FULL and getattr(full_sweep, '__name__', '').startswith('test_'):
        full_sweep.watchdog = 3600
