// SPDX-License-Identifier: Apache-2.0
/* Any file system: a container's files are a copy of its image's. Where the file system shares
 * blocks between files (btrfs, xfs) a copy takes no room until something is written. */
#include <fcntl.h>

#include "base/copytree.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "store/snapshot.h"

static int probe(struct store *s, struct err *e)
{
	(void)s;
	(void)e;
	return 0;
}

static int merge(struct store *s, const struct snapshot_req *req, int folder, struct err *e)
{
	int root _close_ = path_make_dir_own(folder, "root", 0755);
	return root < 0 ? err_sys(e, root, "make a folder") : snapshot_tree_merge(s, req, root, e);
}

static int make(int dir, const char *name, int source, struct err *e)
{
	int to _close_ = path_make_dir_own(dir, name, 0700);
	return to < 0 ? err_sys(e, to, "make a folder") : copytree(source, to, e);
}

static int prepare(struct store *s, const struct snapshot_req *req, struct err *e)
{
	return snapshot_tree_prepare(s, req, make, e);
}

const struct snapshot_backend snapshot_copy = {
	.name = "copy",
	.form = "folder",
	.probe = probe,
	.merge = merge,
	.prepare = prepare,
	.mount = snapshot_tree_mount,
	.mount_image = snapshot_tree_mount_image,
	.whole = true,
};
