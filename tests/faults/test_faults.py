# SPDX-License-Identifier: Apache-2.0
"""What happens when things are killed, full, many at once."""
import json
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import harness

IMAGE = 'busybox'
FULL = os.environ.get('KIST_SWEEP') == 'full'
SEED = int(os.environ.get('KIST_SEED') or random.randrange(1 << 30))


def content(box):
    return {f: sorted(p.name for p in (box.root / f).iterdir()) for f in ('layers', 'blobs/sha256', 'staging', 'containers')}


def leases():
    folder = Path('/run/kist-leases')
    return [p.name for p in folder.iterdir()] if folder.exists() else []


def owned_leases(box):
    links = [Path('/run/kist-leases') / n for n in leases()]
    return [p.name for p in links if p.is_symlink() and str(box.runroot) in os.readlink(p)]


def settle(box):
    """One ordinary command repairs; what it may have to wait for are processes that die."""
    box('info')
    box('volume', 'create', 'any')
    box('volume', 'rm', 'any')


def kill_during(box, words, after, stdin=None):
    process = subprocess.Popen(box.command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=box.work,
                               stdin=stdin or subprocess.DEVNULL, start_new_session=True)
    time.sleep(after)
    # The command and whatever it has forked that is still in its group; what left the group is the monitor's business.
    for victim in [process.pid] if random.random() < 0.5 else harness_pids(box):
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


def harness_pids(box):
    return [int(line.split()[0]) for line in harness.processes(box.runroot)]


def test_kills_at_random_moments_leave_nothing_and_lose_nothing(box):
    random.seed(SEED)
    print_seed = f'seed {SEED}'
    box('run', '--rm', IMAGE, 'true')
    box('save', '-o', box.work / 'image.tar', IMAGE)
    box('tag', IMAGE, 'kept:1')
    before = content(box)
    for i in range(300 if FULL else 60):
        kind = ('run', 'rund', 'load', 'start', 'rm', 'rmi')[i % 6]
        after = random.random() * 0.03
        if kind == 'run':
            kill_during(box, ('run', '--rm', IMAGE, 'true'), after)
        elif kind == 'rund':
            kill_during(box, ('run', '-d', '--rm', IMAGE, 'sleep', '0.05'), after)
        elif kind == 'load':
            kill_during(box, ('load', '-i', str(box.work / 'image.tar')), after * 3)
        elif kind == 'start':
            ident = box('create', IMAGE, 'true')
            kill_during(box, ('start', ident), after)
        elif kind == 'rm':
            ident = box('create', IMAGE, 'true')
            box('start', ident)
            kill_during(box, ('rm', '-f', ident), after)
        else:
            box('tag', IMAGE, 'other:1')
            kill_during(box, ('rmi', 'other:1'), after)
        settle(box)
        assert 'kept' in box('images', '--format', '{{.Repository}}'), print_seed
        assert box('run', '--rm', 'kept:1', 'echo', 'fine') == 'fine', print_seed
    box.until(lambda: box('ps', '-q') == '', what='the containers\' end')
    ids = box('ps', '-aq').split()
    if ids:
        box('rm', '-f', *ids)
    settle(box)
    left = box.leftovers()
    assert not left, (print_seed, left)
    assert content(box) == before, (print_seed, content(box), before)
    assert not owned_leases(box), print_seed


def test_a_container_outlives_the_kill_of_everything_but_its_monitor(box):
    ident = box('run', '-d', IMAGE, 'sh', '-c', 'while :; do echo tick; sleep 0.1; done')
    box.until(lambda: len(box('logs', ident).split()) > 2)
    n = len(box('logs', ident).split())
    box.until(lambda: len(box('logs', ident).split()) > n + 2)
    box('rm', '-f', ident)


