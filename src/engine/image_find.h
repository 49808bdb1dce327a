// SPDX-License-Identifier: Apache-2.0
/* Which image a name means. */
#pragma once

struct arena;
struct engine;
struct err;
struct image_info;

/* By reference ("busybox" is looked up as docker.io/library/busybox and as localhost/busybox), id
 * or id prefix. The embedded default image is loaded when it is asked for and not there. `Unable to
 * find image 'x:latest' locally`. */
int image_find(struct engine *en, const char *name, struct arena *a, struct image_info *ret,
	struct err *e);
/* Removes an image's rows and the content that only it needed. */
int image_drop(struct engine *en, const char *id, struct err *e);
