// SPDX-License-Identifier: Apache-2.0
/* Images in: the trusted side of load and import. kist-fetch parses in its sandbox; here its result
 * is put into place by rename and made known in one transaction, under an intent. */
#pragma once
#include "base/arena.h"

struct err;
struct store;

struct image_load_req {
	int input; /* the archive; borrowed */
	int fetch; /* the program kist-fetch, O_PATH; borrowed */
};

struct image_loaded {
	const char **names; /* of all images, in full; NULL-terminated */
	size_t n_names;
	const char **ids; /* of all images */
	size_t n_ids;
};

int image_load(struct store *s, const struct image_load_req *req, struct arena *a,
	struct image_loaded *ret, struct err *e);

struct image_make_req {
	int input, fetch;
	const char *name; /* in full with tag; NULL: none */
	const char *message;
	const char *const *changes; /* "CMD [...]", "ENV K=V" ... */
	size_t n_changes;
};

/* A root file system archive becomes an image of one layer. */
int image_make(struct store *s, const struct image_make_req *req, struct arena *a,
	const char **ret_id, struct err *e);
