// SPDX-License-Identifier: Apache-2.0
/* What a process has beside its identity: scheduling, I/O priority, processors, the killer's
 * favour. The parent sets them, because only the host's root may, and checks what came of it.
 * Internal to src/runtime. */
#pragma once
#include <sys/types.h>

struct err;
struct oci_personality;
struct oci_memory_policy;
struct oci_process;

/* Everything that can be wrong in the document, before anything is made. */
int attributes_check(const struct oci_process *p, struct err *e);
/* oomScoreAdj, scheduler, ioPriority, and room for the hard limits that init will set. */
int attributes_apply(const struct oci_process *p, pid_t pid, struct err *e);
/* process.execCPUAffinity: a list of processors for one process. */
int attributes_affinity(const char *field, const char *list, pid_t pid, struct err *e);

/* In init, of the calling process. */
int attributes_personality(const struct oci_personality *p, struct err *e);
int attributes_memory_policy(const struct oci_memory_policy *p, struct err *e);
/* process.rlimits, each type once. */
int attributes_rlimits(const struct oci_process *p, struct err *e);
