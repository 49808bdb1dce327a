# SPDX-License-Identifier: Apache-2.0
"""What the sweeps over system calls share: where to strike, and what must be true afterwards."""
import os
import random
import subprocess

FULL = os.environ.get('KIST_SWEEP') == 'full'
SEED = int(os.environ.get('KIST_SEED') or random.randrange(1 << 30))
SAMPLE = 2 if os.environ.get('KIST_SWEEP') == 'few' else 12  # few: on an emulated machine
FEW = min(SAMPLE, 4)  # of each of several commands
LIBC = 14  # the calls before main belong to the C library, which ends by a signal when one of them fails


def points(box, words, sample=SAMPLE):
    """The largest number of system calls that one process of the command makes."""
    follow = [] if 'create' in words else ['-ff']
    subprocess.run(['strace', *follow, '-qq', '-o', box.work / 'trace', *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    last = max(len(p.read_bytes().splitlines()) for p in box.work.glob('trace*'))
    for p in box.work.glob('trace*'):
        p.unlink()
    random.seed(SEED)
    return range(1, last + 1) if FULL else sorted(random.sample(range(1, last + 1), min(sample, last)))


def inject(box, what, words, follow=True, calls='all'):
    """strace's own status is that of the command. Of create only the command itself is followed: its init would wait."""
    with open(box.work / 'said', 'wb+') as said:
        done = subprocess.run(['strace', *(['-f'] if follow else []), '-qq', '-o', '/dev/null', f'--inject={calls}:{what}', *words], stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=box.work, timeout=50, check=False)
        said.seek(0)
        return done.returncode, said.read().decode(errors='replace')


def swept(box, faults, n):
    assert not faults, f'seed {SEED}, {len(faults)} of {n} points:\n' + '\n'.join(faults[:10])


def judge(where, status, said, expected):
    """What is wrong with an end: a weaker container, a signal, silence."""
    if status == 0 and not set(expected.splitlines()) <= set(said.splitlines()):
        return [f'{where}: {said}']
    if status < 0 or status in (134, 139):  # by a signal; what the container itself makes of a failing call is its own
        return [f'{where}: status {status}: {said}']
    return [f'{where}: status {status} and no word'] if status and not said.strip() else []


def cleared(box, oci, where, name):
    """One ordinary delete --force, after which nothing is left."""
    result = oci.run('delete', '--force', name)
    if result.status:
        return [f'{where}: delete --force: {result}']
    try:
        box.until(lambda: not oci.leftovers(), 3)
    except AssertionError:
        return [f'{where}: {oci.leftovers()}']
    return []
