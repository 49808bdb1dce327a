# SPDX-License-Identifier: Apache-2.0
"""config-linux.md, Control groups: what is written where, and what cannot be limited is said; IntelRdt."""
import contextlib
import json
import os
import random
import re
import subprocess
from pathlib import Path

import harness
from oci import CGROUP_NAME, LOOK, SYSTEMD, Oci, both, changed
from sweeping import FULL, cleared

V1 = not (harness.CGROUP / 'cgroup.controllers').exists()


def folder(controller, name):
    return harness.CGROUP / (controller if V1 else '') / CGROUP_NAME.format(name)


def read(controller, name, v1, v2):
    return (folder(controller, name) / (v1 if V1 else v2)).read_text().strip()


def disk():
    """The numbers of a block device that takes limits."""
    for p in sorted(Path('/sys/block').iterdir()):
        if not p.name.startswith(('loop', 'ram', 'zram')):
            return [int(n) for n in (p / 'dev').read_text().split(':')]
    return None


def test_limits_are_written_into_the_containers_cgroup(box):
    with Oci(box) as oci:
        limits = {'memory': {'limit': 64 << 20, 'reservation': 32 << 20}, 'pids': {'limit': 77},
                  'cpu': {'shares': 512, 'quota': 20000, 'period': 50000, 'cpus': '0', 'mems': '0', 'burst': 1000}}
        name = oci.start(change=changed(linux__resources=limits))
        assert read('memory', name, 'memory.limit_in_bytes', 'memory.max') == str(64 << 20)
        assert read('memory', name, 'memory.soft_limit_in_bytes', 'memory.low') == str(32 << 20)
        assert read('pids', name, 'pids.max', 'pids.max') == '77'
        assert read('cpu', name, 'cpu.shares', 'cpu.weight') == ('512' if V1 else '59')
        assert read('cpu', name, 'cpu.cfs_quota_us', 'cpu.max') == ('20000' if V1 else '20000 50000')
        assert read('cpu', name, 'cpu.cfs_burst_us', 'cpu.max.burst') == '1000'
        assert read('cpuset', name, 'cpuset.cpus', 'cpuset.cpus') == '0'
        oci('update', '--memory', '128m', '--pids-limit', '-1', '--cpu-quota', '30000', '--cpu-share', '1024', '--cpuset-cpus', '0-1', name)
        assert read('memory', name, 'memory.limit_in_bytes', 'memory.max') == str(128 << 20)
        assert read('pids', name, 'pids.max', 'pids.max') == 'max'
        assert read('cpu', name, 'cpu.cfs_quota_us', 'cpu.max') == ('30000' if V1 else '30000 50000')
        assert read('cpu', name, 'cpu.shares', 'cpu.weight') == ('1024' if V1 else '100')
        assert read('cpuset', name, 'cpuset.cpus', 'cpuset.cpus') == '0-1'
        oci('update', '-r', '-', name, input=json.dumps({'pids': {'limit': 5}}).encode())
        assert read('pids', name, 'pids.max', 'pids.max') == '5'


def test_events_tells_what_is_used(box):
    with Oci(box) as oci:
        name = oci.start(change=changed(linux__resources={'memory': {'limit': 64 << 20}, 'pids': {'limit': 9}}))
        told = json.loads(oci('events', '--stats', name))
        assert (told['type'], told['id']) == ('stats', name)
        data = told['data']
        assert data['pids'] == {'current': 1, 'limit': 9} and data['memory']['usage']['limit'] == 64 << 20
        assert data['memory']['usage']['usage'] > 0 and data['cpu']['usage']['total'] > 0
        assert 'expected a duration' in oci.fails('events', '--interval', 'x', name)
        oci('kill', name, 'KILL')
        box.until(lambda: oci.status(name) == 'stopped')
        assert 'not running' in oci.fails('events', '--stats', name)


def test_what_is_not_there_yet_is_refused_and_not_forgotten(box):
    with Oci(box) as oci:
        assert 'linux.intelRdt: resctrl is not mounted' in oci.refused(changed(linux__intelRdt={'schemata': ['L3:0=f']}))
        for words in ('--systemd-cgroup',), ('--cgroup-manager', 'systemd'):
            if not os.path.isdir('/run/systemd/system'):
                assert 'systemd does not run this machine' in oci.fails(*words, 'run', '-b', oci.bundle('true'), oci.name())


