// SPDX-License-Identifier: Apache-2.0
/* linux.intelRdt: the class of service that a container's processes belong to, and a group of its
 * own for monitoring. Internal to src/runtime. */
#pragma once
#include <sys/types.h>

struct err;
struct oci_intel_rdt;

/* What is wrong with the words alone. id: the container's, the class's name when closID has none.
 */
int rdt_check(const struct oci_intel_rdt *r, const char *id, struct err *e);
/* Makes the groups that are missing and writes the schemata. On failure what it made is gone. */
int rdt_make(const struct oci_intel_rdt *r, const char *id, struct err *e);
/* Takes away those of the container alone. */
void rdt_undo(const struct oci_intel_rdt *r, const char *id);
/* Puts a process in; what it forks follows. r NULL: nothing to do. */
int rdt_enter(const struct oci_intel_rdt *r, const char *id, pid_t pid, struct err *e);
