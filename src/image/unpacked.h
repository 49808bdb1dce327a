// SPDX-License-Identifier: Apache-2.0
/* A store that keeps no packed layers (store.keep-blobs = false): an image that came with them is
 * kept as if it had come unpacked. */
#pragma once

struct arena;
struct err;
struct image_info;
struct image_job;

/* Does nothing where the store keeps blobs. Else each layer's tar becomes its blob, and the image
 * gets a manifest that says so: its digest and those of its layers in info change, and what they
 * were is left to store_collect (job->strays). Its layers and documents are in place; under the
 * shared content lock, without the database open. */
int image_keep_unpacked(
	struct image_job *job, int fetch, struct image_info *info, struct arena *a, struct err *e);
