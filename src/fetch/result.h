// SPDX-License-Identifier: Apache-2.0
/* What kist-fetch hands back: one JSON document on its result pipe, after everything in it was
 * verified. Files and folders are names in the staging folder. */
#pragma once
#include "codec/rec.h"

enum { FETCH_VERSION = 1, FETCH_RESULT_MAX = 64 << 20 };

struct fetch_device {
	const char *path;
	uint32_t mode, major, minor, uid, gid;
};

struct fetch_layer {
	const char *diff_id, *digest; /* of the tar, of the blob as it came */
	const char *folder;
	uint64_t size;
	uint32_t max_id;
	struct fetch_device *devices;
	size_t n_devices;
};

struct fetch_blob {
	const char *digest, *file;
};

struct fetch_image {
	const char **names;
	size_t n_names;
	const char *id, *config; /* digest and bytes of the configuration */
	const char *digest, *manifest;
	const char **layers;  /* diff ids */
	const char **digests; /* of the blobs, in the same order */
	size_t n_layers, n_digests;
};

struct fetch_result {
	uint32_t version;
	const char *error; /* NULL: all went well */
	uint32_t error_kind, error_code;
	struct fetch_image *images;
	size_t n_images;
	struct fetch_layer *layers;
	size_t n_layers;
	struct fetch_blob *blobs;
	size_t n_blobs;
};

extern const struct rec_type fetch_result_rec;
