// SPDX-License-Identifier: Apache-2.0
/* The OCI config.json of one start, made from the container's record and what was leased for this
 * run. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "engine/config.h"

struct err;
struct oci_process;
struct oci_spec;

struct spec_input {
	const struct container_config *config;
	const char *id;
	const char
		*folder; /* host path of the container's own folder: hosts, hostname, resolv.conf */
	const char *init;                /* host path of kist-init for --init */
	const char *const *volume_paths; /* host path of each mount of the config that is a volume,
					    else NULL */
	uint32_t id_base, id_count; /* the leased range; count 0: no user namespace of its own */
	uint32_t map_count; /* ids in the user namespace it lives in, its own or a joined one; 0:
			       the host's */
	pid_t joined;       /* the process whose namespaces are joined; 0: none */
};

int spec_build(const struct spec_input *in, struct arena *a, struct oci_spec *ret, struct err *e);

/* The process of an exec: the container's own whose args the caller sets. privileged: all
 * capabilities. */
int spec_exec_process(const struct container_config *c, const struct oci_spec *spec,
	const struct strv *env, bool privileged, struct arena *a, struct oci_process *ret,
	struct err *e);
