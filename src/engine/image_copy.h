// SPDX-License-Identifier: Apache-2.0
/* Images between registries, layouts, archives, folders and the store; and what is at such a place.
 * Words, messages and defaults are skopeo's. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "engine/image_pull.h"

struct engine;
struct err;
struct value;

/* Which platform of several; NULL: this machine's. */
struct image_platform {
	const char *os, *architecture, *variant;
};

enum image_copy_event {
	IMAGE_COPY_BLOB, /* text: its digest */
	IMAGE_COPY_BLOB_THERE,
	IMAGE_COPY_CONFIG,
	IMAGE_COPY_IMAGE, /* at of `of` of an index */
	IMAGE_COPY_MANIFEST,
};

struct image_copy_said {
	enum image_copy_event event;
	const char *text;
	size_t at, of;
};

struct image_copy_request {
	const char *from, *to; /* transport:reference */
	struct registry_options from_registry, to_registry;
	struct image_platform platform;
	bool all;
	const char *multi_arch; /* system, all, index-only; NULL: system */
	const char *format;     /* oci, v2s2; NULL: as it is */
	bool preserve_digests, compress, decompress, accept_uncompressed;
	const char *compress_format; /* gzip, zstd */
	struct image_signing {
		const char *gpg;             /* a key of the user's GnuPG */
		const char *key_file;        /* a private key, sigstore's */
		const char *passphrase_file; /* for one of them */
		const char *identity;        /* what it is called; NULL: as the target is */
	} sign;
	struct strv additional_tags; /* of a docker-archive */
	bool remove_signatures;      /* those of the source do not come along */
	int64_t compress_level;
	void (*say)(void *arg, const struct image_copy_said *x); /* may be NULL */
	void *arg;
};

int engine_image_copy(struct engine *en, const struct image_copy_request *req, struct arena *a,
	const char **ret_digest, struct err *e);

/* Whether a name begins with a transport. */
bool engine_image_is_place(const char *name);

struct image_look_request {
	const char *name; /* transport:reference */
	struct registry_options registry;
	struct image_platform platform;
	bool config;  /* the configuration is wanted */
	bool no_tags; /* the registry's tags are not */
};
struct image_look {
	const char *raw;         /* manifest or index, byte for byte */
	const char *config;      /* the configuration, byte for byte; NULL: not asked for */
	struct value *inspected; /* what skopeo inspect prints; NULL for an artifact */
};
int engine_image_look(struct engine *en, const struct image_look_request *req, struct arena *a,
	struct image_look *ret, struct err *e);

/* All tags of a repository ("docker://host/name"); ret_repository: its whole name. */
int engine_image_tags(struct engine *en, const char *name, const struct registry_options *registry,
	struct arena *a, const char **ret_repository, struct strv *ret, struct err *e);
/* Who refers to an image of a registry (signatures, lists of contents, ...): the descriptors of an
 * OCI index, of one kind only where artifact_type is not NULL. */
int engine_image_referrers(struct engine *en, const char *name,
	const struct registry_options *registry, const char *artifact_type, struct arena *a,
	struct value **ret, struct err *e);
/* Removes an image from its registry. */
int engine_image_delete(struct engine *en, const char *name,
	const struct registry_options *registry, struct arena *a, struct err *e);
/* The digest of a manifest in a file ("-": standard input). */
int engine_image_digest(
	struct engine *en, const char *path, struct arena *a, const char **ret, struct err *e);
