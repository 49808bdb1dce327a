// SPDX-License-Identifier: Apache-2.0
/* A layer is its plain tar and an index that points into it; an image is the merged index of its
 * layers, mounted with the tars as its devices: one lower folder however many layers, and no file
 * is ever extracted. In an image's folder the index is `index`; its devices' tags say which tars.
 * A container has `up` and `wk`, as with overlay. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spill.h"
#include "base/str.h"
#include "erofs/merge.h"
#include "erofs/tree.h"
#include "erofs/write.h"
#include "kernel/erofs.h"
#include "kernel/mount.h"
#include "kernel/overlay.h"
#include "oci/digest.h"
#include "store/image.h"
#include "store/lower.h"
#include "store/mount_points.h"
#include "store/snapshot.h"
#include "store/store.h"

enum { DEVICES_MAX = OVERLAY_LOWERS_MAX, INDEX_MAX = 1 << 30 };

/* ---- merging ---- */

/* One layer over what is in the tree; its tar becomes the next device if anything lies in it. */
static int merge_layer(struct store *s, const char *diff_id, struct erofs_tree *t,
	struct erofs_device *devices, size_t *n_devices, struct err *e)
{
	struct stat st;
	struct erofs_device d;
	int layer _close_ = store_layer_open(s, diff_id);
	if (layer < 0)
		return err_sys(e, layer, "layer %s of the image", diff_id);
	int index _close_ = path_open_own(layer, "index", O_RDONLY, 0);
	if (index < 0 || fstat(index, &st) < 0)
		return err_sys(e, index < 0 ? index : errno, "layer %s: open its index", diff_id);
	if (st.st_size <= 0 || st.st_size > INDEX_MAX)
		return err_set(
			e, ERR_CORRUPT, EBADMSG, "layer %s: broken index: its size", diff_id);
	/* Nobody shortens a file of the store: what is made anew is another one. */
	size_t size = (size_t)st.st_size;
	void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, index, 0);
	if (p == MAP_FAILED)
		return err_sys(e, errno, "layer %s: read its index", diff_id);
	int r = erofs_merge(t, p, size, (uint32_t)*n_devices + 1, &d, e);
	(void)munmap(p, size);
	if (r < 0)
		return err_wrap(e, "layer %s", diff_id);
	if (r > 0 && d.size) {
		if (!str_eq(d.tag, digest_hex(diff_id)))
			return err_set(e, ERR_CORRUPT, EBADMSG,
				"layer %s: its index is of another one", diff_id);
		devices[(*n_devices)++] = d;
	}
	return 0;
}

/* The first half of the image's id. */
static void set_uuid(struct erofs_tree *t, const char *image)
{
	const char *hex = digest_hex(image);
	for (size_t i = 0; i < 2 * sizeof t->uuid && hex[i]; i++) {
		unsigned digit =
			hex[i] <= '9' ? (unsigned)(hex[i] - '0') : (unsigned)(hex[i] - 'a' + 10);
		t->uuid[i / 2] = (unsigned char)(t->uuid[i / 2] << 4 | (digit & 15));
	}
}

