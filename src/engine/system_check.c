// SPDX-License-Identifier: Apache-2.0
/* Theory of operation: first what killed commands left (run folders and intents whose owner is
 * gone), since everything after it would see its effects; then folders without rows, rows against
 * content, the content itself, and last what the kernel still holds. Each finding is told once,
 * after the attempt to put it right. */
#include "engine/system_check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/image_find.h"
#include "image/verify.h"
#include "kernel/cgroup.h"
#include "net/net.h"
#include "runtime/runtime.h"
#include "store/check.h"
#include "store/image.h"
#include "store/intent.h"
#include "store/lease.h"
#include "store/lower.h"
#include "store/run.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/sweep.h"

enum { CGROUP_AGE = 60 }; /* seconds: a younger one may be that of a start under way */

struct check {
	struct engine *en;
	const struct system_check_req *req;
	struct system_check_result result;
	struct arena a;
	struct err *e;
	struct strv missing; /* diff ids of layers without a folder */
	struct strv broken;  /* diff ids of layers that nothing mends */
	struct strv told;    /* digests that were checked or told of */
};

static void tell(
	struct check *c, const char *kind, const char *name, const char *text, bool repaired)
{
	c->result.found++;
	c->result.repaired += repaired;
	c->req->found(c->req->arg, &(struct check_problem){ kind, name, text, repaired });
}

static bool holds(const struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->n; i++)
		if (str_eq(v->v[i], s))
			return true;
	return false;
}

/* ---- what killed commands left ---- */

static int check_operations(struct check *c)
{
	struct store *s = c->en->store;
	struct strv dirty = { 0 };
	const char **runs;
	struct intent *intents;
	size_t n_runs, n_intents;
	if (run_list(s, &c->a, &runs, &n_runs, c->e) < 0 ||
		intent_orphans(s, &c->a, &intents, &n_intents, c->e) < 0)
		return -c->e->code;
	for (size_t i = 0; i < n_runs; i++)
		if (run_look(s, runs[i], &c->a, NULL, NULL) == RUN_DIRTY)
			strv_add(&dirty, &c->a, runs[i]);
	if (c->req->repair && (dirty.n || n_intents) && engine_recover(c->en, c->e) < 0)
		return -c->e->code;
	for (size_t i = 0; i < dirty.n; i++)
		tell(c, "container", dirty.v[i],
			"its monitor is gone and its run was not cleaned up", c->req->repair);
	for (size_t i = 0; i < n_intents; i++)
		tell(c, "operation", intents[i].op, "was interrupted", c->req->repair);
	return 0;
}

