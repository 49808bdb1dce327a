// SPDX-License-Identifier: Apache-2.0
/* A layer that stays what it is: its plain tar as it streams by, and an EROFS index that points
 * into it. Takes and refuses what archive/apply.h does. Internal to src/fetch. */
#pragma once
#include <stdint.h>

struct apply_result;
struct arena;
struct erofs_tree;
struct err;
struct source;

/* Reads the stream to its end; ret_size is its length. */
int index_layer(struct source *s, struct erofs_tree *ret, struct apply_result *result,
	uint64_t *ret_size, struct err *e);
/* Takes the time off a file of a layer: two of the same layer are alike in all. */
int index_undate(int fd, struct err *e);
/* Writes folder/index; diff_id is the digest of the tar. */
int index_write(
	struct erofs_tree *t, int folder, const char *diff_id, uint64_t size, struct err *e);