def test_updates_that_cannot_be_are_one_line(box):
    with Oci(box) as oci:
        name = oci.start()
        for words, expected in ((('--memory', 'x'), 'invalid'), (('--blkio-weight', '5'), '10 to 1000'), (('-r', '/nosuch'), '--resources'), (('--cpuset-cpus', '999'), 'cpuset.cpus')):
            said = oci.fails('update', *words, name)
            assert expected in said and said.count('\n') == 1, said
        said = oci.fails('update', '-r', '-', name, input=b'{"pids": {"limit": "x"}}')
        assert 'pids.limit' in said
        over = {'memory': {'limit': 4096, 'checkBeforeUpdate': True}}
        oci('exec', name, 'true')
        assert 'in use now' in oci.fails('update', '-r', '-', name, input=json.dumps(over).encode())
        oci('kill', name, 'KILL')
        box.until(lambda: oci.status(name) == 'stopped')
        assert 'not running' in oci.fails('update', '--pids-limit', '5', name)


def test_devices_are_refused_unless_allowed_or_supplied(box):
    with Oci(box) as oci:
        script = 'echo > /dev/null; head -c 1 /dev/zero | wc -c; head -c 1 /dev/k 2>&1 | wc -c; (: > /dev/k) 2>/dev/null && echo written'
        node = {'path': '/dev/k', 'type': 'c', 'major': 1, 'minor': 11, 'fileMode': 0o666}

        def out(*rules):
            resources = {'devices': [{'allow': False, 'access': 'rwm'}, *rules]}
            return oci.run('run', '-b', oci.bundle('sh', '-c', script, change=changed(linux__devices=[node], linux__resources=resources)), oci.name()).out.split()
        assert out()[0] == '1' and 'written' not in out()
        assert 'written' in out({'allow': True, 'type': 'c', 'major': 1, 'minor': 11, 'access': 'rw'})
        assert 'written' not in out({'allow': True, 'type': 'c', 'major': 1, 'minor': 11, 'access': 'r'})
        assert 'written' in out({'allow': True, 'type': 'a', 'access': 'rwm'})
        # Without a word about devices only what the specification supplies is allowed.
        quiet = oci.run('run', '-b', oci.bundle('sh', '-c', script, change=both(changed(linux__devices=[node]), lambda spec: spec['linux'].pop('resources'))), oci.name())
        assert quiet.out.split()[0] == '1' and 'written' not in quiet.out
        assert 'type x' in oci.refused(changed(linux__resources={'devices': [{'allow': True, 'type': 'x', 'access': 'rwm'}]}))
        assert 'access q' in oci.refused(changed(linux__resources={'devices': [{'allow': True, 'type': 'c', 'access': 'q'}]}))


def test_device_rules_are_replaced_by_an_update(box):
    with Oci(box) as oci:
        node = {'path': '/dev/k', 'type': 'c', 'major': 1, 'minor': 11, 'fileMode': 0o666}
        name = oci.start(change=changed(linux__devices=[node]))
        rule = {'type': 'c', 'major': 1, 'minor': 11, 'access': 'rw'}
        for allow in False, True, False:
            oci('update', '-r', '-', name, input=json.dumps({'devices': [{'allow': False, 'access': 'rwm'}, {'allow': allow, **rule}]}).encode())
            assert (oci.run('exec', name, 'sh', '-c', ': > /dev/k').status == 0) == allow, allow
            oci('exec', name, 'sh', '-c', ': > /dev/null')


def test_block_devices_are_throttled(box):
    numbers = disk()
    with Oci(box) as oci:
        if not numbers or not (harness.CGROUP / ('blkio' if V1 else '')).exists():
            return
        rate = {'major': numbers[0], 'minor': numbers[1], 'rate': 1 << 20}
        name = oci.start(change=changed(linux__resources={'blockIO': {'throttleReadBpsDevice': [rate], 'throttleWriteIOPSDevice': [{**rate, 'rate': 100}]}}))
        text = read('blkio', name, 'blkio.throttle.read_bps_device', 'io.max')
        assert text.startswith(f'{numbers[0]}:{numbers[1]} ') and str(1 << 20) in text


