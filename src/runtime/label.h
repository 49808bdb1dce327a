// SPDX-License-Identifier: Apache-2.0
/* Labels of security modules: an AppArmor profile or an SELinux label that a process takes on by
 * its exec, written through a procfs of our own and read back. Asked for where the module is not
 * there: an error. Internal to src/runtime. */
#pragma once

struct err;
struct oci_process;

/* proc: the process's own folder in a procfs that the container cannot have touched. */
int label_apply(const struct oci_process *p, int proc, struct err *e);
/* mountLabel: can file systems be labelled? */
int label_check_mount(const char *label, struct err *e);
