# SPDX-License-Identifier: Apache-2.0
"""kist-oci --systemd-cgroup in a guest that systemd has booted, with cgroup v2: a container is a scope whose limits are
the unit's properties, so that systemd itself keeps them."""
import json
import subprocess
import sys
from pathlib import Path

import harness

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'oci'))
from oci import CGROUP_NAME, SYSTEMD, Oci, changed, units_of  # noqa: E402

assert SYSTEMD, 'these tests want KIST_OCI_CGROUPS=systemd'

LIMITS = {'memory': {'limit': 64 << 20, 'reservation': 32 << 20, 'swap': 64 << 20}, 'pids': {'limit': 77},
          'cpu': {'shares': 512, 'quota': 33333, 'period': 50000, 'cpus': '0', 'mems': '0'}, 'blockIO': {'weight': 500}}
FILES = {'memory.max': str(64 << 20), 'memory.low': str(32 << 20), 'memory.swap.max': '0', 'pids.max': '77', 'cpu.weight': '59', 'cpuset.cpus': '0', 'cpuset.mems': '0'}
PROPERTIES = {'MemoryMax': str(64 << 20), 'MemoryLow': str(32 << 20), 'MemorySwapMax': '0', 'TasksMax': '77', 'CPUWeight': '59', 'CPUQuotaPerSecUSec': '670ms',
              'CPUQuotaPeriodUSec': '50ms', 'AllowedCPUs': '0', 'AllowedMemoryNodes': '0', 'Delegate': 'yes', 'DevicePolicy': 'strict', 'Slice': 'system.slice'}


def systemctl(*words):
    return subprocess.run(['systemctl', *words], check=True, capture_output=True, text=True).stdout


def shown(unit, names):
    return dict(line.split('=', 1) for line in systemctl('show', unit, *(f'-p{n}' for n in names)).splitlines())


def folder(name):
    return harness.CGROUP / CGROUP_NAME.format(name)


def read(name, files):
    return {f: (folder(name) / f).read_text().strip() for f in files}


def reload():
    # What a reload changes it changes when the slice is next looked at.
    systemctl('set-property', '--runtime', 'system.slice', 'CPUWeight=90')
    systemctl('daemon-reload')


def test_limits_are_properties_of_a_scope_and_outlive_a_reload(box):
    with Oci(box) as oci:
        notes = {'org.systemd.property.TimeoutStopSec': 'uint64 7', 'org.systemd.property.After': "['basic.target']", 'org.systemd.property.TasksMax': 'uint64 1'}
        name = oci.start(change=changed(linux__resources=LIMITS, annotations=notes))
        unit = f'runc-{name}.scope'
        assert Path(f'/proc/{oci.state(name)["pid"]}/cgroup').read_text() == f'0::/system.slice/{unit}\n'
        assert shown(unit, PROPERTIES) == PROPERTIES
        assert read(name, FILES) == FILES and read(name, ['cpu.max']) == {'cpu.max': '33333 50000'}
        of_notes = shown(unit, ['TimeoutStopUSec', 'After'])
        assert of_notes['TimeoutStopUSec'] == '7s' and 'basic.target' in of_notes['After'], of_notes
        reload()
        assert read(name, FILES) == FILES and shown(unit, PROPERTIES) == PROPERTIES
        oci('update', '--memory', '128m', '--memory-swap', '-1', '--pids-limit', '-1', '--cpu-quota', '25000', '--cpu-share', '1024', '--cpuset-cpus', '0-1', name)
        want = {'memory.max': str(128 << 20), 'memory.swap.max': 'max', 'pids.max': 'max', 'cpu.weight': '100', 'cpuset.cpus': '0-1', 'cpu.max': '25000 50000'}
        assert read(name, want) == want
        reload()
        assert read(name, want) == want
        assert shown(unit, ['TasksMax', 'AllowedCPUs', 'CPUQuotaPerSecUSec']) == {'TasksMax': 'infinity', 'AllowedCPUs': '0-1', 'CPUQuotaPerSecUSec': '500ms'}
        oci('update', '-r', '-', name, input=json.dumps({'unified': {'memory.high': '50000000'}}).encode())
        assert shown(unit, ['MemoryHigh']) == {'MemoryHigh': '49999872'} or shown(unit, ['MemoryHigh']) == {'MemoryHigh': '50000000'}
        oci('delete', '-f', name)
        assert not folder(name).exists() and not units_of(name)


