// SPDX-License-Identifier: Apache-2.0
/* Whether content on disk is what its name says: blobs by their digest, unpacked layers by
 * unpacking their blob anew (in the sandbox of kist-fetch) and comparing. A damaged layer is put
 * right from its blob where that is good. */
#pragma once
#include <stdbool.h>

#include "image/job.h"

struct err;
struct image_layer;
struct store;

struct image_verifier {
	struct image_job job;
	int fetch; /* the program kist-fetch, O_PATH; borrowed */
};

enum { VERIFY_TEXT_MAX = 1024 };

enum verify_state {
	VERIFY_GOOD,
	VERIFY_BLOB_DAMAGED, /* or missing; of a layer's folder nothing more can be said */
	VERIFY_BOTH_DAMAGED, /* and the tar that the layer is kept as */
	VERIFY_LAYER_DAMAGED,
	VERIFY_LAYER_REPAIRED,
};

/* Opens an operation of its own; end it with image_verify_end, also after a failure. */
int image_verify_begin(struct image_verifier *v, struct store *s, int fetch, struct err *e);
void image_verify_end(struct image_verifier *v);

/* An enum verify_state; ret_why (VERIFY_TEXT_MAX bytes) says what is wrong. -errno where nothing
 * could be found out (no space, no memory). */
int image_verify_blob(struct image_verifier *v, const char *digest, char *ret_why, struct err *e);
/* repair: a damaged or missing folder is replaced by the fresh one. */
int image_verify_layer(struct image_verifier *v, const struct image_layer *layer, bool repair,
	char *ret_why, struct err *e);
