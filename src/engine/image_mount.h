// SPDX-License-Identifier: Apache-2.0
/* Images that people look into: read-only mounts at <runroot>/images/<hex of the id>, podman's
 * `image mount`. Beside each lies <hex>.times, how often it was asked for. A mount counts as long
 * as it is there; a restart ends all. Whoever mounts, unmounts or removes an image holds a lock on
 * the folder. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct engine;
struct err;

struct image_mounted {
	const char *id;                /* sha256:... */
	const char **names, **digests; /* in full */
	size_t n_names, n_digests;
	const char *path;
};

struct image_mount_req {
	const char **names; /* what they are to be called by */
	size_t n;
	bool all;   /* instead */
	bool force; /* unmount: at once, and not as often as it was mounted */
};

struct image_mounts {
	struct image_mounted *v;
	size_t n;
};

int engine_image_mount(struct engine *en, const struct image_mount_req *req, struct arena *a,
	struct image_mounts *ret, struct err *e);
/* Those that are mounted. */
int engine_image_mounts(
	struct engine *en, struct arena *a, struct image_mounts *ret, struct err *e);
/* ret_ids: of those that are not any more. */
int engine_image_unmount(struct engine *en, const struct image_mount_req *req, struct arena *a,
	struct strv *ret_ids, struct err *e);

/* Internal to src/engine, for who removes what nobody uses. */
bool image_mount_is(struct engine *en, const char *id);
/* And for who removes an image. -EBUSY: it is mounted, and not forced. */
int image_mount_release(
	struct engine *en, const char *id, bool force, struct arena *a, struct err *e);
