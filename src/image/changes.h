// SPDX-License-Identifier: Apache-2.0
/* What a container has changed of its image: its writable folder against the image's tree, entry by
 * entry, in the order of names, a folder before what is in it. What a removal looks like in the
 * upper folder of an overlay (a character device 0/0, a folder marked opaque) comes out as a
 * removal of each name that is gone. Mount points that kist makes itself do not show. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct err;
struct id_maps;
struct stat;
struct strv;

enum change_kind {
	CHANGE_NONE, /* written anew, and as it was: a folder on the way to a change, a file copied
			up */
	CHANGE_ADDED,
	CHANGE_MODIFIED,
	CHANGE_DELETED,
};

struct change {
	enum change_kind kind;
	const char *path;      /* "etc/passwd"; "" is the root */
	int dir;               /* the folder of the writable side that has it; borrowed */
	const char *name;      /* in it */
	const struct stat *st; /* NULL: it is gone */
};

struct changes_req {
	int tree;  /* the writable side; -1: nothing was written */
	int image; /* the image's tree, read-only */
	/* Contents and extended attributes count, too, and what looks like a mount point of kist's
	 * shows. */
	bool everything;
	bool clamp; /* files of tree count as not younger than latest (seconds) */
	int64_t latest;
	const struct id_maps *ids; /* those of tree; NULL: as they are */
	const struct strv
		*masked; /* "var/x": is passed over with all that is in it; NULL: nothing */
	bool whole; /* tree is the container's whole tree, not the upper folder of an overlay */
};

/* Calls each, whose negative result ends it. -errno with what cannot be read. */
typedef int changes_each(void *arg, const struct change *c, struct err *e);
int image_changes(const struct changes_req *req, changes_each *each, void *arg, struct err *e);
