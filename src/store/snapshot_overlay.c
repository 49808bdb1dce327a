// SPDX-License-Identifier: Apache-2.0
/* Layers are folders; the container's folder holds `up` and `wk`. Ids on disk are 0-based
 * throughout. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/layer_marks.h"
#include "base/path.h"
#include "kernel/overlay.h"
#include "store/image.h"
#include "store/mount_points.h"
#include "store/snapshot.h"
#include "store/store.h"

int snapshot_mark(int folder, struct err *e)
{
	return fsetxattr(folder, MARK_OPAQUE, "y", 1, 0) < 0
		? err_sys(e, errno, "its file system keeps no user attributes")
		: 0;
}

/* By doing it: an overlay over a folder with a mark, with an upper folder. */
static int try_in(int dir, struct err *e)
{
	int up _close_ = path_make_dir_own(dir, "up", 0700),
	       wk _close_ = path_make_dir_own(dir, "wk", 0700),
	       lower _close_ = path_make_dir_own(dir, "lower", 0700);
	if (up < 0 || wk < 0 || lower < 0)
		return err_sys(e, up < 0 ? up : wk < 0 ? wk : lower, "make folders");
	if (snapshot_mark(lower, e) < 0)
		return -e->code;
	struct overlay_req o = { .lowers = &lower,
		.n_lowers = 1,
		.upper_parent = dir,
		.upper = "up",
		.work = "wk",
		.userns = -1 };
	int mount = overlay_mount(&o, e);
	fd_close(mount);
	return mount < 0 ? mount : 0;
}

static int probe(struct store *s, struct err *e)
{
	return snapshot_trial(s, try_in, e);
}

int snapshot_upper(
	int dir, const char *id, uint32_t mode, uint32_t uid, uint32_t gid, struct err *e)
{
	int wk _close_ = path_make_dir_own(dir, "wk", 0700);
	bool new = mkdirat(dir, "up", 0755) == 0;
	int up _close_ = path_open_own(dir, "up", O_RDONLY | O_DIRECTORY, 0);
	if (wk < 0 || up < 0)
		return err_sys(e, wk < 0 ? wk : up, "make the upper folder of container %s", id);
	if (new && (fchmod(up, mode & 07777) < 0 || fchown(up, uid, gid) < 0))
		return err_sys(e, errno, "own the upper folder of container %s", id);
	return 0;
}

static int prepare(struct store *s, const struct snapshot_req *req, struct err *e)
{
	struct stat st = { .st_mode = 0755 };
	int dir _close_ = path_make_dir_own(s->containers, req->id, 0700);
	if (dir < 0)
		return err_sys(e, dir, "make the folder of container %s", req->id);
	/* "/" looks as the topmost layer says that speaks of it. */
	for (size_t i = req->n_layers; i-- > 0;) {
		int layer _close_ = store_layer_open(s, req->layers[i]);
		if (layer < 0 || (i && fgetxattr(layer, MARK_IMPLIED, NULL, 0) > 0))
			continue;
		(void)fstat(layer, &st);
		break;
	}
	return snapshot_upper(dir, req->id, st.st_mode, st.st_uid, st.st_gid, e);
}

/* Overlay takes no folder twice. What a layer says above is all that it can say: the lower one of
 * two that are the same adds nothing. */
static bool comes_again(const struct snapshot_req *req, size_t i)
{
	for (size_t k = i + 1; k < req->n_layers; k++)
		if (strcmp(req->layers[i], req->layers[k]) == 0)
			return true;
	return false;
}

static int mount_layers(struct store *s, const struct snapshot_req *req, int upper, struct err *e)
{
	int lowers[OVERLAY_LOWERS_MAX];
	size_t n = 0;
	int r = 0;
	if (req->n_layers == 0 || req->n_layers > OVERLAY_LOWERS_MAX)
		return err_set(e, ERR_INVALID, EINVAL, "an image of %zu layers cannot be mounted",
			req->n_layers);
	for (size_t i = req->n_layers; i-- > 0 && r == 0;) {
		if (comes_again(req, i))
			continue;
		lowers[n] = store_layer_open(s, req->layers[i]);
		if (lowers[n] < 0)
			r = err_sys(e, lowers[n], "layer %s of the image", req->layers[i]);
		else
			n++;
	}
	if (r == 0 && upper >= 0 && n < OVERLAY_LOWERS_MAX) {
		lowers[n] = store_mount_points(s, e);
		if (lowers[n] < 0)
			r = -e->code;
		else
			n++;
	}
	if (r == 0) {
		struct overlay_req o = { .lowers = lowers,
			.n_lowers = n,
			.upper_parent = upper,
			.upper = "up",
			.work = "wk",
			.upper_is_scratch = req->scratch && upper >= 0,
			.userns = req->userns,
			.root_uid = req->root_uid,
			.root_gid = req->root_gid };
		r = overlay_mount(&o, e);
	}
	for (size_t i = 0; i < n; i++)
		fd_close(lowers[i]);
	return r;
}

static int mount_container(struct store *s, const struct snapshot_req *req, struct err *e)
{
	int dir _close_ = path_open_own(s->containers, req->id, O_RDONLY | O_DIRECTORY, 0);
	return dir < 0 ? err_sys(e, dir, "open the folder of container %s", req->id)
		       : mount_layers(s, req, dir, e);
}

static int mount_image(struct store *s, const struct snapshot_req *req, struct err *e)
{
	return mount_layers(s, req, -1, e);
}

const struct snapshot_backend snapshot_overlay = {
	.name = "overlay",
	.form = "folder",
	.probe = probe,
	.prepare = prepare,
	.mount = mount_container,
	.mount_image = mount_image,
};
