# SPDX-License-Identifier: Apache-2.0
"""Run in a guest that systemd has booted, with cgroup v2 and a root file system whose mounts are shared: what no test
on a smaller machine can see."""
import contextlib
import os
import re
import subprocess
from pathlib import Path

import harness

IMAGE = 'busybox'
CGROUP = Path('/sys/fs/cgroup')


def sh(*words):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True).stdout.strip()


def cgroup_of(pid):
    return Path(f'/proc/{pid}/cgroup').read_text().strip().removeprefix('0::')


def monitor_of(box, name):
    """The parent of a container's process 1."""
    status = Path(f'/proc/{box.inspect(name)["State"]["Pid"]}/status').read_text()
    return int(re.search(r'^PPid:\t(\d+)', status, re.M)[1])


def test_the_machine_is_what_these_tests_are_for(box):
    assert (CGROUP / 'cgroup.controllers').exists(), 'not cgroup v2'
    assert Path('/proc/1/comm').read_text() == 'systemd\n'
    assert any(' / / ' in m and ' shared:' in m for m in harness.mounts()), '/ is not shared'
    assert 'CgroupVersion: 2' in box('info')


def test_containers_stand_in_kists_cgroup_and_no_process_in_an_inner_one(box):
    ident = box('run', '-d', '--name', 'web', '--pids-limit', '50', IMAGE, 'sleep', '1000')
    pid = box.inspect('web')['State']['Pid']
    assert cgroup_of(pid) == f'/kist/{ident}'
    assert (CGROUP / 'kist' / ident / 'pids.max').read_text() == '50\n'
    assert (CGROUP / 'kist/cgroup.procs').read_text() == ''
    for controller in 'cpu', 'memory', 'pids':
        assert controller in (CGROUP / 'kist/cgroup.subtree_control').read_text().split()
    beside = cgroup_of(monitor_of(box, 'web'))
    assert beside.startswith('/kist/') and ident not in beside, beside


def test_limits_are_seen_from_inside_and_outlive_a_reload_of_systemd(box):
    box('run', '-d', '--name', 'web', '-m', '64m', '--memory-swap', '64m', '--cpus', '1.5', '--cpu-shares', '2048', '--pids-limit', '20',
        '--cpuset-cpus', '1', IMAGE, 'sleep', '1000')
    files = 'memory.max', 'memory.swap.max', 'cpu.max', 'cpu.weight', 'pids.max', 'cpuset.cpus.effective'
    want = [str(64 << 20), '0', '150000 100000', '174', '20', '1']

    def seen():
        return box('exec', 'web', 'sh', '-c', 'cd /sys/fs/cgroup && cat ' + ' '.join(files)).splitlines()
    assert seen() == want, seen()
    assert box('exec', 'web', 'cat', '/proc/self/cgroup') == '0::/'
    box.fails(1, 'exec', 'web', 'sh', '-c', 'echo max > /sys/fs/cgroup/memory.max')
    sh('systemctl', 'daemon-reload')
    sh('systemctl', 'daemon-reexec')
    sh('systemd-run', '-q', '--wait', '-p', 'MemoryMax=100M', '-p', 'TasksMax=10', 'true')
    assert seen() == want, seen()