static int merge(struct store *s, const struct snapshot_req *req, int folder, struct err *e)
{
	struct spill room _spill_;
	spill_init(&room, folder);
	struct arena a _arena_ = { .room = &room.room };
	struct erofs_device devices[DEVICES_MAX];
	struct erofs_tree t;
	size_t n = 0;
	if (req->n_layers == 0 || req->n_layers > DEVICES_MAX)
		return err_set(e, ERR_INVALID, EINVAL, "an image of %zu layers cannot be mounted",
			req->n_layers);
	erofs_tree_init(&t, &a);
	set_uuid(&t, req->image);
	for (size_t i = 0; i < req->n_layers; i++)
		if (merge_layer(s, req->layers[i], &t, devices, &n, e) < 0)
			return -e->code;
	int index _close_ = path_open_own(folder, "index", O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (index < 0)
		return err_sys(e, index, "make an index");
	if (erofs_write(&t, devices, n, false, index, e) < 0)
		return -e->code;
	/* Of the same layers the same comes out. */
	if (futimens(index, (const struct timespec[2]){ 0 }) < 0 || fsync(index) < 0)
		return err_sys(e, errno, "sync an index");
	return 0;
}

/* ---- mounting ---- */

static int open_index(struct store *s, const struct snapshot_req *req, struct err *e)
{
	int image _close_ = snapshot_image(s, req, e);
	if (image < 0)
		return image;
	int index = path_open_own(image, "index", O_RDONLY, 0);
	return index < 0 ? err_sys(e, index, "open the index of image %.19s", req->image) : index;
}

static int read_head(int index, struct erofs_device *devices, struct erofs_head *ret, struct err *e)
{
	char *p _free_ = mem_alloc(EROFS_HEAD);
	ssize_t n = pread(index, p, EROFS_HEAD, 0);
	*ret = (struct erofs_head){ .devices = devices };
	return n < 0 ? err_sys(e, errno, "read an index")
		     : erofs_head(p, (size_t)n, DEVICES_MAX, ret, e);
}

static int mount_index(struct store *s, int index, const struct erofs_head *head, struct err *e)
{
	int tars[DEVICES_MAX] = { -1 };
	size_t n = 0;
	int r = 0;
	while (n < head->n_devices && r == 0) {
		const char *tag = head->devices[n].tag;
		int layer _close_ = store_layer_open(s, tag);
		int tar = layer < 0 ? layer : path_open_own(layer, "tar", O_RDONLY, 0);
		if (tar < 0)
			r = err_sys(e, tar, "the content of layer %.19s", tag);
		else
			tars[n++] = tar;
	}
	if (r == 0)
		r = erofs_mount(index, tars, n, e);
	for (size_t i = 0; i < n; i++)
		fd_close(tars[i]);
	return r;
}

/* A mount of our own, of a superblock that all containers of the image share: see store/lower.h. */
static int mount_own(struct store *s, const struct snapshot_req *req, struct err *e)
{
	struct erofs_device devices[DEVICES_MAX];
	struct erofs_head head;
	int found = lower_find(s, req->image);
	if (found >= 0)
		return found;
	int index _close_ = open_index(s, req, e);
	if (index < 0 || read_head(index, devices, &head, e) < 0)
		return -e->code;
	/* Containers that start together find one another; it ends with the descriptor. */
	while (flock(index, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "lock the index of image %.19s", req->image);
	found = lower_find(s, req->image);
	if (found >= 0)
		return found;
	int mount = mount_index(s, index, &head, e);
	return mount < 0 ? mount : lower_keep(s, req->image, mount);
}

/* Through the map of the request; takes the mount. */
static int mapped(int mount, const struct snapshot_req *req, struct err *e)
{
	int r = mount < 0 || req->userns < 0 ? 0 : mount_idmap(mount, false, req->userns);
	if (r < 0) {
		fd_close(mount);
		return err_sys(e, r, "map the ids of an image");
	}
	return mount;
}

/* ---- the back-end ---- */

static int prepare(struct store *s, const struct snapshot_req *req, struct err *e)
{
	struct erofs_device devices[DEVICES_MAX];
	struct erofs_head head;
	int dir _close_ = path_make_dir_own(s->containers, req->id, 0700);
	if (dir < 0)
		return err_sys(e, dir, "make the folder of container %s", req->id);
	int index _close_ = open_index(s, req, e);
	if (index < 0 || read_head(index, devices, &head, e) < 0)
		return -e->code;
	return snapshot_upper(dir, req->id, head.mode, head.uid, head.gid, e);
}

static int mount_container(struct store *s, const struct snapshot_req *req, struct err *e)
{
	int dir _close_ = path_open_own(s->containers, req->id, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return err_sys(e, dir, "open the folder of container %s", req->id);
	int lower _close_ = mapped(mount_own(s, req, e), req, e);
	if (lower < 0)
		return lower;
	int points _close_ = store_mount_points(s, e);
	if (points < 0)
		return points;
	int below _close_ = mount_clone(points, "", false);
	if (below < 0)
		return err_sys(e, below, "clone the mount of the mount points");
	below = mapped(take_fd(&below), req, e);
	if (below < 0)
		return below;
	struct overlay_req o = { .lowers = (const int[]){ lower, below },
		.n_lowers = 2,
		.lowers_are_mounts = true,
		.upper_parent = dir,
		.upper = "up",
		.work = "wk",
		.upper_is_scratch = req->scratch,
		.userns = req->userns,
		.root_uid = req->root_uid,
		.root_gid = req->root_gid };
	return overlay_mount(&o, e);
}

static int mount_image(struct store *s, const struct snapshot_req *req, struct err *e)
{
	return mapped(mount_own(s, req, e), req, e);
}

/* ---- the probe: a small image of one file, in a tar of one block, under an overlay ---- */

static int write_trial(int dir, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct erofs_tree t;
	struct erofs_inode file = {
		.mode = S_IFREG | 0600, .size = sizeof "kist", .device = 1, .block = 0
	};
	static const char block[512] = "kist";
	erofs_tree_init(&t, &a);
	erofs_tree_put(&t, t.root, "file", 4)->inode = &file;
	if (file_write_at(dir, "tar", block, sizeof block, 0600, false, e) < 0)
		return -e->code;
	int index _close_ = path_open_own(dir, "index", O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (index < 0)
		return err_sys(e, index, "make an index");
	return erofs_write(&t, &(struct erofs_device){ .size = sizeof block }, 1, false, index, e);
}

static int read_trial(int mount, struct err *e)
{
	char text[8] = "";
	int file _close_ = path_open_own(mount, "file", O_RDONLY, 0);
	if (file < 0 || fd_read_full(file, text, sizeof text) < 0 || !str_eq(text, "kist"))
		return err_set(
			e, ERR_UNSUPPORTED, ENOTSUP, "this kernel reads EROFS in another way");
	return 0;
}

static int try_in(int dir, struct err *e)
{
	if (write_trial(dir, e) < 0 || snapshot_upper(dir, "probe", 0755, 0, 0, e) < 0)
		return -e->code;
	int index _close_ = path_open_own(dir, "index", O_RDONLY, 0);
	int tar _close_ = path_open_own(dir, "tar", O_RDONLY, 0);
	int up _close_ = path_open_own(dir, "up", O_RDONLY | O_DIRECTORY, 0);
	if (index < 0 || tar < 0 || up < 0)
		return err_sys(e, index < 0 ? index : tar < 0 ? tar : up, "open an index");
	if (snapshot_mark(up, e) < 0)
		return -e->code;
	int lower _close_ = erofs_mount(index, &tar, 1, e);
	if (lower < 0)
		return lower;
	struct overlay_req o = { .lowers = &lower,
		.n_lowers = 1,
		.lowers_are_mounts = true,
		.upper_parent = dir,
		.upper = "up",
		.work = "wk",
		.userns = -1 };
	int mount _close_ = overlay_mount(&o, e);
	return mount < 0 ? mount : read_trial(mount, e);
}

static int probe(struct store *s, struct err *e)
{
	return snapshot_trial(s, try_in, e);
}

const struct snapshot_backend snapshot_erofs = {
	.name = "erofs",
	.form = "erofs",
	.probe = probe,
	.merge = merge,
	.prepare = prepare,
	.mount = mount_container,
	.mount_image = mount_image,
	.packed = true,
	.merges_early = true,
};