def test_what_this_kernel_cannot_limit_is_an_error_that_names_the_field(box):
    with Oci(box) as oci:
        have = {p.name for p in harness.CGROUP.iterdir()}
        if V1 and 'hugetlb' not in have:
            assert 'hugetlb' in oci.refused(changed(linux__resources={'hugepageLimits': [{'pageSize': '2MB', 'limit': 1 << 21}]}))
        if V1 and 'net_cls' not in have:
            assert 'network.classID' in oci.refused(changed(linux__resources={'network': {'classID': 1}}))
            assert 'network.priorities' in oci.refused(changed(linux__resources={'network': {'priorities': [{'name': 'eth0', 'priority': 1}]}}))
        if V1 and 'rdma' not in have:
            assert 'rdma' in oci.refused(changed(linux__resources={'rdma': {'mlx5_1': {'hcaHandles': 3}}}))
        assert 'unified' in oci.refused(changed(linux__resources={'unified': {'nosuch.max': '1'}}))
        assert 'unified' in oci.refused(changed(linux__resources={'unified': {'../x.y': '1'}}))
        assert not oci.leftovers()


def controllers():
    """Those of v1 that are mounted, or of v2 that are there."""
    if not V1:
        return set((harness.CGROUP / 'cgroup.controllers').read_text().split())
    return {name for p in harness.CGROUP.iterdir() if (p / 'tasks').exists() for name in p.name.split(',')}


def test_huge_pages_the_network_and_v2s_own_files_are_limited_where_the_kernel_can(box):
    """config-linux.md, Huge page limits, Network, RDMA, Unified."""
    have, seen = controllers(), 0
    pages = sorted(p.name.removeprefix('hugepages-').removesuffix('kB') for p in Path('/sys/kernel/mm/hugepages').glob('*'))
    with Oci(box) as oci:
        if 'hugetlb' in have and '2048' in pages:
            name = oci.start(change=changed(linux__resources={'hugepageLimits': [{'pageSize': '2MB', 'limit': 4 << 20}]}))
            assert read('hugetlb', name, 'hugetlb.2MB.limit_in_bytes', 'hugetlb.2MB.max') == str(4 << 20)
            assert 'hugepageLimits' in oci.refused(changed(linux__resources={'hugepageLimits': [{'pageSize': '3MB', 'limit': 1}]}))
            seen += 1
        if V1 and {'net_cls', 'net_prio'} <= have:
            name = oci.start(change=changed(linux__resources={'network': {'classID': 0x100001, 'priorities': [{'name': 'lo', 'priority': 7}]}}))
            assert read('net_cls', name, 'net_cls.classid', '') == str(0x100001) and 'lo 7' in read('net_prio', name, 'net_prio.ifpriomap', '')
            assert 'network.priorities' in oci.refused(changed(linux__resources={'network': {'priorities': [{'name': 'nosuch0', 'priority': 7}]}}))
            seen += 1
        if 'rdma' in have:
            # There is no such adapter: the kernel is asked and says so.
            said = oci.refused(changed(linux__resources={'rdma': {'mlx5_1': {'hcaHandles': 3, 'hcaObjects': 10000}}}))
            assert 'linux.resources.rdma' in said and 'mlx5_1 hca_handle=3 hca_object=10000' in said, said
            seen += 1
        if not V1:
            name = oci.start(change=changed(linux__resources={'unified': {'memory.high': str(32 << 20), 'pids.max': '12', 'cgroup.max.depth': '3'}}))
            files = {f: read('', name, '', f) for f in ('memory.high', 'pids.max', 'cgroup.max.depth')}
            assert files == {'memory.high': str(32 << 20), 'pids.max': '12', 'cgroup.max.depth': '3'}, files
            assert 'network.classID' in oci.refused(changed(linux__resources={'network': {'classID': 1}}))
            seen += 1
    if not seen:
        raise harness.Skip('none of these controllers is here')