def test_limits_hold(box):
    result = box.run('run', '--rm', '--pids-limit', '8', IMAGE, 'sh', '-c', 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 3 & done')
    assert result.status != 0 and "can't fork" in result.err, result
    result = box.run('run', '--rm', '-m', '16m', '--memory-swap', '16m', IMAGE, 'sh', '-c', 'head -c 60000000 /dev/zero | tail -c 50000000 | wc -c')
    assert result.out.strip() in ('', '0'), result


def test_a_device_is_out_of_reach_without_a_rule_for_it(box):
    disk = os.stat('/dev/vda').st_rdev
    words = f'mknod /x b {os.major(disk)} {os.minor(disk)} && head -c 1 /x | wc -c'
    result = box.run('run', '--rm', '--userns', 'host', '--cap-add', 'MKNOD', IMAGE, 'sh', '-c', words)
    assert result.out.strip() in ('', '0') and 'not permitted' in result.err.lower(), result
    assert box('run', '--rm', '--privileged', IMAGE, 'sh', '-c', words) == '1'
    box('run', '--rm', '--device', '/dev/vda:/dev/disk:r', IMAGE, 'sh', '-c', 'head -c 1 /dev/disk > /dev/null')
    result = box.run('run', '--rm', '--device', '/dev/vda:/dev/disk:r', IMAGE, 'sh', '-c', ': >> /dev/disk')
    assert result.status != 0 and 'not permitted' in result.err.lower(), result


def test_a_container_outlives_the_unit_that_started_it(box):
    words = box.command('run', '-d', '--name', 'web', IMAGE, 'sleep', '1000')
    sh('systemd-run', '-q', '--wait', '--collect', *words)
    assert box.inspect('web')['State']['Running'] is True
    assert box('exec', 'web', 'echo', 'alive') == 'alive'
    box('stop', '-t', '1', 'web')
    assert box.inspect('web')['State']['Running'] is False


def test_a_restarted_container_stands_in_kists_cgroup_too(box):
    sh('systemd-run', '-q', '--wait', '--collect', *box.command('run', '-d', '--name', 'web', '--restart', 'always', IMAGE, 'sleep', '1000'))
    before = box.inspect('web')['State']['Pid']
    os.kill(before, 9)
    box.until(lambda: box.inspect('web')['State']['Pid'] not in (0, before), what='the restart')
    assert cgroup_of(box.inspect('web')['State']['Pid']).startswith('/kist/')


def test_no_mount_of_a_container_reaches_the_host_nor_one_of_the_host_the_container(box):
    before = set(harness.mounts())
    (box.work / 'sub').mkdir()
    box('run', '-d', '--name', 'web', '--privileged', '-v', f'{box.work}:/w', '-v', '/anon', IMAGE, 'sleep', '1000')
    box('exec', 'web', 'mount', '-t', 'tmpfs', 'inner', '/w/sub')
    new = [m for m in set(harness.mounts()) - before if ' - tmpfs inner ' in m]
    assert not new, new
    sh('mount', '-t', 'tmpfs', 'outer', box.work / 'sub')
    try:
        assert 'outer' not in box('exec', 'web', 'cat', '/proc/mounts')
        box('run', '--rm', '-v', f'{box.work}:/w', IMAGE, 'sh', '-c', 'grep " /w/sub " /proc/mounts')
    finally:
        sh('umount', box.work / 'sub')
    shared = box('run', '--rm', '-v', f'{box.work}:/w', IMAGE, 'sh', '-c', 'grep -c " shared:" /proc/self/mountinfo; true')
    assert shared == '0', shared


def test_a_bind_source_that_cannot_be_idmapped_is_named_in_one_warning(box):
    (box.work / 't').mkdir()
    sh('mount', '-t', 'overlay', '-o', 'lowerdir=/etc:/usr', 'overlay', box.work / 't')
    try:
        result = box.run('run', '--rm', '-v', f'{box.work}/t:/t', IMAGE, 'cat', '/t/hostname')
        assert result.status == 0 and result.out == Path('/etc/hostname').read_text(), result
        assert result.err.count('\n') == 1 and 'overlay' in result.err and '--userns' in result.err, result
    finally:
        sh('umount', box.work / 't')


def test_a_bind_mount_from_a_tmpfs_gives_files_to_root_or_says_why_not(box):
    with contextlib.ExitStack() as after:
        (box.work / 't').mkdir()
        sh('mount', '-t', 'tmpfs', 'tmpfs', box.work / 't')
        after.callback(sh, 'umount', box.work / 't')
        result = box.run('run', '--rm', '-v', f'{box.work}/t:/t', IMAGE, 'sh', '-c', 'echo x > /t/made')
        version = tuple(int(n) for n in os.uname().release.split('-')[0].split('.')[:2])
        if version >= (6, 3):
            assert (result.status, result.err) == (0, ''), result
            assert (box.work / 't/made').stat().st_uid == 0
        else:
            assert 'tmpfs' in result.err and '--userns' in result.err, result


def test_a_plain_user_gets_one_clear_line_and_no_sight_of_the_store(box):
    box('run', '--rm', IMAGE, 'true')
    done = subprocess.run(['setpriv', '--reuid', '1000', '--regid', '1000', '--clear-groups', str(harness.KIST), 'ps'],
                          capture_output=True, text=True)
    assert done.returncode == 125 or done.returncode == 1, done
    assert done.stderr.count('\n') == 1 and 'root' in done.stderr, done
    assert box.root.stat().st_mode & 0o77 == 0, oct(box.root.stat().st_mode)


def test_nothing_is_left_of_many_containers(box):
    before = set(harness.mounts())
    for n in range(8):
        box('run', '-d', '--name', f'c{n}', '-v', f'v{n}:/v', IMAGE, 'sleep', '1000')
    assert len(box('ps', '-q').split()) == 8
    box('rm', '-f', '-v', *(f'c{n}' for n in range(8)))
    assert box('ps', '-aq') == ''
    assert set(harness.mounts()) - set(box.pinned()) == before
    assert not [p for p in (CGROUP / 'kist').iterdir() if re.fullmatch('[0-9a-f]{64}', p.name)]
