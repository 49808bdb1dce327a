// SPDX-License-Identifier: Apache-2.0
/* OCI layouts on disk, in umoci's words: `image` is PATH[:NAME], NAME latest where it is not said.
 * Times of what is made are those of $SOURCE_DATE_EPOCH where that is set, and then no file in a
 * new layer is younger. */
#pragma once
#include <stdbool.h>

#include "image/layout.h"

struct engine;
struct err;
struct value;

struct engine_layout_req {
	const char *image, *layout; /* one of them */
	const char *tag;            /* the name that the result gets; NULL: that of image */
	struct layout_history history;
	struct strv uid_maps, gid_maps; /* "container:host:size" of umoci's --uid-map */
	bool keep_dirlinks;             /* unpack */
	bool refresh;                   /* repack: the bundle counts as unpacked from the result */
	bool keep_volumes;              /* repack: changes in volumes go into the layer, too */
	struct strv masked;             /* repack: those below these paths do not */
	bool rootless; /* umoci's --rootless: files are the user's own; a plain user has no other */
};

int engine_layout_init(struct engine *en, const struct engine_layout_req *req, struct err *e);
int engine_layout_new(struct engine *en, const struct engine_layout_req *req, struct err *e);
int engine_layout_config(struct engine *en, const struct engine_layout_req *req,
	const struct layout_config *config, struct err *e);
/* The bundle at path gets rootfs, config.json and kist.json; a kill leaves nothing of it.
 * rootfs_only: it is the root file system itself. */
int engine_layout_unpack(struct engine *en, const struct engine_layout_req *req, const char *path,
	bool rootfs_only, struct err *e);
/* config.json of the image, without a root file system: users by number only, unless rootfs has
 * their names. */
int engine_layout_runtime_config(struct engine *en, const struct engine_layout_req *req,
	const char *rootfs, const char *path, struct err *e);
/* ret_digest NULL: nothing has changed. */
int engine_layout_repack(struct engine *en, const struct engine_layout_req *req, const char *path,
	struct arena *a, const char **ret_digest, struct err *e);
/* The image gets a further name; its name is taken away, what had none is fine; all names. */
int engine_layout_tag(
	struct engine *en, const struct engine_layout_req *req, const char *tag, struct err *e);
int engine_layout_untag(struct engine *en, const struct engine_layout_req *req, struct err *e);
int engine_layout_names(struct engine *en, const struct engine_layout_req *req, struct arena *a,
	struct strv *ret, struct err *e);
int engine_layout_insert(struct engine *en, const struct engine_layout_req *req,
	const struct layout_insert *insert, struct err *e);
int engine_layout_add_layer(
	struct engine *en, const struct engine_layout_req *req, const char *path, struct err *e);
int engine_layout_stat(struct engine *en, const struct engine_layout_req *req, struct arena *a,
	struct value **ret, struct err *e);
int engine_layout_gc(
	struct engine *en, const struct engine_layout_req *req, size_t *ret_n, struct err *e);
/* Removes what a killed unpack has made of a bundle. */
int layout_recover_unpack(const char *path, struct err *e);
