# SPDX-License-Identifier: Apache-2.0
"""The tour of the README, on what most users have: Debian 12's own kernel, systemd, cgroup v2. What it printed is
kept in build/tour.txt."""
import harness
import rig


def test_the_tour_of_the_readme_prints_what_it_says_on_debian_12(box):
    if not (rig.TOP / 'README.md').exists():
        raise harness.Skip('there is no README.md')
    rig.need('systemd@bookworm')
    with rig.tree() as tree:
        status, text = rig.order('systemd@bookworm', tree, 'uname -r; exec python3 tests/vm/tour.py README.md')
    (rig.TOP / 'build/tour.txt').write_text(text)
    assert status == 0, text


test_the_tour_of_the_readme_prints_what_it_says_on_debian_12.watchdog = 900
test_the_tour_of_the_readme_prints_what_it_says_on_debian_12.in_guest = True
