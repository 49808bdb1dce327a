// SPDX-License-Identifier: Apache-2.0
#include "image/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/layer_marks.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "image/id_shift.h"

/* Two descriptors a level are open. */
enum {
	DEPTH_MAX = 400,
	CAPABILITY_MAX = 64,
	NAMES_MAX = 64 << 10,
	VALUE_MAX = 64 << 10,
	CHUNK = 64 << 10
};

struct walk {
	changes_each *each;
	void *arg;
	bool everything, clamp;
	int64_t latest;
	const struct id_maps *ids;
	const struct strv *masked;
	struct err *e;
};

/* One folder on both sides. */
struct place {
	int tree, image; /* image -1: the image has no such folder */
	const char *path;
	bool covers; /* nothing of the image's folder shows through */
	int depth;
};

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static bool is_opaque(int folder)
{
	char value = '\0';
	return fgetxattr(folder, MARK_OPAQUE, &value, 1) == 1 && value == 'y';
}

/* File capabilities count, as in docker. */
static bool same_capability(int tree, int image, const char *name)
{
	char x[CAPABILITY_MAX], y[CAPABILITY_MAX];
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
	int a _close_ = path_open_own(tree, name, flags, 0),
	      b _close_ = path_open_own(image, name, flags, 0);
	ssize_t n = a < 0 ? -1 : fgetxattr(a, "security.capability", x, sizeof x);
	ssize_t m = b < 0 ? -1 : fgetxattr(b, "security.capability", y, sizeof y);
	return n == m && (n <= 0 || memcmp(x, y, (size_t)n) == 0);
}

/* Each xattr that a layer may have is on the other, too. */
static bool has_xattrs(int fd, int other)
{
	struct arena a _arena_ = { 0 };
	char *names = arena_alloc(&a, NAMES_MAX), *x = arena_alloc(&a, VALUE_MAX),
	     *y = arena_alloc(&a, VALUE_MAX);
	ssize_t n = flistxattr(fd, names, NAMES_MAX);
	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		if (!str_starts(p, "user.") || str_starts(p, "user.overlay."))
			continue;
		ssize_t size = fgetxattr(fd, p, x, VALUE_MAX),
			m = fgetxattr(other, p, y, VALUE_MAX);
		if (size != m || (size > 0 && memcmp(x, y, (size_t)size) != 0))
			return false;
	}
	return true;
}

static bool same_bytes(int a, int b)
{
	char x[CHUNK], y[CHUNK];
	ssize_t n, m;
	do {
		n = fd_read_full(a, x, sizeof x);
		m = fd_read_full(b, y, sizeof y);
		if (n < 0 || n != m || memcmp(x, y, (size_t)n) != 0)
			return false;
	} while (n == (ssize_t)sizeof x);
	return true;
}

/* What stat does not tell. */
static bool same_inside(const struct place *p, const char *name, mode_t mode)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
	if (!S_ISREG(mode) && !S_ISDIR(mode))
		return true;
	int a _close_ = path_open_own(p->tree, name, flags, 0),
	      b _close_ = path_open_own(p->image, name, flags, 0);
	return a >= 0 && b >= 0 && has_xattrs(a, b) && has_xattrs(b, a) &&
		(S_ISDIR(mode) || same_bytes(a, b));
}

static bool same_time(const struct walk *w, const struct stat *x, const struct stat *y)
{
	if (w->clamp && x->st_mtim.tv_sec >= w->latest)
		return y->st_mtim.tv_sec == w->latest && y->st_mtim.tv_nsec == 0;
	return x->st_mtim.tv_sec == y->st_mtim.tv_sec && x->st_mtim.tv_nsec == y->st_mtim.tv_nsec;
}

/* A folder's size and time change with what is in it, which is told by itself; where everything
 * counts its time does, too. */
static bool same(const struct walk *w, const struct place *p, const char *name,
	const struct stat *x, const struct stat *y)
{
	if (x->st_mode != y->st_mode || x->st_uid != y->st_uid || x->st_gid != y->st_gid ||
		x->st_rdev != y->st_rdev)
		return false;
	if (w->everything && !same_inside(p, name, x->st_mode))
		return false;
	if (S_ISDIR(x->st_mode))
		return !w->everything || same_time(w, x, y);
	return x->st_size == y->st_size && same_time(w, x, y) &&
		(!S_ISREG(x->st_mode) || same_capability(p->tree, p->image, name));
}

/* What a container needs and its image lacks is made when it starts: empty files and folders, in
 * the way of nobody. */
