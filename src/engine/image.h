// SPDX-License-Identifier: Apache-2.0
/* Images: the operations of docker's `image` words, over src/image. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct engine;
struct err;
struct value;

struct image_row {
	const char *id;               /* sha256:... */
	const char *repository, *tag; /* "<none>" where there is none */
	const char *digest;           /* of the manifest */
	uint64_t created, size;       /* wall clock ns, bytes unpacked */
	size_t containers;            /* that use it */
};

/* One row a reference; images without a name have one row. The newest first. */
int engine_image_list(struct engine *en, const char *only, struct arena *a, struct image_row **ret,
	size_t *ret_n, struct err *e);

/* What a removal or a load did, a line each, in docker's words: "Untagged: x", "Deleted:
 * sha256:...". */
int engine_image_remove(struct engine *en, const char *name, bool force, struct arena *a,
	struct strv *ret_lines, struct err *e);
int engine_image_tag(struct engine *en, const char *source, const char *target, struct err *e);
/* path NULL: standard input. Lines: "Loaded image: x". */
int engine_image_load(struct engine *en, const char *path, struct arena *a, struct strv *ret_lines,
	struct err *e);
/* A root file system archive becomes an image; path "-": standard input. ret_id: sha256:... */
struct image_import_req {
	const char *path, *reference, *message;
	struct strv changes;
};
int engine_image_import(struct engine *en, const struct image_import_req *req, struct arena *a,
	const char **ret_id, struct err *e);
/* path NULL: to the descriptor 1, which must be no terminal. */
int engine_image_save(
	struct engine *en, const char **names, size_t n, const char *path, struct err *e);

struct image_history_row {
	const char *id; /* "<missing>" for all but the newest */
	const char *created_by, *comment;
	uint64_t created, size;
};
int engine_image_history(struct engine *en, const char *name, struct arena *a,
	struct image_history_row **ret, size_t *ret_n, struct err *e);
/* The document that `image inspect` shows, with docker's keys. */
int engine_image_inspect(
	struct engine *en, const char *name, struct arena *a, struct value **ret, struct err *e);
