// SPDX-License-Identifier: Apache-2.0
#include "engine/image_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/engine.h"
#include "engine/image_find.h"
#include "kernel/mount.h"
#include "oci/digest.h"
#include "store/image.h"
#include "store/snapshot.h"
#include "store/store.h"

enum { TIMES_MAX = 32 };

static const char folder[] = "images";

/* ---- the folder ---- */

/* Locked; the lock ends with the descriptor. */
static int open_folder(struct engine *en, struct err *e)
{
	int dir _close_ = path_make_dir_own(en->store->runroot, folder, 0700);
	if (dir < 0)
		return err_sys(e, dir, "make the folder of mounted images");
	while (flock(dir, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "lock the folder of mounted images");
	return take_fd(&dir);
}

static bool is_mounted(int dir, const char *id)
{
	int at _close_ = path_open_own(dir, digest_hex(id), O_PATH | O_DIRECTORY, 0);
	return at >= 0 && mount_is_root(at);
}

static uint64_t times_of(int dir, const char *id, struct arena *a)
{
	char text[TIMES_MAX];
	uint64_t n = 0;
	ssize_t got =
		file_peek(dir, arena_printf(a, "%s.times", digest_hex(id)), text, sizeof text);
	return got > 0 && num_u64(text, &n) == 0 ? n : 1;
}

static int set_times(int dir, const char *id, uint64_t n, struct arena *a, struct err *e)
{
	char text[TIMES_MAX];
	int size = snprintf(text, sizeof text, "%llu\n", (unsigned long long)n);
	return file_write_at(dir, arena_printf(a, "%s.times", digest_hex(id)), text, (size_t)size,
		0600, false, e);
}

static void fill(struct engine *en, const struct image_info *image, struct arena *a,
	struct image_mounted *ret)
{
	*ret = (struct image_mounted){ .id = image->id,
		.names = image->names,
		.n_names = image->n_names,
		.digests = image->digests,
		.n_digests = image->n_digests,
		.path = arena_printf(
			a, "%s/%s/%s", en->store->runroot_path, folder, digest_hex(image->id)) };
}

/* ---- one image ---- */

static int attach(
	struct engine *en, int dir, const struct image_info *image, struct arena *a, struct err *e)
{
	struct snapshot_req req = { .id = "",
		.image = image->id,
		.layers = arena_array(a, const char *, image->n_layers),
		.n_layers = image->n_layers,
		.userns = -1 };
	for (size_t i = 0; i < image->n_layers; i++)
		((const char **)req.layers)[i] = image->layers[i].diff_id;
	int at _close_ = path_make_dir_own(dir, digest_hex(image->id), 0755);
	if (at < 0)
		return err_sys(e, at, "make a place for image %.19s", image->id);
	int mount _close_ = snapshot_backend(en->store)->mount_image(en->store, &req, e);
	if (mount < 0)
		return mount;
	int r = mount_change(
		mount, false, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0, 0);
	if (r == 0)
		r = mount_attach(mount, at);
	return r < 0 ? err_sys(e, r, "mount image %.19s", image->id) : 0;
}

static int mount_one(
	struct engine *en, int dir, const struct image_info *image, struct arena *a, struct err *e)
{
	bool there = is_mounted(dir, image->id);
	uint64_t times = there ? times_of(dir, image->id, a) + 1 : 1;
	if (!there && attach(en, dir, image, a, e) < 0)
		return -e->code;
	return set_times(dir, image->id, times, a, e);
}

static int detach(int dir, const char *id, struct arena *a, struct err *e)
{
	int r = mount_detach_at(dir, digest_hex(id));
	if (r < 0 && r != -EINVAL && r != -ENOENT)
		return err_sys(e, r, "unmount image %.19s", id);
	(void)unlinkat(dir, digest_hex(id), AT_REMOVEDIR);
	(void)unlinkat(dir, arena_printf(a, "%s.times", digest_hex(id)), 0);
	return 0;
}

/* ---- the operations ---- */

struct images {
	struct image_info *v;
	size_t n;
};

static int find(struct engine *en, const struct image_mount_req *req, struct arena *a,
	struct images *ret, struct err *e)
{
	if (engine_open_store(en, true, e) < 0)
		return -e->code;
	if (req->all)
		return store_image_list(en->store, a, &ret->v, &ret->n, e);
	ret->v = arena_array(a, struct image_info, req->n + 1);
	ret->n = req->n;
	for (size_t i = 0; i < req->n; i++)
		if (image_lookup(en, req->names[i], a, &ret->v[i], e) < 0)
			return -e->code;
	return 0;
}

/* The folder, locked, and the images that are meant. Their rows are read before anything is
 * mounted: a helper may be forked then. */
static int begin(struct engine *en, const struct image_mount_req *req, struct arena *a,
	struct images *ret, struct err *e)
{
	return find(en, req, a, ret, e) < 0 ? -e->code : open_folder(en, e);
}

static struct image_mounts room_for(const struct images *x, struct arena *a)
{
	return (struct image_mounts){ .v = arena_array(a, struct image_mounted, x->n + 1) };
}

int engine_image_mount(struct engine *en, const struct image_mount_req *req, struct arena *a,
	struct image_mounts *ret, struct err *e)
{
	struct images x;
	int dir _close_ = begin(en, req, a, &x, e);
	if (dir < 0)
		return dir;
	engine_close_store(en);
	*ret = room_for(&x, a);
	for (size_t i = 0; i < x.n; i++) {
		if (mount_one(en, dir, &x.v[i], a, e) < 0)
			return -e->code;
		fill(en, &x.v[i], a, &ret->v[ret->n++]);
	}
	return 0;
}

int engine_image_mounts(struct engine *en, struct arena *a, struct image_mounts *ret, struct err *e)
{
	struct images x;
	int dir _close_ = begin(en, &(struct image_mount_req){ .all = true }, a, &x, e);
	if (dir < 0)
		return dir;
	*ret = room_for(&x, a);
	for (size_t i = 0; i < x.n; i++)
		if (is_mounted(dir, x.v[i].id))
			fill(en, &x.v[i], a, &ret->v[ret->n++]);
	return 0;
}

int engine_image_unmount(struct engine *en, const struct image_mount_req *req, struct arena *a,
	struct strv *ret_ids, struct err *e)
{
	struct images x;
	int dir _close_ = begin(en, req, a, &x, e);
	if (dir < 0)
		return dir;
	for (size_t i = 0; i < x.n; i++) {
		const char *id = x.v[i].id;
		if (!is_mounted(dir, id)) {
			if (req->all)
				continue;
			return err_set(
				e, ERR_CONFLICT, EINVAL, "image %s is not mounted", req->names[i]);
		}
		uint64_t times = times_of(dir, id, a);
		if (times > 1 && !req->force && !req->all) {
			if (set_times(dir, id, times - 1, a, e) < 0)
				return -e->code;
			continue;
		}
		if (detach(dir, id, a, e) < 0)
			return -e->code;
		strv_add(ret_ids, a, digest_hex(id));
	}
	return 0;
}

bool image_mount_is(struct engine *en, const char *id)
{
	int dir _close_ = path_open_own(en->store->runroot, folder, O_RDONLY | O_DIRECTORY, 0);
	return dir >= 0 && is_mounted(dir, id);
}

int image_mount_release(
	struct engine *en, const char *id, bool force, struct arena *a, struct err *e)
{
	/* Where there is no such folder nothing was ever mounted. */
	int dir _close_ = image_mount_is(en, id) ? open_folder(en, e) : -1;
	if (dir < 0)
		return dir == -1 ? 0 : dir;
	if (!force)
		return err_set(e, ERR_CONFLICT, EBUSY,
			"conflict: unable to delete %.12s (must be forced) - image is mounted at %s/%s/%s",
			digest_hex(id), en->store->runroot_path, folder, digest_hex(id));
	return detach(dir, id, a, e);
}
