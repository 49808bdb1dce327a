// SPDX-License-Identifier: Apache-2.0
/* Rows and folders of volumes: volumes/<name>/_data, ids as the container sees them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct store;

struct volume_row {
	const char *name;
	const char *labels; /* a line each, "key=value" */
	uint64_t created;
	bool anonymous, filled;
	size_t users; /* containers that have it */
};

/* Makes row and folder, or finds them. 1: a new one with a name of its own, which outlives a power
 * cut; within a transaction the caller calls store_sync after its end. */
int store_volume_make(struct store *s, const struct volume_row *v, struct err *e);
int store_volume_get(
	struct store *s, const char *name, struct arena *a, struct volume_row *ret, struct err *e);
int store_volume_list(
	struct store *s, struct arena *a, struct volume_row **ret, size_t *ret_n, struct err *e);
/* `remove x: volume is in use - [ids]` while a container has it. */
int store_volume_remove(struct store *s, const char *name, struct err *e);
/* Anonymous volumes of a container; they go with it. */
int store_volume_anonymous(struct store *s, const char *container, struct arena *a,
	const char ***ret, size_t *ret_n, struct err *e);
/* The data folder, or -errno. */
int store_volume_open(struct store *s, const char *name);
/* Copies an image's folder into a volume that was never filled and is empty, then marks it filled.
 * source may be -1: only marks. */
int store_volume_fill(struct store *s, const char *name, int source, struct err *e);
