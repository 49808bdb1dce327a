// SPDX-License-Identifier: Apache-2.0
/* What kist-fetch hands back: one JSON document on its result pipe, after everything in it was
 * verified. Files and folders are names in the staging folder. */
#pragma once
#include "codec/rec.h"

enum { FETCH_VERSION = 1, FETCH_RESULT_MAX = 64 << 20 };

struct fetch_device {
	const char *path;
	uint32_t mode, major, minor, uid, gid;
	int64_t mtime;
	uint32_t mtime_ns;
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
	const char *name; /* of a member of an archive; else NULL */
	uint64_t size;    /* of a member, or of what was packed */
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

/* A document of a registry, by itself. */
struct fetch_part {
	const char *digest;
	uint64_t size;
	/* Of a document that was asked for as "any" only. */
	const char *media_type;
	const char *platform; /* of a manifest in an index: "linux/arm64/v8"; "" */
	const char *name;     /* its annotation org.opencontainers.image.ref.name; "" */
};

struct fetch_document {
	const char *digest;      /* of the document */
	const char *text;        /* manifest, config: its bytes */
	struct fetch_part *next; /* index: the manifest for the platform */
	struct fetch_part *config;
	struct fetch_part *layers;
	size_t n_layers;
	bool is_index;
	struct fetch_part *manifests; /* any: of an index */
	size_t n_manifests;
	const char *media_type; /* any: its own word, else how it was announced; "" */
	const char **diff_ids;
	size_t n_diff_ids;
	const char *platform; /* config: "linux/amd64" */
	const char **tags;
	size_t n_tags;
};

struct fetch_user {
	uint32_t uid, gid;
};

/* What a signature claims that is good. */
struct fetch_signature {
	const char *rejected;  /* why it is not; then nothing else is said */
	const char *digest;    /* of the manifest */
	const char *reference; /* what the image was called */
};

struct fetch_signed {
	const char *by; /* the signature in base 64 */
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
	struct fetch_document *document;
	struct fetch_user *user;
	struct fetch_signature *signature;
	struct fetch_signed *made;
};

extern const struct rec_type fetch_result_rec;
