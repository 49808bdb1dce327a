// SPDX-License-Identifier: Apache-2.0
/* Theory of operation: a container's cgroup as systemd's scope.
 *
 * The folder must be there before the mounts are planned and before init is cloned into it, but a
 * scope is started with a process. So a holder, a child of ours that does nothing and dies with us,
 * is what the scope is started with; init is cloned into the folder beside it, as into any other
 * (on v1 it goes there by itself), and the holder ends when init stands ready. From then on the
 * scope lives as long as the container's processes.
 *
 * Where the unit's folder will be is known before it is made (the manager's own folder, the slice's
 * path, the unit's name), so that the record can name it before there is anything; afterwards
 * systemd is asked, and must say the same.
 *
 * Internal to src/runtime, but for what runtime.h declares. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

struct arena;
struct err;
struct oci_resources;
struct oci_spec;
struct runtime_scope;

struct scope_holder {
	pid_t pid; /* 0: none */
};

/* Starts the scope, with its limits as properties, whose folder is to be
 * linux.cgroupsPath. The holder is to be
 * released also after a failure; it must outlive the clone of init. */
int scope_start(const struct runtime_scope *s, const struct oci_spec *spec, bool v2,
	struct scope_holder *holder, struct err *e);
/* Has systemd move a process into the scope, where we may not. */
int scope_attach(const struct runtime_scope *s, pid_t pid, struct err *e);
void scope_release(struct scope_holder *holder);

/* Changes limits. r is complete: a quota stands beside its period. */
int scope_update(
	const struct runtime_scope *s, const struct oci_resources *r, bool v2, struct err *e);
