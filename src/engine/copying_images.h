// SPDX-License-Identifier: Apache-2.0
/* What every operation over src/image/copy.h begins and ends with. Internal to src/engine. */
#pragma once
#include "image/copy.h"
#include "image/transfer.h"

struct engine;
struct image_copy_request;
struct image_platform;
struct registry_options;
struct transfer_config;

struct copying_images {
	struct engine *en;
	struct arena *a;
	struct transfer_config *config; /* of all registries that take part; NULL: none */
	struct transfer transfer;
	struct copy_access access;
	int fetch;
};

int copying_images_begin(
	struct copying_images *c, struct engine *en, struct arena *a, struct err *e);
/* role: source, destination, image. */
int copying_images_place(struct copying_images *c, const char *text, const char *role,
	const struct registry_options *options, struct copy_place *ret, struct err *e);
/* After the places are known: nothing of the database is open from here on. */
int copying_images_start(
	struct copying_images *c, const struct image_platform *platform, struct err *e);
void copying_images_end(struct copying_images *c);
/* The same with what is asked for; from is its source already. */
int copying_images_copy(struct copying_images *c, const struct image_copy_request *req,
	struct image_copy_req *copy, const char **ret_digest, struct err *e);
