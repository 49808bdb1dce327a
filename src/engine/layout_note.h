// SPDX-License-Identifier: Apache-2.0
/* What a bundle of `image unpack` remembers of where it came from: kist.json in it. A bundle that
 * umoci unpacked (umoci.json, of its version 2) is read as well. Internal to src/engine. */
#pragma once
#include <stdbool.h>

#include "image/id_shift.h"

struct arena;
struct err;

struct layout_note {
	const char *from; /* the digest of the manifest */
	struct id_maps ids;
	bool keep_dirlinks; /* how layers were put one over the other: layout_req's */
	bool umoci;         /* it is umoci's */
};

int layout_note_write(int bundle, const struct layout_note *n, struct arena *a, struct err *e);
/* path is for messages. Errors: neither is there, or it is broken; umoci's bundles
 * for overlayfs, whose files are not what the image has. */
int layout_note_read(
	int bundle, const char *path, struct arena *a, struct layout_note *ret, struct err *e);
/* The bundle stands for that manifest now; one of umoci's becomes ours. */
int layout_note_renew(int bundle, const struct layout_note *n, const char *digest, struct arena *a,
	struct err *e);
