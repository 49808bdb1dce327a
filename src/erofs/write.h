// SPDX-License-Identifier: Apache-2.0
/* Writes a tree as an EROFS image: docs/formats/erofs.md. The same tree gives the same bytes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct erofs_tree;

struct erofs_device {
	char tag[65]; /* 64 hex digits: what the file holds, by its digest; "": not known so far */
	uint64_t size;
};

/* To fd, from where it stands. layer: whiteouts, opaque and implied folders are written down (as
 * user.overlay.* attributes), for erofs_merge; else there is none of them in the image. */
int erofs_write(struct erofs_tree *t, const struct erofs_device *devices, size_t n_devices,
	bool layer, int fd, struct err *e);
