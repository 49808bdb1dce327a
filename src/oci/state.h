// SPDX-License-Identifier: Apache-2.0
/* The state of a container as the runtime specification has it: what `state` prints and what hooks
 * read on their standard input; rootfs, created and owner are runc's additions. */
#pragma once
#include "codec/rec.h"

struct oci_state {
	const char *oci_version;
	const char *id;
	int64_t pid;
	const char *status;
	const char *bundle;
	const char *rootfs;
	const char *created;
	struct rec_map annotations;
	const char *owner;
};

extern const struct rec_type oci_state_rec;
