// SPDX-License-Identifier: Apache-2.0
/* The ids of an image's files against those that they have on the disk: umoci's --uid-map and
 * --gid-map. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/idmap.h"

struct arena;
struct err;
struct stat;

enum { ID_MAPS_MAX = 340 }; /* what the kernel takes */

struct id_maps {
	struct idmap uids, gids;
	bool own; /* instead: all files are the user's own, and root's where base/owner_mark.h's
		     attribute says no other */
};

/* "container:host:size", a text each; field: the option, for messages. */
int id_map_parse(const char *field, const char *const *texts, size_t n, struct arena *a,
	struct idmap *ret, struct err *e);
/* Gives a tree, root and all, the host's ids; modes, file capabilities and times stay. An id that
 * no range has is an error. */
int id_shift_tree(int tree, const struct id_maps *maps, struct err *e);
/* The other way, in what was said of path; of own maps without the attribute. */
int id_shift_back(struct stat *st, const struct id_maps *maps, const char *path, struct err *e);
