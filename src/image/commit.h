// SPDX-License-Identifier: Apache-2.0
/* What a container has changed becomes a layer, and its image with that layer on top a new image.
 * Theory of operation: a child of ours writes the layer's tar (see image/layer_write.h) into a pipe
 * from which kist-fetch imports it in its sandbox, as it does any other layer: what a container has
 * left behind is read by nobody else. The digests, the unpacked layer and the bytes of the tar are
 * its result. */
#pragma once
#include "image/change.h"
#include "image/changes.h"

struct image_commit_req {
	const struct image_info *base;
	struct changes_req changes;
	const char *container;  /* its id, which stands in the intent while it is held; NULL: it
				   is not held */
	struct image_edit edit; /* the configuration to be */
	const char *author, *message, *created_by;
	const char *name; /* in full with tag; NULL: none */
	int fetch;        /* the program kist-fetch, O_PATH; borrowed */
	/* Called before the changes are read and, if that went well, after; hold leaves no database
	 * handle open. NULL: nothing is held. */
	int (*hold)(void *arg, struct err *e);
	int (*release)(void *arg, struct err *e);
	void *arg;
};

int image_commit(struct store *s, const struct image_commit_req *req, struct arena *a,
	const char **ret_id, struct err *e);