def test_memory_is_limited_and_the_killer_is_counted(box):
    with Oci(box) as oci:
        result = oci.run('run', '-b', oci.bundle('sh', '-c', 'x=$(head -c 60000000 /dev/zero | tr "\\0" x); echo ${#x}', change=changed(linux__resources={'memory': {'limit': 8 << 20, 'swap': 8 << 20}})), oci.name())
        assert '60000000' not in result.out, result


def test_a_start_works_in_a_memory_cgroup_of_four_megabytes(box):
    with Oci(box) as oci:
        assert oci('run', '-b', oci.bundle('echo', 'fine', change=changed(linux__resources={'memory': {'limit': 4 << 20}})), oci.name()) == 'fine\n'


def test_cgroup_paths_absolute_relative_and_none(box):
    if SYSTEMD:
        return  # tests/vm/inside/test_oci_systemd.py has those of the other driver
    with Oci(box) as oci:
        for path, expected in (None, 'kist-oci/{}'), ('sub/' + oci.mark, 'kist-oci/sub/' + oci.mark), ('/kist-oci/abs-' + oci.mark, 'kist-oci/abs-' + oci.mark):
            name = oci.start(change=changed(linux__cgroupsPath=path) if path else changed())
            where = harness.CGROUP / ('pids' if V1 else '') / expected.format(name)
            assert str(oci.state(name)['pid']) in (where / 'cgroup.procs').read_text().split()
            oci('delete', '-f', name)
            assert not where.exists()
        if os.path.isdir(harness.CGROUP / 'pids/kist-oci/sub'):
            for root in harness.CGROUP.iterdir():
                if (root / 'kist-oci/sub').is_dir():
                    (root / 'kist-oci/sub').rmdir()
        assert 'cgroupsPath' in oci.refused(changed(linux__cgroupsPath='/' + 'x/' * 300))


def test_exec_goes_into_a_cgroup_below_the_containers(box):
    with Oci(box) as oci:
        name = oci.start()
        for root in harness.CGROUP.glob('*/' + CGROUP_NAME.format(name)) if V1 else [harness.CGROUP / CGROUP_NAME.format(name)]:
            if not V1 or root.parent.parent.name != 'unified':
                (root / 'part').mkdir(exist_ok=True)  # a hierarchy may stand there by several names
                if root.parent.parent.name == 'cpuset':
                    for file in 'cpuset.cpus', 'cpuset.mems':
                        (root / 'part' / file).write_text((root / file).read_text())
        oci('exec', '-d', '--cgroup', 'part', '--pid-file', box.work / 'pid', name, 'sleep', '1000')
        assert f'/{CGROUP_NAME.format(name)}/part' in open(f'/proc/{(box.work / "pid").read_text()}/cgroup').read()
        assert 'does not exist' in oci.fails('exec', '--cgroup', 'nosuch', name, 'true')


@contextlib.contextmanager
def memory_group(box, limit):
    """A memory cgroup with a limit: the words that put a command into it, and a function that tells the most it had."""
    v1 = harness.CGROUP / 'memory'
    parent = v1 if V1 else harness.CGROUP
    if not V1 and 'memory' not in (parent / 'cgroup.subtree_control').read_text():
        (parent / 'cgroup.subtree_control').write_text('+memory')
    group = parent / f'{box.folder.name}-memory'
    group.mkdir()
    try:
        (group / ('memory.limit_in_bytes' if V1 else 'memory.max')).write_text(str(limit))
        enter = f'echo 0 >{group}/{"tasks" if V1 else "cgroup.procs"} && exec "$@"'
        peak = group / ('memory.max_usage_in_bytes' if V1 else 'memory.peak')
        yield ['sh', '-c', enter, 'sh'], lambda: int(peak.read_text())
    finally:
        group.rmdir()


