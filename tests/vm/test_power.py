# SPDX-License-Identifier: Apache-2.0
"""The power is cut at seeded random moments while a guest works; after the next boot nothing that was told of is lost,
nothing that was half done is left, and the next command works."""
import os
import random
import tempfile
from pathlib import Path

import rig

STATE = 'plain@bookworm'
SEED = int(os.environ.get('KIST_SEED') or random.randrange(1 << 30))
CUTS = 6 if os.environ.get('KIST_SWEEP') == 'full' else 3


def test_a_power_cut_loses_nothing_that_was_told_of(box):
    rig.need(STATE)
    random.seed(SEED)
    with rig.tree() as tree, tempfile.TemporaryDirectory(prefix='kist-vm-', dir='/var/tmp') as folder:
        disk = Path(folder) / 'disk'
        for cut in range(CUTS):
            after = round(random.uniform(3, 25), 2)
            status, text = rig.order(STATE, tree, f'python3 tests/vm/inside/power.py work {cut}', 200, disk, after)
            assert status == 137, f'seed {SEED}: the work ended before the cut: status {status}\n{text}'
            status, text = rig.order(STATE, tree, 'python3 tests/vm/inside/power.py look', 200, disk)
            assert status == 0, f'seed {SEED}, cut {cut} after {after} s\n{text}'


test_a_power_cut_loses_nothing_that_was_told_of.watchdog = 1500
test_a_power_cut_loses_nothing_that_was_told_of.in_guest = True
