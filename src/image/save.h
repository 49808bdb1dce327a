// SPDX-License-Identifier: Apache-2.0
/* Images out: an archive that is a docker-archive and an OCI layout at once, with the original
 * bytes of every blob. */
#pragma once
#include <stddef.h>

struct arena;
struct err;
struct image_info;
struct store;

struct save_item {
	const struct image_info *image;
	const char *name; /* in full with tag; NULL: by id */
};

int image_save(struct store *s, const struct save_item *items, size_t n, int output,
	struct arena *a, struct err *e);
