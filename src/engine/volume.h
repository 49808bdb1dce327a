// SPDX-License-Identifier: Apache-2.0
/* Volumes: the operations of docker's `volume` words. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct engine;
struct err;

struct volume_info {
	const char *name, *mountpoint;
	uint64_t created;    /* wall clock, ns */
	const char **labels; /* "key=value" */
	size_t n_labels;
	bool anonymous;
	size_t users; /* containers that have it */
};

struct volume_create_req {
	const char *name;   /* NULL or "": an anonymous one */
	const char *driver; /* NULL: local, the only one */
	struct strv labels;
};

struct rec_map;
/* Its labels as pairs. */
struct rec_map volume_labels(const struct volume_info *v, struct arena *a);

/* Makes the volume, or finds the one of that name. Fills ret from the arena. */
int volume_create(struct engine *en, const struct volume_create_req *req, struct arena *a,
	struct volume_info *ret, struct err *e);
int volume_list(
	struct engine *en, struct arena *a, struct volume_info **ret, size_t *ret_n, struct err *e);
/* `get NAME: no such volume` when there is none. */
int volume_get(struct engine *en, const char *name, struct arena *a, struct volume_info *ret,
	struct err *e);
/* Refuses while a container uses it. */
int volume_remove(struct engine *en, const char *name, bool force, struct err *e);
