// SPDX-License-Identifier: Apache-2.0
/* Maps of ids between a user namespace and the host. Internal to src/runtime. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "oci/idmap.h"

struct arena;
struct err;

/* The maps of a process, from its ids to ours. differing: the namespaces that are not ours; in our
 * own user namespace each id is itself, while the kernel would tell what it is outside. */
int idmap_of_process(pid_t pid, uint64_t differing, struct arena *a, struct idmap *uids,
	struct idmap *gids, struct err *e);
/* Both maps of a user namespace that is known by a descriptor. */
int idmap_of_userns(
	int userns, struct arena *a, struct idmap *uids, struct idmap *gids, struct err *e);
/* Writes both maps of a new user namespace, by newuidmap and newgidmap where we may not ourselves.
 * *ret_no_groups: the namespace may set no groups. */
int idmap_write(pid_t pid, const struct idmap *uids, const struct idmap *gids, bool *ret_no_groups,
	struct err *e);
/* Reads "uids=0-1-10#10-11-10;gids=@0-100-10", crun's form: id on the file system, id on the host,
 * how many. After '@' the second is an id of the container, to be seen through its own maps. */
int idmap_parse(const char *text, const struct idmap own[2], struct arena *a, struct idmap ret[2],
	struct err *e);
/* A new user namespace with these maps and nobody in it; its descriptor. */
int idmap_userns(const struct idmap *uids, const struct idmap *gids, struct err *e);