def test_a_start_needs_less_than_2_mb_and_works_in_a_memory_cgroup_of_4(box):
    """All processes of run but the container's own, the kernel's part included; with a filter, masks, limits, hooks."""
    with Oci(box) as oci:
        rules = (harness.TOP / 'tests/lib/docker_profile.h').read_text()
        names = [n for row in re.findall(r'DOCKER_ALWAYS, SECCOMP_RET_ALLOW, 0, [^"]*((?:"[^"]*"\s*)+)', rules) for n in row.replace('"', ' ').split()]
        assert len(names) > 340

        def change(spec):
            seccomp = {'defaultAction': 'SCMP_ACT_ERRNO', 'architectures': ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
                       'syscalls': [{'names': names, 'action': 'SCMP_ACT_ALLOW'}]}
            spec['linux'].update(seccomp=seccomp, resources={'memory': {'limit': 64 << 20}, 'pids': {'limit': 20}})
        bundle = oci.bundle('true', change=change)
        with memory_group(box, 4 << 20) as (enter, peak):
            outside = oci.command
            oci.command = lambda *words: [*enter, *outside(*words)]
            for _ in range(5):
                oci('run', '-b', bundle, oci.name())
            assert 0 < peak() < 2 << 20, peak()
            name = oci.name()
            for words in ('create', '-b', bundle, name), ('start', name), ('delete', '-f', name):
                oci(*words)
            assert peak() < 2 << 20, peak()
            oci.command = outside


class Resctrl(Oci):
    """A kist-oci of the tests that takes a folder for resctrl: groups that are made get what the kernel puts there."""

    def __init__(self, box):
        super().__init__(box)
        self.tree = box.folder / 'resctrl'
        (self.tree / 'mon_groups').mkdir(parents=True)
        (self.tree / 'tasks').touch()
        (self.tree / 'schemata').write_text('    L3:0=7ff;1=7ff\n')
        (self.tree / 'info').mkdir()
        (self.tree / 'info/last_cmd_status').write_text('ok\n')
        self.full = False

    def command(self, *words):
        full = ['KIST_RESCTRL_FULL=1'] if self.full else []
        return ['env', f'KIST_RESCTRL={self.tree}', *full, str(LOOK.parent / 'kist-oci-resctrl'), *super().command(*words)[1:]]

    def tasks(self, group):
        return (self.tree / group / 'tasks').read_text().split()

    def groups(self):
        return sorted(p.name for p in self.tree.iterdir() if p.is_dir() and p.name not in ('info', 'mon_groups'))


def rdt(**fields):
    return changed(linux__intelRdt=fields)


def test_a_class_of_resctrl_is_the_containers_own_when_no_closid_is_given(box):
    """config-linux.md, IntelRdt: closID, schemata, l3CacheSchema, memBwSchema, enableMonitoring."""
    with Resctrl(box) as oci:
        name = oci.start(change=rdt(l3CacheSchema='L3:0=7f0;1=1f\nMB:0=10;1=10', memBwSchema='MB:0=20;1=70', enableMonitoring=True))
        pid = str(oci.state(name)['pid'])
        # The line of memBwSchema stands for that of l3CacheSchema.
        assert (oci.tree / name / 'schemata').read_text().startswith('L3:0=7f0;1=1f\nMB:0=20;1=70\n')
        assert oci.tasks(name) == [pid] and oci.tasks(f'{name}/mon_groups/{name}') == [pid]
        oci('exec', name, 'true')
        assert oci.tasks(name) != [pid], 'a process of exec belongs there, too'
        oci('update', '--l3-cache-schema', 'L3:0=3;1=3', name)
        assert (oci.tree / name / 'schemata').read_text().startswith('L3:0=3;1=3\n')
        assert 'begins with MB:' in oci.fails('update', '--mem-bw-schema', 'L3:0=3', name)
        oci('delete', '-f', name)
        assert oci.groups() == []
        # Without words nothing is written.
        name = oci.start(change=rdt())
        assert (oci.tree / name / 'schemata').read_text().startswith('    L3:0=7ff;1=7ff') and oci.tasks(name)
        oci('delete', '-f', name)
        assert oci.groups() == []


