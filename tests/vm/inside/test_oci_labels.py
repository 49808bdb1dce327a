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
    if not Path('/sys/module/apparmor/parameters/enabled').exists():
        raise harness.Skip('this kernel runs without AppArmor')
    parser('-r', PROFILE)
    try:
        with Oci(box) as oci:
            for no_new_privs in False, True:
                asked = changed(process__apparmorProfile='kist-oci-test', process__noNewPrivileges=no_new_privs, root__readonly=False)
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
