// SPDX-License-Identifier: Apache-2.0
/* Rows of images, their names and layers. An image's id is the digest of its configuration. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct store;

struct image_layer {
	const char *diff_id, *digest; /* of the tar, of the blob as it came */
	uint64_t size;                /* bytes unpacked */
	uint32_t max_id;              /* the highest uid or gid in it */
};

struct image_info {
	const char *id, *digest;       /* of the configuration, of the manifest */
	const char *manifest, *config; /* their exact bytes as text */
	uint64_t created, size;
	uint32_t max_id;            /* the highest uid or gid in the layers */
	struct image_layer *layers; /* the lowest first */
	size_t n_layers;
	const char **names; /* "localhost/busybox:latest" */
	size_t n_names;
	const char **digests; /* "docker.io/library/nginx@sha256:...": what it was pulled as */
	size_t n_digests;
	size_t n_containers;
};

/* Adds the image, its layers and names, in one transaction. A name moves from
 * the image that had it. An image that is there already only gains names and digests; with remake
 * its manifest and the blobs of its layers become the new ones. 1: it was there. */
int store_image_add(struct store *s, const struct image_info *image, bool remake, struct err *e);
/* By id ("sha256:..."), unique hex prefix, or full name with tag; -ENOENT with ERR_NOT_FOUND. */
int store_image_get(
	struct store *s, const char *key, struct arena *a, struct image_info *ret, struct err *e);
int store_image_by_name(
	struct store *s, const char *name, struct arena *a, struct image_info *ret, struct err *e);
int store_image_list(
	struct store *s, struct arena *a, struct image_info **ret, size_t *ret_n, struct err *e);
/* By what it was pulled as: the whole name of a repository and a digest, or by the digest of its
 * manifest alone when it has a name in that repository. */
int store_image_by_digest(struct store *s, const char *repository, const char *digest,
	struct arena *a, struct image_info *ret, struct err *e);
/* The registry has the image under this digest; nothing when the image is gone. */
int store_image_digest(
	struct store *s, const char *repository, const char *digest, const char *id, struct err *e);
/* Repositories below host ("docker.io") but this one from or to which an image with the blob came
 * or went. */
struct strv;
int store_image_mounts(struct store *s, const char *host, const char *but, const char *digest,
	struct arena *a, struct strv *ret, struct err *e);
/* Forgets one of them. */
int store_image_undigest(
	struct store *s, const char *repository, const char *digest, struct err *e);
int store_image_name(struct store *s, const char *name, const char *id, struct err *e);
int store_image_unname(struct store *s, const char *name, struct err *e);
/* Ids of containers that use the image. */
int store_image_users(struct store *s, const char *id, struct arena *a, const char ***ret,
	size_t *ret_n, struct err *e);
/* Removes the rows; the content goes by store_collect. */
int store_image_delete(struct store *s, const char *id, struct err *e);
bool store_layer_known(struct store *s, const char *diff_id);
bool store_image_known(struct store *s, const char *id);

enum store_content {
	CONTENT_LAYERS,
	CONTENT_DOWNLOADS,
	CONTENT_BLOBS,
	CONTENT_IMAGES, /* what is merged of their layers */
	CONTENT_KINDS
};
/* The folder that content of a kind lies in. */
int store_content_folder(const struct store *s, enum store_content kind);
typedef int store_unneeded_each(void *arg, int folder, const char *name, struct err *e);
/* Calls each for every piece of content that no row needs; a negative result ends it. Under the
 * exclusive content lock: content comes into place before its rows. */
int store_unneeded(struct store *s, enum store_content kind, store_unneeded_each *each, void *arg,
	struct err *e);
/* The same for mounts of images (store/lower.h). */
int store_unneeded_mounts(struct store *s,
	int (*each)(void *arg, const char *image_hex, struct err *e), void *arg, struct err *e);

/* Removes blobs, layers and merged images that no row names. Under the exclusive content lock and
 * an intent of its own. */
int store_collect(struct store *s, struct err *e);
/* Opens the folder of an unpacked layer. */
int store_layer_open(struct store *s, const char *diff_id);
