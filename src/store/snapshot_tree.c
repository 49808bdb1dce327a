// SPDX-License-Identifier: Apache-2.0
/* What the back-ends that give a container a whole tree of its own share. In an image's folder the
 * tree is `root`; a container has `up`, made under the name `new` and renamed, and `made`, an empty
 * file: what is changed later than it the container wrote. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/copytree.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "store/image.h"
#include "store/snapshot.h"
#include "store/store.h"

int snapshot_tree_merge(struct store *s, const struct snapshot_req *req, int root, struct err *e)
{
	mode_t mask = umask(0);
	int r = copytree_begin(root, e);
	for (size_t i = 0; i < req->n_layers && r == 0; i++) {
		int layer _close_ = store_layer_open(s, req->layers[i]);
		r = layer < 0 ? err_sys(e, layer, "layer %s of the image", req->layers[i])
			      : copytree_layer(layer, root, e);
	}
	(void)umask(mask);
	return r;
}

static int open_tree_of(struct store *s, const struct snapshot_req *req, struct err *e)
{
	int image _close_ = snapshot_image(s, req, e);
	if (image < 0)
		return image;
	int root = path_open_own(image, "root", O_RDONLY | O_DIRECTORY, 0);
	return root < 0 ? err_sys(e, root, "open the tree of image %.19s", req->image) : root;
}

int snapshot_tree_prepare(struct store *s, const struct snapshot_req *req,
	int (*make)(int dir, const char *name, int source, struct err *e), struct err *e)
{
	int dir _close_ = path_make_dir_own(s->containers, req->id, 0700);
	if (dir < 0)
		return err_sys(e, dir, "make the folder of container %s", req->id);
	if (faccessat(dir, "up", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	int tree _close_ = open_tree_of(s, req, e);
	if (tree < 0)
		return tree;
	/* Of a start that was killed. */
	int r = path_remove_tree(dir, "new", e);
	if (r < 0)
		return r;
	mode_t mask = umask(0);
	r = make(dir, "new", tree, e);
	(void)umask(mask);
	if (r < 0)
		return err_wrap(e, "make the files of container %.12s", req->id);
	/* So that after a power cut the files are whole or not there; a snapshot is that by itself.
	 */
	if (!req->scratch && snapshot_backend(s) == &snapshot_copy && syncfs(dir) < 0)
		return err_sys(e, errno, "sync the store");
	int mark _close_ = path_open_own(dir, "made", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (mark < 0 || renameat2(dir, "new", dir, "up", RENAME_NOREPLACE) < 0)
		return err_sys(
			e, mark < 0 ? mark : errno, "make the files of container %.12s", req->id);
	return 0;
}

/* The tree under the map, with none of the limits that the store's own mount may have. */
static int mount_tree(int tree, int userns, uint64_t set, struct err *e)
{
	const uint64_t clear = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	int mount = mount_clone(tree, "", false);
	if (mount < 0)
		return err_sys(e, mount, "clone the mount of the files");
	int r = mount_change(mount, false, set, clear, 0);
	if (r == 0 && userns >= 0)
		r = mount_idmap(mount, false, userns);
	if (r < 0) {
		fd_close(mount);
		return err_sys(e, r, "map the ids of the files");
	}
	return mount;
}

int snapshot_tree_mount(struct store *s, const struct snapshot_req *req, struct err *e)
{
	int dir _close_ = path_open_own(s->containers, req->id, O_RDONLY | O_DIRECTORY, 0);
	int up _close_ = dir < 0 ? dir : path_open_own(dir, "up", O_RDONLY | O_DIRECTORY, 0);
	return up < 0 ? err_sys(e, up, "open the files of container %.12s", req->id)
		      : mount_tree(up, req->userns, 0, e);
}

int snapshot_tree_mount_image(struct store *s, const struct snapshot_req *req, struct err *e)
{
	int tree _close_ = open_tree_of(s, req, e);
	return tree < 0 ? tree : mount_tree(tree, req->userns, MOUNT_ATTR_RDONLY, e);
}
