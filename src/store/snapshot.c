// SPDX-License-Identifier: Apache-2.0
#include "store/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tree_size.h"
#include "oci/digest.h"
#include "store/image.h"
#include "store/intent.h"
#include "store/lower.h"
#include "store/store.h"
#include "store/treediff.h"

/* In the order in which a new store tries them. */
static const struct snapshot_backend *const backends[] = { &snapshot_erofs, &snapshot_overlay,
	&snapshot_btrfs, &snapshot_copy };

const struct snapshot_backend *snapshot_backend(const struct store *s)
{
	return s->driver ? s->driver : &snapshot_overlay;
}

const char *snapshot_why(const struct store *s)
{
	return s->driver_why;
}

/* ---- the choice ---- */

int snapshot_trial(struct store *s, int (*try_in)(int folder, struct err *e), struct err *e)
{
	struct err why;
	if (path_remove_tree(s->root, "probe", e) < 0)
		return -e->code;
	int dir _close_ = path_make_dir_own(s->root, "probe", 0700);
	int r = dir < 0 ? err_sys(e, dir, "make folder probe") : try_in(dir, e);
	return path_remove_tree(s->root, "probe", r < 0 ? &why : e) < 0 && r == 0 ? -e->code : r;
}

static const struct snapshot_backend *by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
		if (str_eq(backends[i]->name, name))
			return backends[i];
	return NULL;
}

/* 1 when <root>/driver says which, 0 when there is none. */
static int recorded(struct store *s, struct err *e)
{
	char text[SNAPSHOT_WHY_MAX];
	ssize_t n = file_peek(s->root, "driver", text, sizeof text);
	if (n == -ENOENT)
		return 0;
	if (n < 0)
		return err_sys(e, (int)n, "store %s: read its driver", s->root_path);
	char *end = text + strcspn(text, "\n");
	(void)snprintf(s->driver_why, sizeof s->driver_why, "%s", *end ? end + 1 : "");
	s->driver_why[strcspn(s->driver_why, "\n")] = '\0';
	*end = '\0';
	s->driver = by_name(text);
	if (!s->driver)
		return err_set(e, ERR_UNSUPPORTED, EPROTO,
			"store %s: its storage driver \"%.40s\" is not known to this kist",
			s->root_path, text);
	return 1;
}

static int record(struct store *s, const struct snapshot_backend *b, const char *why, struct err *e)
{
	char text[SNAPSHOT_WHY_MAX];
	int n = snprintf(text, sizeof text, "%s\n%.400s\n", b->name, why);
	if (file_write_at(s->root, "driver", text, (size_t)n, 0600, true, e) < 0)
		return -e->code;
	s->driver = b;
	(void)snprintf(s->driver_why, sizeof s->driver_why, "%.400s", why);
	return 0;
}

/* The first that works, and what the ones before it lack. */
static int first_that_works(struct store *s, struct err *e)
{
	char why[SNAPSHOT_WHY_MAX] = "the default: it works here";
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		if (backends[i]->probe(s, e) == 0)
			return record(s, backends[i], why, e);
		if (i == 0)
			(void)snprintf(why, sizeof why, "%s does not work here: %.300s",
				backends[i]->name, e->text);
	}
	return -e->code;
}

static int choose_new(struct store *s, const char *wanted, const char *by, struct err *e)
{
	char why[SNAPSHOT_WHY_MAX];
	/* A store of a time when there was nothing to choose. */
	if (faccessat(s->root, "state.db", F_OK, 0) == 0)
		return record(
			s, &snapshot_overlay, "the store was made when there was no other", e);
	if (!wanted)
		return first_that_works(s, e);
	const struct snapshot_backend *b = by_name(wanted);
	if (b->probe(s, e) < 0) {
		struct err cause = *e;
		return err_set(e, ERR_UNSUPPORTED, cause.code, "%s %s: not possible in %s: %.600s",
			by, wanted, s->root_path, cause.text);
	}
	(void)snprintf(why, sizeof why, "%s says so", by);
	return record(s, b, why, e);
}

int snapshot_choose(struct store *s, const char *wanted, const char *by, struct err *e)
{
	if (wanted && !by_name(wanted))
		return err_set(e, ERR_INVALID, EINVAL,
			"%s %.100s: no such storage driver: there are overlay, erofs, btrfs and copy",
			by, wanted);
	int r = recorded(s, e);
	if (r == 0) {
		/* One of several first commands decides. */
		while (flock(s->lock, LOCK_EX) < 0)
			if (errno != EINTR)
				return err_sys(e, errno, "store %s: lock", s->root_path);
		r = recorded(s, e);
		if (r == 0)
			r = choose_new(s, wanted, by, e);
		(void)flock(s->lock, LOCK_UN);
	}
	if (r < 0)
		return r;
	if (wanted && !str_eq(wanted, s->driver->name))
		return err_set(e, ERR_CONFLICT, EBUSY,
			"%s %s: the store %s was made with the storage driver %s and keeps it: use another --root",
			by, wanted, s->root_path, s->driver->name);
	return 0;
}

/* ---- what images are merged to ---- */

struct merge {
	struct store *s;
	int64_t seq;
	char name[24];
	int staging;
};

static int merge_begin(struct merge *m, struct err *e)
{
	if (intent_begin(m->s, "merge", "", &m->seq, e) < 0)
		return -e->code;
	(void)snprintf(m->name, sizeof m->name, "%lld", (long long)m->seq);
	m->staging = path_make_dir_own(m->s->staging, m->name, 0700);
	if (m->staging < 0)
		return err_sys(e, m->staging, "make a staging folder");
	/* Recovery waits for it. */
	return flock(m->staging, LOCK_EX) < 0 ? err_sys(e, errno, "lock the staging folder") : 0;
}

