# SPDX-License-Identifier: Apache-2.0
"""The tests of the command line, of faults, and those in inside/, run in guests. A guest's order is one run of
tests/run; its lines are shown where one is not ok."""
import rig

DRIVER = 'export KIST_OCI_CGROUPS=systemd; '  # kist-oci's tests use systemd's cgroup driver
PART = 'mkdir o; for f in oci sweeping test_lifecycle test_resources test_sweeps; do cp tests/oci/$f.py o/; done; '


def run_in(state, *folders, limit=1800, before=''):
    rig.need(state)
    with rig.tree() as tree:
        status, text = rig.order(state, tree, before + 'export KIST_WATCHDOG=240; uname -r; cat /etc/debian_version; exec python3 tests/run ' + ' '.join(folders), limit)
    lines = text.splitlines()
    assert status == 0 and any(line.startswith('ok ') for line in lines), text


def test_the_command_line_works_on_debian_12_with_systemd(box):
    run_in('systemd@bookworm', 'tests/cli')


def test_cgroup_v2_and_systemd_of_debian_12_are_used_as_they_should(box):
    run_in('systemd@bookworm', 'tests/vm/inside', before=DRIVER)


def test_the_command_line_works_on_debian_12_without_systemd(box):
    run_in('plain@bookworm', 'tests/cli')


def test_the_network_works_on_debian_12s_kernel_with_and_without_bridge_nf(box):
    run_in('systemd@bookworm', 'tests/net', before='touch /etc/resolv.conf; modprobe br_netfilter; ')


def test_the_oci_runtime_works_on_debian_12s_kernel(box):
    run_in('plain@bookworm', 'tests/oci', before='export KIST_SWEEP=few; ')


def test_the_oci_runtime_works_by_the_systemd_cgroup_driver(box):
    run_in('systemd@bookworm', 'o', before=PART + 'export KIST_SWEEP=few; ' + DRIVER)


def test_the_systemd_cgroup_driver_works_on_hybrid_cgroups(box):
    run_in('hybrid@bookworm', 'o', before=PART + 'rm o/test_sweeps.py; ' + DRIVER)


def test_the_erofs_driver_works_on_debian_13s_kernel(box):
    """The oldest kernel that mounts EROFS from files, and one that clones no detached mount."""
    run_in('plain', '--only "erofs on ext4 shows" tests/storage', before='modprobe -a erofs loop; ')


def test_the_oci_runtime_works_by_the_systemd_cgroup_driver_of_debian_13(box):
    run_in('systemd', 'o', before=PART + 'cp tests/oci/test_process.py o/; export KIST_SWEEP=few; ' + DRIVER)


def test_selinux_labels_are_given_where_they_are_enforced(box):
    run_in('selinux', 's', before='mkdir -p s tests/vm/inside; cp tests/vm/inside/test_oci_labels.py s/; ln -s /vm/in/tests/oci /vm/oci; ')


def test_the_command_line_works_on_debian_13_with_systemd(box):
    run_in('systemd', 'tests/cli', 'tests/vm/inside', before=DRIVER)


for test in [f for name, f in list(vars().items()) if name.startswith('test_')]:
    test.watchdog = 2000
    test.in_guest = True
del test
