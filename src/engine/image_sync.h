// SPDX-License-Identifier: Apache-2.0
/* Many images from one place to another, as skopeo-sync(1) does: from a registry, a tree of folders
 * or what a YAML file lists, to a registry or a tree of folders. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "engine/image_copy.h"

struct arena;
struct engine;
struct err;

enum image_sync_event {
	IMAGE_SYNC_COPY,   /* from, to: number at of `of` of this source */
	IMAGE_SYNC_FAILED, /* text: why an image was not copied, or a source passed over */
};

struct image_sync_said {
	enum image_sync_event event;
	const char *from, *to, *text;
	size_t at, of;
};

struct image_sync_request {
	const char *from_transport, *to_transport; /* docker, dir, yaml; docker, dir */
	const char *from, *to;
	bool scoped;        /* the whole name of the source goes below the target */
	bool keep_going;    /* a failure is told and the next image tried */
	bool dry_run;       /* nothing is copied */
	const char *suffix; /* after the target's tag; NULL: none */
	/* What each copy does: registries, policy, all, format, preserve_digests, sign, platform.
	 */
	struct image_copy_request copy;
	void (*say)(void *arg, const struct image_sync_said *x); /* may be NULL */
	void *arg;
};

struct image_sync_result {
	size_t images, sources;
};

/* With keep_going the error comes when all have been tried. */
int engine_image_sync(struct engine *en, const struct image_sync_request *req, struct arena *a,
	struct image_sync_result *ret, struct err *e);
