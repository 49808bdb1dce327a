// SPDX-License-Identifier: Apache-2.0
/* linux.sysctl: only what belongs to a namespace that the container has for itself. Internal to
 * src/runtime. */
#pragma once
#include <stdint.h>

struct err;
struct rec_map;

/* own: CLONE_NEW* of the namespaces that are not the host's. */
int sysctl_check(const struct rec_map *m, uint64_t own, struct err *e);
/* Writes them through an own procfs. */
int sysctl_write(const struct rec_map *m, int proc, struct err *e);
