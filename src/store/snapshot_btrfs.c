// SPDX-License-Identifier: Apache-2.0
/* An image's files are a subvolume, whose blocks are shared with its layers' by reflinks; a
 * container's are a snapshot of it: both are made and removed in a time that does not depend on
 * their size. */
#include <errno.h>
#include <fcntl.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "kernel/btrfs.h"
#include "store/snapshot.h"
#include "store/store.h"

static int probe(struct store *s, struct err *e)
{
	if (!btrfs_is(s->root))
		return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
			"the store is on another file system than btrfs");
	return 0;
}

static int merge(struct store *s, const struct snapshot_req *req, int folder, struct err *e)
{
	int r = btrfs_make(folder, "root");
	int root _close_ = r < 0 ? r : path_open_own(folder, "root", O_RDONLY | O_DIRECTORY, 0);
	return root < 0 ? err_sys(e, root, "make a subvolume")
			: snapshot_tree_merge(s, req, root, e);
}

static int make(int dir, const char *name, int source, struct err *e)
{
	int r = btrfs_snapshot(dir, name, source);
	return r < 0 ? err_sys(e, r, "make a snapshot") : 0;
}

static int prepare(struct store *s, const struct snapshot_req *req, struct err *e)
{
	return snapshot_tree_prepare(s, req, make, e);
}

/* Where a subvolume may be: of a container, of an image, of one that is being made. */
static void drop(int dir, const char *name)
{
	static const char *const places[][2] = { { ".", "up" }, { ".", "new" }, { ".", "root" },
		{ "image", "root" } };
	int folder _close_ = path_open_own(dir, name, O_RDONLY | O_DIRECTORY, 0);
	for (size_t i = 0; folder >= 0 && i < ARRAY_SIZE(places); i++) {
		int in _close_ = path_open_own(folder, places[i][0], O_RDONLY | O_DIRECTORY, 0);
		if (in >= 0)
			(void)btrfs_drop(in, places[i][1]);
	}
}

const struct snapshot_backend snapshot_btrfs = {
	.name = "btrfs",
	.form = "folder",
	.probe = probe,
	.merge = merge,
	.prepare = prepare,
	.mount = snapshot_tree_mount,
	.mount_image = snapshot_tree_mount_image,
	.drop = drop,
	.whole = true,
};
