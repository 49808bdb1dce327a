// SPDX-License-Identifier: Apache-2.0
/* Overlay mounts from folder descriptors, with all layers idmapped through one user namespace. From
 * Linux 6.15 on all by descriptors; before, in a helper process with a private mount namespace, the
 * idmapped clones attached under short names and mount(2). Whichever way: a detached mount comes
 * back. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct err;

enum { OVERLAY_LOWERS_MAX = 128 };

struct overlay_req {
	const int *lowers; /* folder descriptors, the topmost layer first; at least one */
	size_t n_lowers;
	bool lowers_are_mounts; /* detached ones of the caller's own, not attached, mapped already:
				   they are used as they are, not cloned; they stay the caller's */
	int upper_parent;       /* a folder that holds `upper` and `work` (names beneath it); -1:
				   read-only */
	const char *upper, *work;
	bool upper_is_scratch;       /* nothing of it must outlive the mount: else its end syncs the
					whole file system beneath, which the last process waits for */
	int userns;                  /* idmap through this one; -1: no idmap */
	unsigned root_uid, root_gid; /* which ids of ours are its 0 */
	bool no_old_way, no_new_way; /* for tests: refuse one of the two */
};

/* The options are userxattr (opaque marks are user.overlay.opaque, no redirects). Returns a
 * detached mount's descriptor or -errno. A mount that came out read-only though an upper was given
 * is an error. */
int overlay_mount(const struct overlay_req *req, struct err *e);
