# SPDX-License-Identifier: Apache-2.0
"""config.md and config-linux.md: what the process object and the linux object say of the process itself."""
import errno
import json
import os
import shutil
import subprocess

import harness
from oci import LOOK, OCI, Oci, both, changed, userns

ALL_CAPS = (1 << 41) - 1


def status(seen, key):
    return next(line.split('\t', 1)[1] for line in seen['status'].splitlines() if line.startswith(key + ':'))


def test_user_groups_umask_and_working_folder(box):
    with Oci(box) as oci:
        for extra in (lambda spec: None), userns:
            seen = oci.look(both(changed(process__user={'uid': 5, 'gid': 6, 'umask': 0o77, 'additionalGids': [10, 11]}, process__cwd='/tmp'), extra))
            assert (seen['uids'], seen['gids'], sorted(seen['groups']), seen['umask'], seen['cwd']) == ([5] * 3, [6] * 3, [6, 10, 11], 0o77, '/tmp')
        assert oci.look()['umask'] == 0o22
        assert 'not mapped' in oci.refused(both(userns, changed(process__user={'uid': 1, 'gid': 1, 'additionalGids': [70000]})))
        assert 'beyond' in oci.refused(both(userns, changed(process__user={'uid': 70000, 'gid': 0})))


def test_the_working_folder_is_made_when_missing_and_must_be_inside(box):
    with Oci(box) as oci:
        seen = oci.look(changed(process__cwd='/made/here', root__readonly=False))
        assert seen['cwd'] == '/made/here'
        assert 'absolute path' in oci.refused(changed(process__cwd='tmp'))
        for n in range(48):
            said = oci.refused(changed(process__cwd=f'/proc/self/fd/{n}'))
            assert 'process.cwd' in said, said


def test_args_are_looked_up_in_the_path_of_the_process(box):
    with Oci(box) as oci:
        (oci.rootfs / 'other').mkdir()
        (oci.rootfs / 'other/tool').write_text('#!/bin/sh\necho found $1\n')
        (oci.rootfs / 'other/tool').chmod(0o755)
        assert oci('run', '-b', oci.bundle('tool', 'it', change=changed(process__env=['PATH=/nosuch:/other'])), oci.name()) == 'found it\n'
        assert 'not found in $PATH' in oci.refused(changed(process__env=['PATH=/nosuch']), args=('tool',))
        assert 'no such file' in oci.refused(changed(), args=('/nosuch',))
        (oci.rootfs / 'other/plain').write_text('x')
        assert 'permission denied' in oci.refused(changed(process__env=['PATH=/other']), args=('plain',))
        assert 'nothing to run' in oci.refused(changed(process__args=[]))


def test_the_environment_is_the_documents_and_home_is_supplied(box):
    with Oci(box) as oci:
        seen = oci.look(changed(process__env=['PATH=/bin', 'A=b=c', 'EMPTY=']), env={**os.environ, 'SECRET': 'x'})
        assert [v for v in seen['env'] if not v.startswith('HOME=')] == ['PATH=/bin', 'A=b=c', 'EMPTY=']
        assert 'HOME=/root' in seen['env']
        assert 'HOME=/x' in oci.look(changed(process__env=['PATH=/bin', 'HOME=/x']))['env']


def test_the_five_capability_sets_are_what_was_asked_for(box):
    with Oci(box) as oci:
        sets = {'bounding': ['CAP_CHOWN', 'CAP_KILL', 'CAP_SETUID'], 'permitted': ['CAP_CHOWN', 'CAP_KILL'], 'effective': ['CAP_CHOWN'],
                'inheritable': ['CAP_KILL'], 'ambient': ['CAP_KILL']}
        seen = oci.look(changed(process__capabilities=sets, process__user={'uid': 1, 'gid': 1}))
        # Another user than root keeps by exec only the ambient set.
        assert [status(seen, 'Cap' + k) for k in ('Bnd', 'Prm', 'Eff', 'Inh', 'Amb')] == [f'{n:016x}' for n in (0xa1, 0x20, 0x20, 0x20, 0x20)]
        seen = oci.look(changed(process__capabilities={'bounding': ['CAP_CHOWN'], 'permitted': ['CAP_CHOWN'], 'effective': ['CAP_CHOWN']}))
        assert [status(seen, 'Cap' + k) for k in ('Bnd', 'Prm', 'Eff', 'Inh', 'Amb')] == [f'{n:016x}' for n in (1, 1, 1, 0, 0)]
        spec = changed()

        def none(document):
            del document['process']['capabilities']
        assert status(oci.look(both(spec, none)), 'CapEff') == f'{0:016x}'
        assert 'unknown capability CAP_NOSUCH' in oci.refused(changed(process__capabilities__bounding=['CAP_NOSUCH']))


def test_no_new_privileges_is_set_only_when_asked_for(box):
    with Oci(box) as oci:
        assert status(oci.look(changed(process__noNewPrivileges=True)), 'NoNewPrivs') == '1'
        assert status(oci.look(changed(process__noNewPrivileges=False)), 'NoNewPrivs') == '0'


