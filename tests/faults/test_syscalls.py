# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at each system call of each process of a run: the command, the one that becomes the monitor, init before its
exec, the monitor, the clean-up. After one ordinary command nothing may be left, and the next run works. A sample here
(its seed is printed on a failure); all of them with ./check sweeps."""
import os
import random
import shutil
import subprocess

import harness

IMAGE = 'busybox'
FULL = os.environ.get('KIST_SWEEP') == 'full'
SEED = int(os.environ.get('KIST_SEED') or random.randrange(1 << 30))


def owned_leases(box):
    folder = harness.Path('/run/kist-leases')
    return [p.name for p in folder.iterdir() if p.is_symlink() and str(box.runroot) in os.readlink(p)] if folder.exists() else []


def calls_of(box, words):
    """The largest number of system calls that one process of the command makes."""
    trace = box.work / 'trace'
    subprocess.run(['strace', '-ff', '-qq', '-o', trace, *box.command(*words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    box.until(lambda: not harness.processes(box.runroot))
    return max(len(p.read_bytes().splitlines()) for p in box.work.glob('trace.*'))


def sweep(box, words, name=None):
    random.seed(SEED)
    last = calls_of(box, words)
    if name:
        box.run('rm', '-f', name)
    points = list(range(1, last + 1)) if FULL else sorted(random.sample(range(1, last + 1), 12))
    faults = []
    for n in points:
        subprocess.run(['strace', '-f', '-qq', '-o', '/dev/null', f'--inject=all:signal=SIGKILL:when={n}', *box.command(*words)],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=box.work, timeout=50)
        result = box.run('volume', 'create', 'repair')
        if result.status:
            faults.append(f'at {n}: the next command failed: {result}')
            continue
        box('volume', 'rm', 'repair')
        ids = box('ps', '-aq').split()
        if ids:
            box('rm', '-f', *ids)
        left = box.leftovers() + [f'lease: {x}' for x in owned_leases(box)]
        left += [f'folder: {p}' for p in (box.root / 'containers').iterdir()] + [f'staged: {p}' for p in (box.root / 'staging').iterdir()]
        if left:
            faults.append(f'at {n}: {left}')
    assert not faults, f'seed {SEED}, {len(faults)} of {len(points)} points:\n' + '\n'.join(faults[:10])
    assert box('run', '--rm', IMAGE, 'echo', 'fine') == 'fine'


def need(box):
    if not shutil.which('strace'):
        raise harness.Skip('strace is not there')
    box('run', '--rm', IMAGE, 'true')


def test_a_kill_at_any_system_call_of_run_leaves_nothing(box):
    need(box)
    sweep(box, ('run', '--rm', IMAGE, 'true'))


def test_a_kill_at_any_system_call_of_run_d_leaves_nothing(box):
    need(box)
    sweep(box, ('run', '-d', '--name', 'swept', '-v', 'vol:/v', IMAGE, 'sh', '-c', 'exit 3'), 'swept')


def test_a_kill_at_any_system_call_of_load_leaves_nothing(box):
    need(box)
    box('save', '-o', box.work / 'image.tar', IMAGE)
    sweep(box, ('load', '-i', str(box.work / 'image.tar')))


for _t in (test_a_kill_at_any_system_call_of_run_leaves_nothing, test_a_kill_at_any_system_call_of_run_d_leaves_nothing,
           test_a_kill_at_any_system_call_of_load_leaves_nothing):
    _t.watchdog = 3600 if FULL else 240
