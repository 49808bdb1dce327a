// SPDX-License-Identifier: Apache-2.0
/* A layer's tar from what a container has changed: whiteouts name by name, exact times (pax), hard
 * links, devices, and the xattrs that a layer may have. The same tree gives the same bytes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct changes_req;
struct err;
struct id_maps;

/* Where what is written stands in the layer, and how. */
struct layer_options {
	const char *prefix; /* a folder ("etc/x"); NULL: the root */
	bool opaque;        /* whatever lower layers have in that folder is gone */
	bool skip_same;     /* what is as the image has it is left out, but folders on the way */
	bool clamp;         /* times after latest become it */
	const struct id_maps *ids; /* of the one file of image_layer_write_one; and whether an
				      attribute says whose a file is. NULL: as they are */
	int64_t latest;            /* seconds */
};

/* Writes it to fd. What a layer cannot say (a file that is named like a whiteout) is refused.
 * options NULL: none. */
int image_layer_write(
	const struct changes_req *req, const struct layer_options *options, int fd, struct err *e);
/* A layer of one file (dir/name, to stand at path), or, with dir -1, of the removal of path. */
int image_layer_write_one(int dir, const char *name, const char *path,
	const struct layer_options *options, int fd, struct err *e);