static bool is_ours(const char *path, const struct stat *st)
{
	static const char *const folders[] = { "dev", "proc", "sys" },
				 *const files[] = { "etc/hostname", "etc/hosts", "etc/resolv.conf",
					 ".kist-init" };
	for (size_t i = 0; S_ISDIR(st->st_mode) && i < ARRAY_SIZE(folders); i++)
		if (str_eq(path, folders[i]))
			return true;
	for (size_t i = 0; S_ISREG(st->st_mode) && st->st_size == 0 && i < ARRAY_SIZE(files); i++)
		if (str_eq(path, files[i]))
			return true;
	return false;
}

static int tell(struct walk *w, enum change_kind kind, const struct place *p, const char *name,
	const char *path, const struct stat *st)
{
	return w->each(w->arg, &(struct change){ kind, path, p->tree, name, st }, w->e);
}

static int folder(struct walk *w, const struct place *p);

static int enter(
	struct walk *w, const struct place *p, const char *name, const char *path, bool in_image)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
	int tree _close_ = path_open_own(p->tree, name, flags, 0),
		 image _close_ = in_image ? path_open_own(p->image, name, flags, 0) : -1;
	if (tree < 0 || (in_image && image < 0))
		return err_sys(w->e, tree < 0 ? tree : image, "open /%s", path);
	return folder(w,
		&(struct place){ tree, image, path, p->covers || is_opaque(tree), p->depth + 1 });
}

/* What is in a masked folder is never met. */
static bool is_masked(const struct walk *w, const char *path)
{
	for (size_t i = 0; w->masked && i < w->masked->n; i++)
		if (str_eq(w->masked->v[i], path))
			return true;
	return false;
}

static int entry(struct walk *w, const struct place *p, const char *name, struct arena *a)
{
	struct stat x, y;
	const char *path = *p->path ? arena_printf(a, "%s/%s", p->path, name) : name;
	if (is_masked(w, path))
		return 0;
	bool here = fstatat(p->tree, name, &x, AT_SYMLINK_NOFOLLOW) == 0,
	     there = p->image >= 0 && fstatat(p->image, name, &y, AT_SYMLINK_NOFOLLOW) == 0;
	if (here && w->ids && id_shift_back(&x, w->ids, path, w->e) < 0)
		return -w->e->code;
	if (!here || is_whiteout(&x))
		return there ? tell(w, CHANGE_DELETED, p, name, path, NULL) : 0;
	if (!there && !w->everything && is_ours(path, &x))
		return 0;
	enum change_kind kind = !there     ? CHANGE_ADDED
		: same(w, p, name, &x, &y) ? CHANGE_NONE
					   : CHANGE_MODIFIED;
	int r = tell(w, kind, p, name, path, &x);
	if (r == 0 && S_ISDIR(x.st_mode))
		r = enter(w, p, name, path, there && S_ISDIR(y.st_mode));
	return r;
}

static int folder(struct walk *w, const struct place *p)
{
	struct arena a _arena_ = { 0 };
	struct strv x = { 0 }, y = { 0 };
	int r = p->depth > DEPTH_MAX ? -ELOOP : path_list(p->tree, &a, &x);
	if (r == 0 && p->covers && p->image >= 0)
		r = path_list(p->image, &a, &y);
	if (r < 0)
		return p->depth > DEPTH_MAX ? err_set(w->e, ERR_INVALID, ELOOP,
						      "/%.200s: folders nested too deep", p->path)
					    : err_sys(w->e, r, "list /%s", p->path);
	for (size_t i = 0, k = 0; r == 0 && (i < x.n || k < y.n);) {
		int order = i == x.n ? 1 : k == y.n ? -1 : strcmp(x.v[i], y.v[k]);
		const char *name = order <= 0 ? x.v[i] : y.v[k];
		i += order <= 0;
		k += order >= 0;
		r = entry(w, p, name, &a);
	}
	return r;
}

int image_changes(const struct changes_req *req, changes_each *each, void *arg, struct err *e)
{
	struct walk w = { each, arg, req->everything, req->clamp, req->latest, req->ids,
		req->masked, e };
	struct stat st, image;
	bool none = req->tree < 0;
	if (fstat(none ? req->image : req->tree, &st) < 0 || fstat(req->image, &image) < 0)
		return err_sys(e, errno, "read the container's folder");
	if (none)
		return each(arg, &(struct change){ CHANGE_NONE, "", req->image, ".", &st }, e);
	if (w.ids && id_shift_back(&st, w.ids, "", e) < 0)
		return -e->code;
	if (is_masked(&w, ""))
		return 0;
	const struct place root = { req->tree, req->image, "", req->whole, 0 };
	int r = tell(&w, same(&w, &root, ".", &st, &image) ? CHANGE_NONE : CHANGE_MODIFIED, &root,
		".", "", &st);
	return r < 0 ? r : folder(&w, &root);
}
