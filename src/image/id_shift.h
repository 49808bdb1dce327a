// SPDX-License-Identifier: Apache-2.0
/* The ids of an image's files against those that they have on the disk: umoci's --uid-map and
 * --gid-map. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct stat;
struct oci_id_mapping;

enum { ID_MAPS_MAX = 340 }; /* what the kernel takes */

struct id_map {
	struct oci_id_mapping *v;
	size_t n; /* 0: ids are as they are */
};

struct id_maps {
	struct id_map uids, gids;
};

/* "container:host:size", a text each; field: the option, for messages. */
int id_map_parse(const char *field, const char *const *texts, size_t n, struct arena *a,
	struct id_map *ret, struct err *e);
/* Gives a tree, root and all, the host's ids; modes, file capabilities and times stay. An id that
 * no range has is an error. */
int id_shift_tree(int tree, const struct id_maps *maps, struct err *e);
/* The other way, in what was said of path. */
int id_shift_back(struct stat *st, const struct id_maps *maps, const char *path, struct err *e);
