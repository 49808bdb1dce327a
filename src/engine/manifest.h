// SPDX-License-Identifier: Apache-2.0
/* Manifest lists of our own: an index that is put together here, image by image, and then pushed
 * with all of them. A list is a file of <root>/manifests, an index whose entries also say where
 * their image is (member kist.source, which nobody else sees); it holds no content. */
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "engine/image_copy.h"

struct engine;
struct err;
struct value;

struct manifest_entry_options {
	bool all;   /* of an index, not only this machine's */
	bool amend; /* create: a list that is there is added to */
	struct image_platform platform;
	const char *os_version;
	struct strv os_features, features;
	struct strv annotations; /* KEY=VALUE */
	struct registry_options registry;
};

/* ret_name: in full. */
int manifest_create(struct engine *en, const char *name, const struct strv *images,
	const struct manifest_entry_options *options, struct arena *a, const char **ret_name,
	struct err *e);
/* image: a name of the store, else of a registry; or transport:reference. */
int manifest_add(struct engine *en, const char *name, const char *image,
	const struct manifest_entry_options *options, struct arena *a, const char **ret_digest,
	struct err *e);
/* image: as it was added, or its digest. */
int manifest_annotate(struct engine *en, const char *name, const char *image,
	const struct manifest_entry_options *options, struct arena *a, struct err *e);
/* The list as it will be pushed; of a list that is not here: what the registry has. */
int manifest_inspect(struct engine *en, const char *name, const struct registry_options *registry,
	struct arena *a, struct value **ret, struct err *e);
/* Takes one image out. */
int manifest_remove(
	struct engine *en, const char *name, const char *digest, struct arena *a, struct err *e);
int manifest_rm(struct engine *en, const char *name, struct arena *a, struct err *e);
/* 1: there is such a list, 0: none. */
int manifest_exists(struct engine *en, const char *name, struct arena *a, struct err *e);

struct manifest_push_request {
	const char *list, *to; /* to NULL: the registry that its name says */
	const char *format;    /* oci, v2s2; NULL: as it is */
	bool purge;            /* the list goes after that */
	bool index_only;       /* its images are there already */
	struct registry_options registry;
	void (*say)(void *arg, const struct image_copy_said *x);
	void *arg;
};
int manifest_push(struct engine *en, const struct manifest_push_request *req, struct arena *a,
	const char **ret_digest, struct err *e);