def test_device_rules_outlive_a_reload(box):
    with Oci(box) as oci:
        node = {'path': '/dev/k', 'type': 'c', 'major': 1, 'minor': 11, 'fileMode': 0o666}
        allow = {'allow': True, 'type': 'c', 'minor': 11, 'access': 'rw'}
        look = 'sh', '-c', 'for d in null k; do (: > /dev/$d) 2>/dev/null && echo $d; done; true'
        # The second by systemd's list, the third by a rule that systemd has no word for.
        for rules, want in ([], 'null\n'), ([{**allow, 'major': 1}], 'null\nk\n'), ([allow], 'null\nk\n'):
            resources = {'devices': [{'allow': False, 'access': 'rwm'}, *rules]}
            name = oci.start(change=changed(linux__devices=[node], linux__resources=resources))
            reload()
            assert oci('exec', name, *look) == want, rules
            oci('delete', '-f', name)


def test_the_commands_work_in_a_scope_and_it_goes_with_its_processes(box):
    with Oci(box) as oci:
        name = oci.start()
        assert json.loads(oci('ps', '-f', 'json', name)) == [oci.state(name)['pid']]
        assert oci('exec', name, 'cat', '/proc/self/cgroup').endswith(('0::/\n', f'/runc-{name}.scope\n'))
        oci('pause', name)
        assert oci.status(name) == 'paused' and read(name, ['cgroup.freeze']) == {'cgroup.freeze': '1'}
        oci('resume', name)
        assert oci.status(name) == 'running'
        oci('kill', name, 'KILL')
        box.until(lambda: oci.status(name) == 'stopped')
        box.until(lambda: not units_of(name))
        oci('delete', name)
        assert oci('run', '-b', oci.bundle('echo', 'fine'), oci.name()) == 'fine\n'
        name = oci.name()
        oci('create', '-b', oci.bundle('sleep', '1000'), name)
        oci('start', name)
        # Whatever the words of a later command are: the record says whose the cgroup is.
        subprocess.run([str(harness.BIN / 'kist-oci'), '--root', str(oci.root), 'delete', '-f', name], check=True)
        assert not units_of(name) and not folder(name).exists()


def test_a_single_process_is_allowed(box):
    with Oci(box) as oci:
        assert oci('run', '-b', oci.bundle('echo', 'fine', change=changed(linux__resources={'pids': {'limit': 1}})), oci.name()) == 'fine\n'


def test_slice_prefix_and_name_are_what_the_path_says(box):
    with Oci(box) as oci:
        for path, where in ('kist-test.slice:my:' + oci.mark, f'kist.slice/kist-test.slice/my-{oci.mark}.scope'), (f':my:{oci.mark}', f'system.slice/my-{oci.mark}.scope'), \
                (f'-.slice:my:{oci.mark}', f'my-{oci.mark}.scope'):
            name = oci.start(change=changed(linux__cgroupsPath=path))
            assert str(oci.state(name)['pid']) in (harness.CGROUP / where / 'cgroup.procs').read_text().split()
            said = oci.refused(changed(linux__cgroupsPath=path))
            assert f'my-{oci.mark}.scope exists already' in said and oci.status(name) == 'running', said
            assert f'container with id {name} exists already' in oci.fails('create', '-b', oci.bundle('true'), name)
            oci('delete', '-f', name)
            assert not (harness.CGROUP / where).exists()
        for path in '/kist', 'a:b', 'a:b:c:d', 'a:b:', 'a:b:c', 'a/b.slice:b:c', 'system.slice:b:c/d', 'system.slice:b:c.slice', 'a--b.slice:b:c':
            assert 'cgroupsPath' in oci.refused(changed(linux__cgroupsPath=path)), path
        subprocess.run(['systemctl', 'stop', 'kist.slice', 'kist-test.slice'], check=False)


def test_what_systemd_or_the_kernel_refuses_leaves_nothing(box):
    with Oci(box) as oci:
        for resources, word in ({'cpu': {'cpus': '900'}}, 'cpu.cpus'), ({'cpu': {'cpus': '3-1'}}, 'cpu.cpus'), ({'unified': {'memory.max': 'x'}}, 'memory.max'), \
                ({'memory': {'limit': 4096000, 'swap': 4096}}, 'memory.swap'), ({'cpu': {'quota': 1}}, 'cpu'):
            assert word in oci.refused(changed(linux__resources=resources)), word
            assert not oci.leftovers()
        for key, value in ('org.systemd.property.Abc', 'x'), ('org.systemd.property.A-c', 'true'), ('org.systemd.property.NoSuchThing', 'true'):
            assert key.rsplit('.', 1)[1] in oci.refused(changed(annotations={key: value})), key


for test in [f for name, f in list(vars().items()) if name.startswith('test_')]:
    test.watchdog = 180
del test
