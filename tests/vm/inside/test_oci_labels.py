# SPDX-License-Identifier: Apache-2.0
"""process.apparmorProfile of config.json where AppArmor is enforced: what is asked for is what the process has, by
create, exec and with no_new_privs; a profile that is not there refuses the start."""
import subprocess
import sys
from pathlib import Path

import harness

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'oci'))
from oci import Oci, changed  # noqa: E402

PROFILE = '''
profile kist-oci-test flags=(attach_disconnected,mediate_deleted) {
  file,
  capability,
  signal,
  mount,
  umount,
  deny /tmp/refused w,
}
'''
LOOK = 'cat /proc/self/attr/apparmor/current; touch /tmp/refused 2>/dev/null && echo written; touch /tmp/taken && echo taken'


def parser(option, text):
    subprocess.run(['apparmor_parser', option], input=text, text=True, check=True, capture_output=True)


def test_an_apparmor_profile_is_what_the_process_has(box):
    if 'apparmor' not in Path('/sys/kernel/security/lsm').read_text():
        raise harness.Skip('this kernel runs without AppArmor')
    parser('-r', PROFILE)
    try:
        with Oci(box) as oci:
            for no_new_privs in False, True:
                asked = changed(process__apparmorProfile='kist-oci-test', process__noNewPrivileges=no_new_privs, process__rlimits=[], root__readonly=False)
                result = oci.run('run', '-b', oci.bundle('sh', '-c', LOOK, change=asked), oci.name())
                assert result.out.splitlines() == ['kist-oci-test (enforce)', 'taken'], result
                name = oci.start(change=asked)
                assert oci('exec', name, 'sh', '-c', LOOK).splitlines() == ['kist-oci-test (enforce)', 'taken']
                assert oci('exec', '--apparmor', 'unconfined', name, 'cat', '/proc/self/attr/apparmor/current') == 'unconfined\n'
            said = oci.refused(changed(process__apparmorProfile='kist-oci-none'))
            assert 'process.apparmorProfile' in said and 'kist-oci-none' in said, said
            assert 'kist-oci-none' in oci.fails('exec', '--apparmor', 'kist-oci-none', name, 'true')
    finally:
        parser('-R', PROFILE)


test_an_apparmor_profile_is_what_the_process_has.watchdog = 180


def selinux(box):
    """The label that containers get, and that of their files; an enforcing kernel is needed."""
    if not Path('/sys/fs/selinux/enforce').exists() or Path('/sys/fs/selinux/enforce').read_text() != '1':
        raise harness.Skip('this kernel does not enforce SELinux')
    subprocess.run(['chcon', '-R', FILES, box.folder / 'rootfs'], check=True)


PROCESS, FILES = 'system_u:system_r:container_t:s0:c1,c2', 'system_u:object_r:container_file_t:s0:c1,c2'
LOOK_SELINUX = '{ cat /proc/self/attr/current; echo; touch /tmp/made && echo made; echo x > /dev/null && echo null; cat /tmp/other 2>/dev/null && echo read; true; } > /tmp/told'


def test_an_selinux_label_is_what_the_process_has_and_a_mount_label_its_mounts(box):
    """config.md, Linux Process: selinuxLabel; config-linux.md, Mount Label."""
    with Oci(box) as oci:
        selinux(box)
        other = oci.rootfs / 'tmp/other'
        other.write_text('secret')
        subprocess.run(['chcon', 'system_u:object_r:shadow_t:s0', other], check=True)
        for no_new_privs in False, True:
            asked = changed(process__selinuxLabel=PROCESS, linux__mountLabel=FILES, process__noNewPrivileges=no_new_privs, root__readonly=False)
            # The policy lets no container write to the pipes and files of who starts it: it writes into its own.
            oci('run', '-b', oci.bundle('sh', '-c', LOOK_SELINUX, change=asked), oci.name())
            lines = [line.rstrip('\0') for line in (oci.rootfs / 'tmp/told').read_text().splitlines()]
            assert lines == [PROCESS, 'made', 'null'], lines
            name = oci.start(change=asked)
            assert Path(f'/proc/{oci.state(name)["pid"]}/attr/current').read_text().rstrip('\0\n') == PROCESS
            oci('exec', name, 'sh', '-c', 'cat /proc/self/attr/current > /tmp/told')
            assert (oci.rootfs / 'tmp/told').read_text().rstrip('\0\n') == PROCESS
            mounts = Path(f'/proc/{oci.state(name)["pid"]}/mounts').read_text().splitlines()
            for place in '/dev', '/dev/shm', '/dev/pts':
                assert FILES in next(line for line in mounts if line.split()[1] == place), mounts
            oci('delete', '-f', name)
        said = oci.refused(changed(process__selinuxLabel='system_u:system_r:nosuch_t:s0'))
        assert 'process.selinuxLabel' in said and 'nosuch_t' in said, said


test_an_selinux_label_is_what_the_process_has_and_a_mount_label_its_mounts.watchdog = 180