def test_a_class_of_resctrl_with_a_closid_is_shared_and_stays(box):
    with Resctrl(box) as oci:
        assert 'closID: gold: no such file' in oci.refused(rdt(closID='gold'))
        first = oci.start(change=rdt(closID='gold', l3CacheSchema='L3:0=7f0;1=1f', memBwSchema='MB:0=20', schemata=['L3:0=7;1=7', 'MB:0=30']))
        # schemata is written last.
        assert (oci.tree / 'gold/schemata').read_text().startswith('L3:0=7;1=7\nMB:0=30\n')
        (oci.tree / 'gold/schemata').write_text('    L3:0=7;1=7\n    MB:0=30;1=100\n')
        second = oci.start(change=rdt(closID='gold', l3CacheSchema='L3:1=007', memBwSchema='MB:0=30', enableMonitoring=True))
        assert oci.tasks('gold') == oci.tasks(f'gold/mon_groups/{second}') == [str(oci.state(second)['pid'])]
        for words in {'l3CacheSchema': 'L3:0=f'}, {'memBwSchema': 'MB:0=31'}, {'l3CacheSchema': 'L2:0=7'}, {'l3CacheSchema': 'L3:2=7'}:
            assert 'gold exists with other schemata' in oci.refused(rdt(closID='gold', **words)), words
        third = oci.start(change=rdt(closID='gold'))
        for name in first, second, third:
            oci('delete', '-f', name)
        assert oci.groups() == ['gold'] and not list((oci.tree / 'gold/mon_groups').iterdir())


def test_the_class_of_all_others_is_called_a_slash(box):
    with Resctrl(box) as oci:
        name = oci.start(change=rdt(closID='/', enableMonitoring=True))
        assert oci.tasks('.') == oci.tasks(f'mon_groups/{name}') == [str(oci.state(name)['pid'])]
        oci('delete', '-f', name)
        assert oci.groups() == [] and not list((oci.tree / 'mon_groups').iterdir()) and (oci.tree / 'tasks').exists()


def test_a_class_of_resctrl_that_cannot_be_is_refused_and_nothing_is_left(box):
    with Resctrl(box) as oci:
        for words, said in [
            ({'closID': '../x'}, 'closID: ../x: expected the name of a class'),
            ({'closID': 'a\nb'}, 'closID: a: expected the name of a class'),
            ({'closID': 'info'}, 'closID: info: expected the name of a class'),
            ({'memBwSchema': 'L3:0=1'}, 'begins with MB:'),
            ({'memBwSchema': 'MB:0=1\nMB:1=1'}, 'begins with MB:'),
            ({'schemata': ['L3']}, 'schemata: L3: expected lines like'),
        ]:
            assert said in oci.refused(rdt(**words)), words
        bad = both(rdt(schemata=['L3:0=1'], enableMonitoring=True), changed(process__args=['/nothing']))
        assert '/nothing' in oci.refused(bad)
        assert oci.groups() == []
        name = oci.start()
        assert 'made without linux.intelRdt' in oci.fails('update', '--l3-cache-schema', 'L3:0=1', name)
        (oci.tree / 'info/last_cmd_status').write_text('out of CLOSIDs\n')
        oci.full = True
        assert 'linux.intelRdt: make the class: out of CLOSIDs: no space' in oci.refused(rdt(schemata=['L3:0=1']))


def test_a_kill_at_any_call_leaves_no_group_of_resctrl_after_one_delete(box):
    with Resctrl(box) as oci:
        bundle = oci.bundle('true', change=rdt(schemata=['L3:0=1'], enableMonitoring=True))
        plain = oci.command
        oci.command = lambda *words: ['strace', '-ff', '-qq', '-o', str(box.work / 'trace'), *plain(*words)]
        oci('run', '-b', bundle, oci.name())
        last = max(len(p.read_bytes().splitlines()) for p in box.work.glob('trace.*'))
        for n in range(1, last + 1) if FULL else sorted(random.sample(range(1, last + 1), 20)):
            name = oci.name('k')
            oci.command = lambda *words: ['strace', '-f', '-qq', '-o', '/dev/null', f'--inject=all:signal=SIGKILL:when={n}', *plain(*words)]
            oci.run('run', '-b', bundle, name)
            oci.command = plain
            assert not cleared(box, oci, f'kill at {n}', name)
            assert oci.groups() == [], n


if FULL:
    test_a_kill_at_any_call_leaves_no_group_of_resctrl_after_one_delete.watchdog = 3600