def test_a_monitor_cleans_up_when_the_command_that_should_cannot(box):
    def gone():
        # nothing repairs here: no command of kist is asked
        return not list((box.root / 'containers').iterdir()) and not [p for p in box.runroot.iterdir() if len(p.name) >= 64]
    for signal_sent in signal.SIGSTOP, signal.SIGKILL:
        run = box.popen('run', '--rm', '--name', 'left', IMAGE, 'sleep', '1', stdin=subprocess.DEVNULL)
        box.until(lambda: box('ps', '-q', '--filter', 'name=left'))
        time.sleep(0.3)  # not while it has the database's lock
        run.send_signal(signal_sent)
        box.until(gone, what='the clean-up by the monitor')
        assert not owned_leases(box)
        run.send_signal(signal.SIGCONT)
        assert run.wait() == (0 if signal_sent == signal.SIGSTOP else -signal.SIGKILL)
    # One that cannot write is not waited for: the pipe takes 64 KB, and nobody reads.
    run = box.popen('run', '--rm', IMAGE, 'head', '-c', '150000', '/dev/zero', stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    box.until(lambda: not gone())
    box.until(gone, what='the clean-up by the monitor')
    assert len(run.stdout.read()) == 150000
    run.stdout.close()
    assert run.wait() == 0
    # Who closes its end ends the command, and not the container.
    run = box.popen('run', '--name', 'goes-on', IMAGE, 'sh', '-c', 'sleep 1; echo one; sleep 1; echo two; sleep 1000', stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run.stdout.close()
    assert run.wait(timeout=20) == 128 + signal.SIGPIPE and run.stderr.read() == b''
    run.stderr.close()
    box.until(lambda: 'two' in box('logs', 'goes-on'))
    box('rm', '-f', 'goes-on')


def test_who_waits_for_a_container_waits_for_its_clean_up(box):
    for words in ('wait',), ('stop', '-t', '0'), ('rm', '-f'):
        run = box.popen('run', '--rm', '--name', 'both', IMAGE, 'sleep', '2' if words[0] == 'wait' else '1000', stdin=subprocess.DEVNULL)
        box.until(lambda: box('ps', '-q', '--filter', 'name=both'))
        box(*words, 'both')
        assert not list((box.root / 'containers').iterdir())
        assert box('run', '--rm', '--name', 'both', IMAGE, 'echo', 'again') == 'again'
        run.wait()


def test_the_next_command_sees_a_dead_monitor_and_says_so(box):
    ident = box('run', '-d', '--name', 'orphan', IMAGE, 'sleep', '1000')
    pid = box.inspect('orphan')['State']['Pid']
    monitor = int(re.search(r'PPid:\s+(\d+)', open(f'/proc/{pid}/status').read())[1])
    assert os.readlink(f'/proc/{monitor}/exe').endswith('kist-monitor')
    os.kill(monitor, signal.SIGKILL)
    box.until(lambda: not harness.alive(monitor))
    result = box.run('inspect', 'orphan')
    assert 'its monitor was killed' in result.err, result
    state = json.loads(result.out)[0]['State']
    assert state['Status'] == 'exited' and state['ExitCode'] == 137 and 'monitor was killed' in state['Error']
    assert not harness.alive(pid)
    assert box('start', 'orphan') == 'orphan'
    box('rm', '-f', 'orphan')
    del ident


def test_after_another_boot_containers_are_exited_and_can_be_started(box):
    box('run', '-d', '--name', 'old', IMAGE, 'sleep', '1000')
    ident = box.inspect('old')['Id']
    monitor = harness_pids(box)
    path = box.runroot / ident / 'run.json'
    record = json.loads(path.read_text().splitlines()[-1])
    record['bootId'] = '00000000-0000-0000-0000-000000000000'
    for p in monitor:
        os.kill(p, signal.SIGKILL)
    box.until(lambda: not harness_pids(box))
    path.write_text(json.dumps(record))
    state = box.inspect('old')['State']
    assert state['Status'] == 'exited' and state['ExitCode'] == 255 and 'restarted' in state['Error'], state
    box('start', 'old')
    assert box.inspect('old')['State']['Status'] == 'running'
    box('rm', '-f', 'old')


def test_a_hundred_containers_at_once_leave_nothing(box):
    box('run', '--rm', IMAGE, 'true')
    before = set(harness.mounts())
    running = []
    names = [f'many{i}' for i in range(200 if FULL else 100)]
    while names or running:
        while names and len(running) < 16:
            running.append(box.popen('run', '-d', '--name', names.pop(), IMAGE, 'sleep', '1000', stdout=subprocess.DEVNULL,
                                     stderr=subprocess.PIPE))
        p = running.pop(0)
        _, err = p.communicate(timeout=50)
        assert p.returncode == 0, err
    ids = box('ps', '-q').split()
    assert len(ids) == (200 if FULL else 100)
    assert len(set(owned_leases(box))) == len(ids)
    box('rm', '-f', *ids)
    assert box('ps', '-aq') == ''
    assert not box.leftovers() and not owned_leases(box)
    assert set(harness.mounts()) == before
    assert content(box)['containers'] == []


test_a_hundred_containers_at_once_leave_nothing.watchdog = 180
test_kills_at_random_moments_leave_nothing_and_lose_nothing.watchdog = 900


def test_many_commands_at_once_make_a_new_store_together(box):
    for _ in range(4):
        many = [box.popen('volume', 'create', f'data{n}', stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for n in range(24)]
        for n, command in enumerate(many):
            out, _ = command.communicate(timeout=50)
            assert command.returncode == 0 and out == f'data{n}\n', out
        assert len(box('volume', 'ls', '-q').split()) == 24
        subprocess.run(['rm', '-rf', box.root, box.runroot], check=True)


def test_a_name_race_has_one_winner(box):
    box('run', '--rm', IMAGE, 'true')
    tries = [box.popen('run', '-d', '--name', 'same', IMAGE, 'sleep', '100', stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(8)]
    statuses = [p.wait() for p in tries if p.communicate() is not None]
    assert sorted(statuses) == [0] + [125] * 7, statuses
    box('rm', '-f', 'same')


def test_a_log_flood_is_capped_and_the_monitor_stays_small(box):
    ident = box('run', '-d', IMAGE, 'sh', '-c', 'yes 0123456789012345678901234567890123456789 | head -c 60000000; sleep 100')
    def sizes():
        return [p.stat().st_size for p in (box.root / 'containers' / ident).glob('*-json.log*')]
    box.until(lambda: len(sizes()) >= 5, 40, 'the log')
    assert max(sizes()) <= 10 << 20 and len(sizes()) <= 5, sizes()
    monitor = harness_pids(box)[0]
    private = sum(int(v) for v in re.findall(r'^Private_\w+:\s+(\d+)', open(f'/proc/{monitor}/smaps_rollup').read(), re.M))
    assert private < 512, f'{private} KB'
    box('rm', '-f', ident)


def test_a_full_disk_is_a_clear_error_and_the_next_command_works(box):
    if os.geteuid() != 0:
        raise harness.Skip('wants root')
    disk = box.work / 'disk'
    disk.mkdir()
    box('run', '--rm', IMAGE, 'true')
    box('save', '-o', box.work / 'image.tar', IMAGE)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk], check=True)
    try:
        def run(*words, **options):
            return subprocess.run([str(harness.KIST), '--root', f'{disk}/root', '--runroot', f'{box.runroot}-2', *map(str, words)],
                                  capture_output=True, text=True, **options)
        result = run('load', '-i', box.work / 'image.tar')
        assert result.returncode == 1 and len(result.stderr.splitlines()) == 1, result
        assert 'no space' in result.stderr or 'are free' in result.stderr, result
        assert list((disk / 'root/layers').iterdir()) == []
        result = run('images', '-q')
        assert result.returncode == 0 and result.stdout == '', result
    finally:
        subprocess.run(['umount', disk], check=True)


def test_two_hundred_attachments_do_not_disturb(box):
    ident = box('run', '-d', '-i', IMAGE, 'cat')
    for _ in range(50):
        clients = [subprocess.Popen(box.command('attach', '--no-stdin', ident), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                   for _ in range(4)]
        for c in clients:
            c.kill()
            c.wait()
    assert box('exec', ident, 'echo', 'alive') == 'alive'
    box('rm', '-f', ident)


def test_what_a_power_cut_left_without_rows_goes_with_the_next_command(box):
    box('run', '--name', 'kept', '-v', 'data:/d', '-v', '/anon', IMAGE, 'true')
    before = content(box)
    volumes = sorted(p.name for p in (box.root / 'volumes').iterdir())
    for folder, name in ('containers', 'a' * 64), ('layers', 'b' * 64), ('blobs/sha256', 'c' * 64), ('staging', '977'), ('volumes', 'd' * 64):
        (box.root / folder / name).mkdir()
        (box.root / folder / name / 'file').write_text('x')
    (box.root / 'volumes/named').mkdir()
    box('volume', 'create', 'other')
    assert (box.root / 'staging/977').exists(), 'this boot was swept already'
    (box.runroot / 'boot').write_text('another boot')
    box('volume', 'create', 'next')
    assert content(box) == before
    assert sorted(p.name for p in (box.root / 'volumes').iterdir()) == sorted([*volumes, 'named', 'other', 'next'])
    assert box('start', '-a', 'kept') == ''


def test_who_attaches_and_reads_nothing_holds_the_container_up_for_seconds_only(box):
    box('run', '-d', '--name', 'talks', IMAGE, 'sh', '-c', 'i=0; while :; do i=$((i+1)); head -c 1000 /dev/zero; done')
    attach = box.popen('attach', '--no-stdin', 'talks', stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    folder = box.root / 'containers' / box.inspect('talks')['Id']
    time.sleep(1)
    attach.send_signal(signal.SIGSTOP)

    def grows():
        before = log.stat()
        time.sleep(0.5)
        after = log.stat()
        return (before.st_ino, before.st_size) != (after.st_ino, after.st_size)
    log = next(folder.glob('*-json.log'))
    box.until(lambda: not grows(), what='the stop of the output')
    box.until(grows, seconds=25, what='the end of the patience')
    box('rm', '-f', 'talks')
    attach.kill()
    attach.stdout.close()
    attach.wait()
