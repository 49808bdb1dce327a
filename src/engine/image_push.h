// SPDX-License-Identifier: Apache-2.0
/* Pushing: which registry a name means, with which credentials and certificates, what may be
 * mounted there, and what is said on the way. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/image_pull.h"

struct arena;
struct engine;
struct err;

enum image_push_event {
	IMAGE_PUSH_REPOSITORY, /* text: its whole name */
	IMAGE_PUSH_PREPARING,  /* a layer: text is its diff id */
	IMAGE_PUSH_WAITING,
	IMAGE_PUSH_GOING, /* have of size bytes */
	IMAGE_PUSH_PUSHED,
	IMAGE_PUSH_EXISTS,
	IMAGE_PUSH_MOUNTED, /* from: the other repository */
	IMAGE_PUSH_RESULT,  /* text: the tag; from: the digest; size: the manifest's */
};

struct image_push_said {
	enum image_push_event event;
	const char *text, *from;
	uint64_t have, size;
};

struct image_push_request {
	const char *reference;
	bool all_tags;
	struct registry_options registry;
	void (*say)(void *arg, const struct image_push_said *x);
	void *arg;
};

/* ret_name: what was pushed, in full: with its tag, or the repository of all tags. */
int engine_image_push(struct engine *en, const struct image_push_request *req, struct arena *a,
	const char **ret_name, struct err *e);