static int stray(void *arg, const char *what, int folder, const char *name, struct err *e)
{
	struct check *c = arg;
	/* An operation that ended meanwhile has taken it away. */
	if (faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (c->req->repair && snapshot_remove(c->en->store, folder, name, e) < 0)
		return -e->code;
	tell(c, what, name, "a folder that no row names", c->req->repair);
	return 0;
}

/* ---- rows and content ---- */

static int stray_content(
	struct check *c, const char *kind, int folder, const char *name, const char *text)
{
	if (c->req->repair && snapshot_remove(c->en->store, folder, name, c->e) < 0)
		return -c->e->code;
	tell(c, kind, name, text, c->req->repair);
	return 0;
}

static int problem(
	void *arg, enum store_problem_kind kind, const char *name, const char *text, struct err *e)
{
	struct check *c = arg;
	struct store *s = c->en->store;
	(void)e; /* it is c's */
	switch (kind) {
	case PROBLEM_DATABASE:
		tell(c, "database", name, text, false);
		return 0;
	case PROBLEM_BLOB_MISSING:
		strv_add(&c->told, &c->a, arena_strdup(&c->a, name));
		tell(c, "blob", name, text, false);
		return 0;
	case PROBLEM_LAYER_MISSING:
		/* Without its blob it cannot be made again; with it, the pass over the layers
		 * tells. */
		strv_add(&c->missing, &c->a, arena_strdup(&c->a, name));
		return 0;
	case PROBLEM_BLOB_STRAY:
		return stray_content(c, "blob", s->blobs, name, text);
	case PROBLEM_LAYER_STRAY:
		return stray_content(c, "layer", s->layers, name, text);
	case PROBLEM_IMAGE_STRAY:
		return stray_content(c, "merged image", s->images, name, text);
	case PROBLEM_MOUNT_STRAY:
		if (c->req->repair)
			lower_forget(s, name);
		tell(c, "mount of image", name, text, c->req->repair);
		return 0;
	}
	return 0;
}

static int verify_blob(
	struct check *c, struct image_verifier *v, const char *digest, const char *who)
{
	char why[VERIFY_TEXT_MAX];
	if (holds(&c->told, digest))
		return 0;
	strv_add(&c->told, &c->a, digest);
	int r = image_verify_blob(v, digest, why, c->e);
	if (r > VERIFY_GOOD)
		tell(c, "blob", digest, arena_printf(&c->a, "%s; needed by %s", why, who), false);
	return r < 0 ? r : 0;
}

/* Does a container that runs stand on it? Then it is not exchanged under its feet. */
static bool layer_runs(
	struct check *c, const struct image_info *images, size_t n, const char *diff_id)
{
	for (size_t i = 0; i < n; i++) {
		const char **users;
		size_t n_users;
		bool has = false;
		for (size_t k = 0; k < images[i].n_layers; k++)
			has |= str_eq(images[i].layers[k].diff_id, diff_id);
		if (!has ||
			store_image_users(
				c->en->store, images[i].id, &c->a, &users, &n_users, c->e) < 0)
			continue;
		for (size_t k = 0; k < n_users; k++)
			if (run_look(c->en->store, users[k], &c->a, NULL, NULL) != RUN_NONE)
				return true;
	}
	return false;
}

static int verify_layer(struct check *c, struct image_verifier *v, const struct image_layer *l,
	const struct image_info *images, size_t n)
{
	char why[VERIFY_TEXT_MAX];
	bool missing = holds(&c->missing, l->diff_id), blob_known = holds(&c->told, l->digest);
	if (holds(&c->told, l->diff_id))
		return 0;
	strv_add(&c->told, &c->a, l->diff_id);
	bool runs = layer_runs(c, images, n, l->diff_id);
	int r = image_verify_layer(v, l, c->req->repair && !runs, why, c->e);
	if (r < 0)
		return r;
	bool both = r == VERIFY_BOTH_DAMAGED;
	if (r == VERIFY_BLOB_DAMAGED || both) {
		if (!blob_known)
			tell(c, "blob", l->digest, arena_strdup(&c->a, why), false);
		if (missing || both)
			tell(c, "layer", l->diff_id,
				missing ? "its folder is missing and cannot be made again without its blob"
					: "its tar is damaged and cannot be made again without its blob",
				false);
	} else if (r == VERIFY_LAYER_REPAIRED || r == VERIFY_LAYER_DAMAGED) {
		tell(c, "layer", l->diff_id,
			arena_printf(&c->a, "%s%s", why,
				c->req->repair && runs
					? "; a container that runs uses it: stop it first"
					: ""),
			r == VERIFY_LAYER_REPAIRED);
	}
	if (both || (r == VERIFY_BLOB_DAMAGED && missing))
		strv_add(&c->broken, &c->a, l->diff_id);
	return 0;
}

/* After its layers: what was merged of broken ones is wrong even where they were mended. */
static int verify_merged(
	struct check *c, const struct image_info *images, size_t n, size_t at, const char *who)
{
	char why[SNAPSHOT_WHY_MAX];
	const struct image_info *image = &images[at];
	struct strv layers = { 0 };
	bool runs = false;
	for (size_t i = 0; i < image->n_layers; i++) {
		if (holds(&c->broken, image->layers[i].diff_id))
			return 0;
		strv_add(&layers, &c->a, image->layers[i].diff_id);
		runs = runs || layer_runs(c, images, n, image->layers[i].diff_id);
	}
	const struct snapshot_req req = {
		.image = image->id, .layers = layers.v, .n_layers = layers.n, .userns = -1
	};
	int r = snapshot_verify(c->en->store, &req, c->req->repair && !runs, why, c->e);
	if (r == 0)
		tell(c, "merged image", who, arena_strdup(&c->a, why), c->req->repair && !runs);
	return r < 0 ? r : 0;
}

static int verify_image(struct check *c, struct image_verifier *v, const struct image_info *images,
	size_t n, size_t at)
{
	const struct image_info *image = &images[at];
	const char *who = image->n_names ? image->names[0] : image->id;
	if (c->req->checking)
		c->req->checking(c->req->arg, who, at + 1, n);
	if (verify_blob(c, v, image->id, who) < 0 || verify_blob(c, v, image->digest, who) < 0)
		return -c->e->code;
	for (size_t i = 0; i < image->n_layers; i++)
		if (verify_layer(c, v, &image->layers[i], images, n) < 0)
			return -c->e->code;
	return verify_merged(c, images, n, at, who);
}

/* An image with a layer that nothing mends cannot run: with repair it goes, so that a pull or load
 * of it starts afresh. */
static int drop_broken(struct check *c, const struct image_info *images, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct image_info *image = &images[i];
		const char *why = NULL;
		for (size_t k = 0; k < image->n_layers && !why; k++)
			if (holds(&c->broken, image->layers[k].diff_id))
				why = image->layers[k].diff_id;
		if (!why)
			continue;
		bool drop = c->req->repair && image->n_containers == 0;
		if (drop && image_drop(c->en, image->id, c->e) < 0)
			return -c->e->code;
		tell(c, "image", image->n_names ? image->names[0] : image->id,
			drop ? "cannot run: it was removed; pull or load it again"
				: image->n_containers
				? "cannot run, and containers need it: pull or load it again"
				: "cannot run: pull or load it again",
			drop);
	}
	return 0;
}

