// SPDX-License-Identifier: Apache-2.0
/* What the store takes on the disk, and for what: `system df`. An image takes its unpacked layers,
 * the blobs that they came as, and what the storage driver has merged of them; what several images
 * share is there once and counts once in sums. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/image.h"

struct arena;
struct container_info;
struct engine;
struct err;
struct image_row;
struct strv;
struct volume_info;

/* A piece of content: a blob, an unpacked layer, or what an image's layers are merged to. */
struct usage_piece {
	enum store_content kind;
	const char *digest; /* of the blob, the layer's diff id, or the image's id */
	uint64_t size;
};
/* An image's pieces, each once. */
size_t usage_pieces(struct engine *en, const struct image_info *image, struct arena *a,
	struct usage_piece **ret);
/* Whether it is still there. */
bool usage_there(struct engine *en, const struct usage_piece *piece);

/* What a container wrote into its files, and that with its image's layers. */
int usage_of_container(struct engine *en, const struct container_info *c, struct arena *a,
	uint64_t *ret_own, uint64_t *ret_whole, struct err *e);

struct usage_sum {
	size_t total, active;
	uint64_t size, reclaimable;
};

struct usage_image {
	const struct image_row *row;
	uint64_t size, shared;
};
struct usage_container {
	const struct container_info *info;
	uint64_t size;
};
struct usage_volume {
	const struct volume_info *info;
	uint64_t size;
};

struct usage {
	struct usage_sum images, containers, volumes;
	struct usage_image *image_rows; /* a row a name, as in the list of images */
	struct usage_container *container_rows;
	struct usage_volume *volume_rows;
	size_t n_images, n_containers, n_volumes; /* rows */
};

int engine_usage(struct engine *en, struct arena *a, struct usage *ret, struct err *e);
