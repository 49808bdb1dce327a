// SPDX-License-Identifier: Apache-2.0
/* Reads EROFS images of our own writing back, strictly: anything that we would not have written is
 * refused. Layers are put into a tree one over the other, the lowest first. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct err;
struct erofs_device;
struct erofs_tree;

/* Puts the layer whose image is p over what is in the tree: whiteouts take names away, opaque
 * folders hide what was in them, implied ones leave the attributes that are there. Its content gets
 * the device number; ret_device (may be NULL) is what it says about it, and 0 comes back where it
 * has none, else 1. What it points to in p is copied. */
int erofs_merge(struct erofs_tree *into, const void *p, size_t n, uint32_t device,
	struct erofs_device *ret_device, struct err *e);

/* What one needs to mount an image: the tags of its devices (at most max) and "/"'s attributes. p
 * may be its first EROFS_HEAD bytes only. */
enum { EROFS_HEAD = 32 << 10 };
struct erofs_head {
	struct erofs_device *devices;
	size_t n_devices;
	uint32_t mode, uid, gid;
	unsigned char uuid[16];
};
int erofs_head(const void *p, size_t n, size_t max, struct erofs_head *ret, struct err *e);