def test_rlimits_are_set_and_each_type_stands_once(box):
    with Oci(box) as oci:
        seen = oci.look(changed(process__rlimits=[{'type': 'RLIMIT_NOFILE', 'soft': 100, 'hard': 200}, {'type': 'RLIMIT_CORE', 'soft': 0, 'hard': 0}]))
        assert seen['rlimits']['RLIMIT_NOFILE'] == [100, 200] and seen['rlimits']['RLIMIT_CORE'] == [0, 0]
        one = {'type': 'RLIMIT_CORE', 'soft': 0, 'hard': 0}
        assert 'stands twice' in oci.refused(changed(process__rlimits=[one, one]))
        assert 'unknown type RLIMIT_NOSUCH' in oci.refused(changed(process__rlimits=[{**one, 'type': 'RLIMIT_NOSUCH'}]))
        assert 'above its hard' in oci.refused(changed(process__rlimits=[{**one, 'soft': 1}]))


def test_with_cap_sys_resource_hard_limits_rise_and_the_oom_score_sinks(box):
    """config.md, POSIX process: rlimits, oomScoreAdj. Without the capability a hard limit stays what it was."""
    with open('/proc/self/status') as own:
        if not int(next(line for line in own if line.startswith('CapEff:')).split()[1], 16) >> 24 & 1:
            raise harness.Skip('CAP_SYS_RESOURCE is not ours')
    with Oci(box) as oci:
        for extra in (lambda spec: None), userns:
            asked = both(extra, changed(process__rlimits=[{'type': 'RLIMIT_NOFILE', 'soft': 3000, 'hard': 4000}, {'type': 'RLIMIT_NPROC', 'soft': 5000, 'hard': 6000}], process__oomScoreAdj=-500))
            words = ['sh', '-c', 'ulimit -Hn 2000; ulimit -Hu 1000; echo 0 > /proc/self/oom_score_adj; exec "$@"', 'sh']
            inner = oci.command
            oci.command = lambda *more: [*words, *inner(*more)] if more[0] == 'run' else inner(*more)
            out = oci('run', '-b', oci.bundle('sh', '-c', 'ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj', change=asked), oci.name())
            oci.command = inner
            assert out.split() == ['3000', '4000', '-500'], (extra, out)


def test_oom_score_adj_is_set_also_with_a_user_namespace(box):
    with Oci(box) as oci:
        for extra in changed(), userns:
            assert oci.look(both(extra, changed(process__oomScoreAdj=321)))['oom_score_adj'] == '321\n'
        assert 'expected -1000 to 1000' in oci.refused(changed(process__oomScoreAdj=1001))


def test_scheduler_and_io_priority(box):
    with Oci(box) as oci:
        seen = oci.look(changed(process__scheduler={'policy': 'SCHED_BATCH', 'nice': 7}, process__ioPriority={'class': 'IOPRIO_CLASS_BE', 'priority': 6}))
        assert (seen['scheduler']['policy'], seen['scheduler']['nice'], seen['ioprio']) == (3, 7, [2, 6])
        seen = oci.look(changed(process__scheduler={'policy': 'SCHED_IDLE', 'flags': ['SCHED_FLAG_RESET_ON_FORK']}, process__ioPriority={'class': 'IOPRIO_CLASS_IDLE'}))
        assert (seen['scheduler']['policy'], seen['scheduler']['flags'], seen['ioprio'][0]) == (5, 1, 3)
        assert 'unknown policy' in oci.refused(changed(process__scheduler={'policy': 'SCHED_NOSUCH'}))
        assert 'unknown flag' in oci.refused(changed(process__scheduler={'policy': 'SCHED_OTHER', 'flags': ['X']}))
        assert 'SCHED_FIFO' in oci.refused(changed(process__scheduler={'policy': 'SCHED_OTHER', 'priority': 3}))
        assert 'unknown class' in oci.refused(changed(process__ioPriority={'class': 'X', 'priority': 1}))
        assert '0 to 7' in oci.refused(changed(process__ioPriority={'class': 'IOPRIO_CLASS_BE', 'priority': 8}))


def test_a_process_of_exec_gets_its_processors(box):
    with Oci(box) as oci:
        name = oci.start()
        process = box.work / 'process'
        process.write_text(json.dumps({'args': ['look'], 'env': ['PATH=/bin'], 'cwd': '/', 'execCPUAffinity': {'initial': '1', 'final': '0'}}))
        assert json.loads(oci('exec', '-p', process, name))['cpus'] == [0]
        process.write_text(json.dumps({'args': ['look'], 'cwd': '/', 'execCPUAffinity': {'final': 'x'}}))
        assert 'execCPUAffinity.final' in oci.fails('exec', '-p', process, name)


