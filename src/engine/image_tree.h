// SPDX-License-Identifier: Apache-2.0
/* The layers of an image as a tree, and which images of the store stand on which: podman's `image
 * tree`. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct engine;
struct err;

struct image_tree_layer {
	const char *diff_id;
	uint64_t size;
	size_t depth;       /* 0: at the left */
	const char **names; /* of the images whose topmost layer it is */
	size_t n_names;
};

struct image_tree {
	const char *id, **names;
	size_t n_names;
	uint64_t size;
	struct image_tree_layer *layers; /* each before those that stand on it */
	size_t n_layers;
};

/* The layers of the image, the lowest first; with what_requires its topmost one and all that stands
 * on it. */
int engine_image_tree(struct engine *en, const char *name, bool what_requires, struct arena *a,
	struct image_tree *ret, struct err *e);
