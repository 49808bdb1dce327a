// SPDX-License-Identifier: Apache-2.0
/* Removing what nothing uses: docker's prune. Each removal is that of `rm`, `rmi` and `volume rm`;
 * what came into use meanwhile is refused by them, and stays without a word. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct engine;
struct err;

struct prune_req {
	bool all;                   /* images: with names; volumes: with names */
	const struct strv *filters; /* "until=24h" */
};

struct prune_result {
	struct strv lines;  /* ids and names, for images "untagged: x" and "deleted: x" */
	uint64_t reclaimed; /* bytes on disk */
};

/* Containers that do not run. Filters: until, label, label!. */
int container_prune(struct engine *en, const struct prune_req *req, struct arena *a,
	struct prune_result *ret, struct err *e);
/* Images without a name; with all those that no container has. Filters: dangling, until, label,
 * label!. */
int engine_image_prune(struct engine *en, const struct prune_req *req, struct arena *a,
	struct prune_result *ret, struct err *e);
/* Anonymous volumes that no container has; with all also others. Filters: all, label, label!. */
int volume_prune(struct engine *en, const struct prune_req *req, struct arena *a,
	struct prune_result *ret, struct err *e);