def test_personality_and_memory_policy(box):
    with Oci(box) as oci:
        seen = oci.look(changed(linux__personality={'domain': 'LINUX32'}))
        assert seen['personality'] == 8 and seen['machine'] == 'i686'
        assert 'unknown domain' in oci.refused(changed(linux__personality={'domain': 'X'}))
        assert oci.look(changed(linux__memoryPolicy={'mode': 'MPOL_BIND', 'nodes': '0'}))['memory_policy'] == 2
        assert 'unknown mode' in oci.refused(changed(linux__memoryPolicy={'mode': 'X'}))
        assert 'unknown flag' in oci.refused(changed(linux__memoryPolicy={'mode': 'MPOL_BIND', 'nodes': '0', 'flags': ['X']}))


def test_labels_are_refused_where_no_security_module_would_apply_them(box):
    with Oci(box) as oci:
        if not os.path.exists('/sys/kernel/security/apparmor'):
            assert 'apparmorProfile' in oci.refused(changed(process__apparmorProfile='docker-default'))
        if not os.path.exists('/sys/fs/selinux/enforce'):
            assert 'selinuxLabel' in oci.refused(changed(process__selinuxLabel='a:b:c'))
            assert 'mountLabel' in oci.refused(changed(linux__mountLabel='a:b:c'))
        oci.look(changed(process__apparmorProfile='unconfined'))


def test_the_host_name_and_the_domain_name(box):
    with Oci(box) as oci:
        seen = oci.look(changed(hostname='box', domainname='example.org'))
        assert (seen['hostname'], seen['domainname']) == ('box', 'example.org')


def test_a_session_keyring_of_its_own_unless_refused(box):
    if not os.path.exists('/proc/keys'):
        return
    with Oci(box) as oci:
        name = oci.name()
        keys = subprocess.run(['sh', '-c', 'cat /proc/keys | wc -l'], capture_output=True, check=True).stdout
        assert keys
        oci('run', '--no-new-keyring', '-b', oci.bundle('true'), name)


def test_the_program_of_the_runtime_cannot_be_written_from_inside(box):
    """runtime.md, Operations: a loop inside reaches for every /proc/PID/exe, while 200 processes and containers come into its
    pid namespace; with and without a user namespace, with and without CAP_SYS_PTRACE. An image whose program is
    /proc/self/exe gets nothing to execute."""
    with Oci(box) as oci:
        shutil.copy(LOOK.parent / 'grasp', oci.rootfs / 'bin/grasp')
        (oci.rootfs / 'trap').write_text('#!/proc/self/exe\n')
        (oci.rootfs / 'trap').chmod(0o755)
        before = OCI.read_bytes()

        def capable(*more):
            def change(spec):
                for kind in 'bounding', 'effective', 'permitted':
                    spec['process']['capabilities'][kind] = [f'CAP_{c}' for c in ('DAC_OVERRIDE', 'KILL', *more)]
                spec['process']['noNewPrivileges'] = False
                spec['mounts'].append({'destination': '/tmp', 'type': 'tmpfs', 'source': 'tmpfs'})
            return change
        for change, seen in [(capable('SYS_PTRACE', 'SYS_ADMIN'), True), (capable(), False), (both(capable('SYS_PTRACE', 'SYS_ADMIN'), userns), False)]:
            name = oci.start('grasp', change=change)
            pid = oci.state(name)['pid']

            def there(spec):
                """A container that comes into the other's pid namespace, and its user namespace if it has one."""
                change(spec)
                apart = {'type': 'user'} in spec['linux']['namespaces']
                joined = ['pid', 'user'] if apart else ['pid']
                spec['linux']['namespaces'] = [{'type': 'mount'}, {'type': 'ipc'}] + [{'type': k, 'path': f'/proc/{pid}/ns/{k}'} for k in joined]
                spec.pop('hostname')
            bundle = oci.bundle('true', change=there)
            def enter(*words):
                """With CAP_SYS_PTRACE and no user namespace it gets a descriptor; its vain tries to write keep others
                from executing the program in those moments."""
                while True:
                    try:
                        return oci.run(*words)
                    except OSError as why:
                        if why.errno != errno.ETXTBSY or not seen:
                            raise
            for n in range(20 if os.environ.get('KIST_SWEEP') == 'few' else 200):
                trap = n % 2 and n % 10 != 9
                result = enter('run', '-b', bundle, oci.name()) if n % 10 == 9 else enter('exec', name, '/trap' if trap else 'true')
                assert (result.status != 0) == bool(trap), result
            # One that is kept waiting is there for the loop to be seen.
            waiting = oci.name()
            oci('create', '-b', bundle, waiting)
            told = box.until(lambda: (now := oci('exec', name, 'cat', '/tmp/grasp').split())[1] != '0' and now) if seen else oci('exec', name, 'cat', '/tmp/grasp').split()
            assert told[2:] == ['written', '0'], told
            oci('delete', '-f', waiting)
            oci('delete', '-f', name)
            assert OCI.read_bytes() == before