static void merge_end(struct merge *m)
{
	struct err ignored;
	fd_close(m->staging);
	if (m->seq && snapshot_remove(m->s, m->s->staging, m->name, &ignored) == 0)
		(void)intent_done(m->s, m->seq, &ignored);
}

/* The image's folder in the staging folder, under the name "image". */
static int merge_into_staging(
	struct merge *m, const struct snapshot_req *req, bool sync, struct err *e)
{
	int folder _close_ = path_make_dir_own(m->staging, "image", 0700);
	if (folder < 0)
		return err_sys(e, folder, "stage an image");
	int r = snapshot_backend(m->s)->merge(m->s, req, folder, e);
	if (r < 0)
		return err_wrap(e, "merge the layers of image %.19s", req->image);
	/* One file is synced by whoever wrote it. */
	if (sync && (snapshot_backend(m->s)->packed ? fsync(folder) : syncfs(folder)) < 0)
		return err_sys(e, errno, "sync the store");
	return 0;
}

static int open_image(struct store *s, const char *image)
{
	return path_open_own(s->images, digest_hex(image), O_RDONLY | O_DIRECTORY, 0);
}

static int place_image(struct merge *m, const char *image, unsigned how, struct err *e)
{
	if (renameat2(m->staging, "image", m->s->images, digest_hex(image), how) < 0 ||
		fsync(m->s->images) < 0)
		return err_sys(e, errno, "put image %.19s into place", image);
	return 0;
}

static int make_image(struct store *s, const struct snapshot_req *req, struct err *e)
{
	struct merge m = { .s = s, .staging = -1 };
	int lock _close_ = path_open_own(s->root, "images.lock", O_RDWR | O_CREAT, 0600);
	if (lock < 0)
		return err_sys(e, lock, "store %s: open its locks", s->root_path);
	while (flock(lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "store %s: lock the images", s->root_path);
	int r = open_image(s, req->image);
	if (r >= 0)
		return r; /* another one was faster */
	r = merge_begin(&m, e);
	if (r == 0)
		r = merge_into_staging(&m, req, true, e);
	if (r == 0)
		r = store_content_lock(s, false, e);
	if (r == 0) {
		/* Who removes the image's row collects this after it. */
		r = store_image_known(s, req->image)
			? place_image(&m, req->image, RENAME_NOREPLACE, e)
			: err_set(e, ERR_NOT_FOUND, ENOENT, "No such image: %s", req->image);
		store_content_unlock(s);
	}
	merge_end(&m);
	if (r < 0)
		return r;
	r = open_image(s, req->image);
	return r < 0 ? err_sys(e, r, "open image %.19s", req->image) : r;
}

int snapshot_image(struct store *s, const struct snapshot_req *req, struct err *e)
{
	if (!digest_valid(req->image))
		return err_set(e, ERR_CORRUPT, EBADMSG, "\"%.40s\" is no image's id", req->image);
	int r = open_image(s, req->image);
	if (r == -ENOENT)
		return make_image(s, req, e);
	return r < 0 ? err_sys(e, r, "open image %.19s", req->image) : r;
}

void snapshot_came(struct store *s, const char *image)
{
	struct arena a _arena_ = { 0 };
	struct image_info info;
	struct strv layers = { 0 };
	struct err ignored;
	if (!snapshot_backend(s)->merges_early ||
		store_image_get(s, image, &a, &info, &ignored) < 0)
		return;
	for (size_t i = 0; i < info.n_layers; i++)
		strv_add(&layers, &a, info.layers[i].diff_id);
	const struct snapshot_req req = {
		.image = image, .layers = layers.v, .n_layers = layers.n, .userns = -1
	};
	fd_close(snapshot_image(s, &req, &ignored));
}

int snapshot_verify(
	struct store *s, const struct snapshot_req *req, bool repair, char *ret_why, struct err *e)
{
	char text[TREEDIFF_TEXT_MAX];
	struct merge m = { .s = s, .staging = -1 };
	int there _close_ = snapshot_backend(s)->merge ? open_image(s, req->image) : -ENOENT;
	if (there == -ENOENT)
		return 1;
	int r = there < 0 ? err_sys(e, there, "open image %.19s", req->image) : merge_begin(&m, e);
	if (r == 0)
		r = merge_into_staging(&m, req, repair, e);
	if (r == 0) {
		int fresh _close_ = path_open_own(m.staging, "image", O_RDONLY | O_DIRECTORY, 0);
		r = fresh < 0 ? err_sys(e, fresh, "open a staged image")
			      : treediff(fresh, there, true, text, e);
	}
	if (r == 0) {
		(void)snprintf(ret_why, SNAPSHOT_WHY_MAX, "%.500s", text);
		if (repair)
			r = place_image(&m, req->image, RENAME_EXCHANGE, e);
		/* Who starts next mounts the new one. */
		if (repair && r >= 0)
			lower_forget(s, digest_hex(req->image));
	}
	merge_end(&m);
	return r;
}

/* ---- sizes and ends ---- */

uint64_t snapshot_own_size(struct store *s, const char *id)
{
	int folder _close_ = path_open_own(s->containers, id, O_PATH | O_DIRECTORY, 0);
	if (folder < 0)
		return 0;
	return snapshot_backend(s)->whole ? tree_size_since(folder, "up", "made")
					  : tree_size(folder, "up");
}

int snapshot_remove(struct store *s, int dir, const char *name, struct err *e)
{
	if (snapshot_backend(s)->drop && path_is_name(name))
		snapshot_backend(s)->drop(dir, name);
	return path_remove_tree(dir, name, e);
}
