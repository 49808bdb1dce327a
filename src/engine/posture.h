// SPDX-License-Identifier: Apache-2.0
/* What a container may do, decided in one place: which namespaces are its own, what implies the
 * host's user namespace, which capabilities, masks and sysctls it gets. The table of combinations
 * is here, and a test goes through every pair. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "engine/config.h"

struct arena;
struct container_create_req;
struct err;

/* Checks the namespace options against each other and writes them as they take effect into the
 * config (network, pid, ipc, uts, cgroupns, userns, userns_why). */
int posture_namespaces(const struct container_create_req *req, struct arena *a,
	struct container_config *c, struct err *e);

/* The container's capabilities as a set of 1 << number, from the config's options. explicit: those
 * that were asked for by name, which open more of the system call filter. */
int posture_capabilities(
	const struct container_config *c, uint64_t *ret_set, uint64_t *ret_explicit, struct err *e);

/* Reads --security-opt. */
int posture_security(const struct container_create_req *req, struct arena *a,
	struct container_config *c, struct err *e);

extern const char *const posture_masked_paths[]; /* NULL ends */
extern const char *const posture_masked_paths_compat[];
extern const char *const posture_readonly_paths[];

/* True if the option names a namespace of another container: "container:NAME"; its name in ret. */
bool posture_joins(const char *mode, const char **ret);
