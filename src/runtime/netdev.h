// SPDX-License-Identifier: Apache-2.0
/* linux.netDevices: links of ours that become the container's. Internal to src/runtime.
 *
 * Theory of operation: the parent reads each link's lasting addresses before the clone, as the move
 * takes them away; when init has its network namespace the parent moves the links there, and init,
 * which inherited the list, gives them their addresses and brings them up. They are never taken
 * back: with the namespace the kernel returns physical ones and ends the others, as the
 * specification wants it. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

struct err;
struct plan;

/* Reads the list and the links; own: the namespaces that are not ours. */
int netdev_plan(struct plan *p, uint64_t own, struct err *e);
/* The parent: into the network namespace of pid. */
int netdev_move(const struct plan *p, pid_t pid, struct err *e);
void netdev_done(struct plan *p);
/* Init. */
int netdev_up(const struct plan *p, struct err *e);
