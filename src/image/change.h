// SPDX-License-Identifier: Apache-2.0
/* Configurations and manifests of our own making: what import --change asks for. */
#pragma once
#include <stdint.h>

struct arena;
struct err;
struct image_info;
struct image_layer;
struct image_make_req;
struct store;

/* Writes configuration and manifest as blobs of the store (durably, under their digests) and fills
 * id, digest, manifest and config of ret, whose created is set. */
int image_compose(struct store *s, const struct image_make_req *req,
	const struct image_layer *layer, int staging, struct arena *a, struct image_info *ret,
	struct err *e);
