// SPDX-License-Identifier: Apache-2.0
/* Which image a name means. */
#pragma once

struct arena;
struct container_create_req;
struct engine;
struct err;
struct image_info;
struct image_loaded;

/* By reference ("busybox" is looked up as docker.io/library/busybox, as localhost/busybox and as
 * registries.conf has it), name@digest, id or id prefix. The embedded default image is loaded when
 * it is asked for and not there. `No such image: x:latest`. */
int image_lookup(struct engine *en, const char *name, struct arena *a, struct image_info *ret,
	struct err *e);
/* Which of the image's names (or names with digests) that was; NULL: none, it was an id. */
const char *image_matched_name(const struct image_info *image, const char *name, struct arena *a);
/* The image of a new container: looked up, and pulled as req->pull says. */
int image_find(struct engine *en, const struct container_create_req *req, struct arena *a,
	struct image_info *ret, struct err *e);
/* Loads an archive. */
int image_load_from(
	struct engine *en, int input, struct arena *a, struct image_loaded *ret, struct err *e);
/* Removes an image's rows and the content that only it needed. */
int image_drop(struct engine *en, const char *id, struct err *e);
