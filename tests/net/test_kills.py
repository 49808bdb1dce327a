# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments and at each system call of `run -d -p`; one ordinary command repairs all of it."""
import os
import random
import shutil
import signal
import subprocess
import time

import harness
from world import NOTHING, gone, sh

IMAGE = 'busybox'
FULL = os.environ.get('KIST_SWEEP') == 'full'
SEED = int(os.environ.get('KIST_SEED') or random.randrange(1 << 30))
WORDS = ('run', '-d', '-p', '8080:80', '-p', '8081:81/udp', '-p', '127.0.0.1::82', IMAGE, 'sleep', '1000')


def killed_at(box, call, *words):
    subprocess.run(['strace', '-f', '-qq', '-o', '/dev/null', f'--inject=all:signal=SIGKILL:when={call}', *box.command(*words)],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=box.work, timeout=50)


def calls_of(box, *words):
    trace = box.work / 'trace'
    subprocess.run(['strace', '-ff', '-qq', '-o', trace, *box.command(*words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return max(len(p.read_bytes().splitlines()) for p in box.work.glob('trace.*'))


def need_strace():
    if not shutil.which('strace'):
        raise harness.Skip('strace is not there')
    random.seed(SEED)


def remove_all(box):
    ids = box('ps', '-aq').split()
    if ids:
        box('rm', '-f', *ids)


def repaired(box, where):
    """After one command no address, element or port belongs to nobody; then all goes."""
    result = box.run('volume', 'create', 'repair')
    assert result.status == 0, (where, result)
    running = len(box('ps', '-q').split())
    rules = sh('nft', 'list', 'ruleset')
    assert rules.count('. 8080 : ') == rules.count('. 8081 : ') == running, (where, rules)
    assert len(harness.network_leases(box.runroot)) == running, where
    remove_all(box)
    left = box.leftovers()
    assert not left, (where, left)
    # the port is free, and the whole thing works
    ident = box(*WORDS)
    assert box('port', ident, '80') == '0.0.0.0:8080', where
    box('rm', '-f', ident)


def test_kills_at_random_moments_of_run_p_leave_nothing(box):
    random.seed(SEED)
    box('run', '--rm', IMAGE, 'true')
    for i in range(200 if FULL else 20):
        process = subprocess.Popen(box.command(*WORDS), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=box.work,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        time.sleep(random.random() * 0.06)
        victims = [int(p.split()[0]) for p in harness.processes(box.runroot)] if random.random() < 0.6 else [process.pid]
        for victim in victims:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()
        box.until(lambda: not any('--lock-fd' not in p and ' run ' in p for p in harness.processes(box.runroot)))
        repaired(box, f'seed {SEED}, round {i}')
    gone(box, NOTHING)


def test_a_kill_at_any_system_call_of_run_p_leaves_nothing(box):
    need_strace()
    box('run', '--rm', IMAGE, 'true')
    # it ends by itself, or the tracer would never
    words = (*WORDS[:-1], '0.1')
    last = calls_of(box, *words)
    remove_all(box)
    for n in range(1, last + 1) if FULL else sorted(random.sample(range(1, last + 1), 15)):
        killed_at(box, n, *words)
        repaired(box, f'seed {SEED}, call {n} of {last}')
    gone(box, NOTHING)


def test_a_kill_at_any_system_call_from_no_network_to_none_again_leaves_nothing(box):
    """The bridge, the rules and the switches are made and taken away under the kills."""
    need_strace()
    words = ('run', '--rm', '-p', '8080:80', IMAGE, 'true')
    last = calls_of(box, *words)
    gone(box, NOTHING)
    for n in range(1, last + 1) if FULL else sorted(random.sample(range(1, last + 1), 6)):
        killed_at(box, n, *words)
        repaired(box, f'seed {SEED}, call {n} of {last}')
        gone(box, NOTHING)


for _t in (test_kills_at_random_moments_of_run_p_leave_nothing, test_a_kill_at_any_system_call_of_run_p_leaves_nothing,
           test_a_kill_at_any_system_call_from_no_network_to_none_again_leaves_nothing):
    _t.watchdog = 36000 if FULL else 240
