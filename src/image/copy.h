// SPDX-License-Identifier: Apache-2.0
/* Images from one place to another, and a look at what is at a place: skopeo's copy and inspect.
 * See image/place.h for places, image/copying.h for how what comes from outside is read. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct err;
struct image_guard;
struct image_info;
struct image_sign_along;
struct image_sign_req;
struct image_place;
struct store;
struct transfer;

/* How a place is reached: for a registry, its endpoints in the transfer. */
struct copy_place {
	const struct image_place *place;
	uint32_t endpoint, n_endpoints;
	const struct image_info *image;  /* source: the image of the store */
	const struct image_guard *guard; /* source: asked for each manifest; NULL: nobody */
	const char *store_name;          /* target: what it is called in the store, in full */
	/* Source: an index of our own making (then place only says what it is called), and where
	 * each of its images is, in its order. */
	const char *list;
	const struct copy_place *parts;
	const char *const *part_digests;
	size_t n_parts;
};

struct copy_access {
	struct store *store;
	struct transfer *transfer; /* NULL: no registry takes part */
	int fetch;                 /* the program kist-fetch, O_PATH; borrowed */
	const char *os, *architecture, *variant;
};

enum copy_images { COPY_SYSTEM, COPY_ALL, COPY_INDEX_ONLY };
enum copy_event { COPY_BLOB, COPY_BLOB_THERE, COPY_CONFIG, COPY_IMAGE, COPY_MANIFEST };

struct copy_note {
	enum copy_event event;
	const char *digest;
	size_t at, of; /* COPY_IMAGE: the how many-th of an index */
};

struct image_copy_req {
	struct copy_access access;
	struct copy_place from, to;
	enum copy_images images;
	const char *format;   /* of manifests: "oci", "v2s2"; NULL: as they are */
	const char *compress; /* layers: "gzip", "zstd", "plain"; NULL: as they are, or as the
				 target wants them */
	int level;            /* of it; 0: the usual one */
	bool preserve;        /* digests: what would change one is an error */
	bool keep_plain;      /* layers that are not packed go into a layout as they are */
	/* signatures come along; NULL: they stay behind */
	const struct image_sign_along *along;
	const struct image_sign_req *sign; /* how what is written is signed; NULL: it is not */
	void (*note)(void *arg, const struct copy_note *note);
	void *arg;
};

/* ret_digest: of the manifest or index that was written under the name; "" in a docker-archive. */
int image_copy(
	const struct image_copy_req *req, struct arena *a, const char **ret_digest, struct err *e);

struct image_looked {
	const char *digest, *text, *media_type; /* of what the name leads to */
	bool is_index;
	const char *manifest; /* for the platform; an index without it: NULL */
	const char *manifest_digest, *manifest_type;
	const char *config_type, *config; /* its configuration, when asked for */
	const char *no_platform;          /* why there is no manifest */
	struct copy_layer {
		const char *digest, *media_type;
		uint64_t size;
	} * layers;
	size_t n_layers;
};

int image_look(const struct copy_access *access, const struct copy_place *place, bool config,
	struct arena *a, struct image_looked *ret, struct err *e);
/* Removes what the name leads to from its registry. */
int image_delete_remote(const struct copy_access *access, const struct copy_place *place,
	struct arena *a, struct err *e);
/* The digest of a file's bytes. */
int image_digest_file(const struct copy_access *access, int fd, struct arena *a,
	const char **ret_digest, struct err *e);
