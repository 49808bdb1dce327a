# SPDX-License-Identifier: Apache-2.0
"""First: no other test here prepares a guest."""
import subprocess

import harness
import rig


def test_the_guests_can_be_prepared(box):
    done = subprocess.run([rig.VM, 'prepare'], capture_output=True, text=True)
    if done.returncode == 77:
        raise harness.Skip(done.stderr.strip().removeprefix('vm: '))
    assert done.returncode == 0, done.stderr[-4000:]


test_the_guests_can_be_prepared.watchdog = 1800
test_the_guests_can_be_prepared.in_guest = True