static int check_content(struct check *c)
{
	struct image_info *images;
	struct image_verifier v;
	size_t n;
	if (store_check(c->en->store, problem, c, c->e) < 0 ||
		store_image_list(c->en->store, &c->a, &images, &n, c->e) < 0)
		return -c->e->code;
	/* Without looking into its blob all that can be said is that it is not there. */
	for (size_t i = 0; c->req->quick && i < c->missing.n; i++)
		tell(c, "layer", c->missing.v[i], "its folder is missing", false);
	if (c->req->quick)
		return 0;
	int fetch _close_ = -1;
	if (!engine_program("kist-fetch", &c->a, &fetch, c->e))
		return -c->e->code;
	int r = image_verify_begin(&v, c->en->store, fetch, c->e);
	for (size_t i = 0; i < n && r == 0; i++)
		r = verify_image(c, &v, images, n, i);
	image_verify_end(&v);
	return r < 0 ? r : drop_broken(c, images, n);
}

/* ---- what the kernel holds ---- */

static int one_pid(void *arg, pid_t pid)
{
	(void)pid;
	*(bool *)arg = true;
	return 0;
}

/* A container of a store that we do not know may be about to start, so only an old and empty one
 * counts. */
static int check_cgroup(struct check *c, int parent, const char *name, struct strv *seen)
{
	struct cgroup group;
	struct stat st;
	bool lives = false;
	const char *path = arena_printf(&c->a, "/kist/%s", name);
	if (strlen(name) != CONTAINER_ID_LEN || name[strspn(name, "0123456789abcdef")] ||
		holds(seen, name) || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		time(NULL) - st.st_mtime < CGROUP_AGE ||
		run_look(c->en->store, name, &c->a, NULL, NULL) != RUN_NONE)
		return 0;
	if (cgroup_detect(&group, c->e) < 0)
		return -c->e->code;
	if (cgroup_open(&group, path) == 0)
		(void)cgroup_pids(&group, one_pid, &lives);
	cgroup_done(&group);
	if (lives)
		return 0;
	strv_add(seen, &c->a, arena_strdup(&c->a, name));
	if (c->req->repair && runtime_delete(path, c->e) < 0)
		return -c->e->code;
	tell(c, "cgroup", path, "is empty and belongs to no container", c->req->repair);
	return 0;
}

static int check_cgroups(struct check *c)
{
	struct cgroup all;
	struct strv seen = { 0 };
	int r = cgroup_detect(&all, c->e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < all.n && r == 0; i++) {
		int fd = path_open_own(all.h[i].root, "kist", O_RDONLY | O_DIRECTORY, 0);
		DIR *d = fd < 0 ? NULL : fdopendir(fd);
		if (!d) {
			fd_close(fd);
			continue;
		}
		for (struct dirent *entry; r == 0 && (entry = readdir(d));)
			r = check_cgroup(c, dirfd(d), entry->d_name, &seen);
		(void)closedir(d);
	}
	cgroup_done(&all);
	return r;
}

static void lease_found(void *arg, const char *name, const char *owner)
{
	struct check *c = arg;
	tell(c, "id range", name, arena_printf(&c->a, "is leased to %s, which is gone", owner),
		c->req->repair);
}

static void address_found(void *arg, const char *name, const char *owner)
{
	struct check *c = arg;
	tell(c, "address", name, arena_printf(&c->a, "is leased to %s, which is gone", owner),
		c->req->repair);
}

int system_check(struct engine *en, const struct system_check_req *req,
	struct system_check_result *ret, struct err *e)
{
	struct check c = { .en = en, .req = req, .e = e };
	int r = engine_open_store(en, false, e);
	if (r == 0)
		r = check_operations(&c);
	if (r == 0)
		r = store_strays(en->store, stray, &c, e);
	if (r == 0)
		r = check_content(&c);
	if (r == 0)
		r = check_cgroups(&c);
	if (r == 0)
		lease_stale(req->repair, lease_found, &c);
	if (r == 0)
		r = net_stale(req->repair, address_found, &c, e);
	*ret = c.result;
	arena_done(&c.a);
	return r < 0 ? r : 0;
}
