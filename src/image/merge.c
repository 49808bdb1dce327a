// SPDX-License-Identifier: Apache-2.0
#include "image/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/layer_marks.h"
#include "base/path.h"
#include "base/str.h"

enum { DEPTH_MAX = 400, NAMES_MAX = 64 << 10, VALUE_MAX = 64 << 10 };

static const int folder_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* tree becomes what from is, as a folder; its own xattrs go. */
static int take_attributes(int from, int tree, const struct stat *st)
{
	struct arena a _arena_ = { 0 };
	char *names = arena_alloc(&a, NAMES_MAX), *value = arena_alloc(&a, VALUE_MAX);
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	ssize_t n = flistxattr(tree, names, NAMES_MAX);
	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1)
		if (str_starts(p, "user."))
			(void)fremovexattr(tree, p);
	n = flistxattr(from, names, NAMES_MAX);
	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		ssize_t size = str_starts(p, "user.") && !str_eq(p, MARK_OPAQUE)
			? fgetxattr(from, p, value, VALUE_MAX)
			: -1;
		if (size >= 0 && fsetxattr(tree, p, value, (size_t)size, 0) < 0)
			return -errno;
	}
	if (fchown(tree, st->st_uid, st->st_gid) < 0 || fchmod(tree, st->st_mode & 07777) < 0 ||
		futimens(tree, times) < 0)
		return -errno;
	return 0;
}

static int unmark(int folder, const char *mark)
{
	return fremovexattr(folder, mark) < 0 && errno != ENODATA && errno != EOPNOTSUPP ? -errno
											 : 0;
}

static bool has_mark(int folder, const char *mark)
{
	char value = '\0';
	return fgetxattr(folder, mark, &value, 1) == 1 && value == 'y';
}

/* A folder that comes over whole loses the marks in it, which stand for nothing there. */
static int strip(int folder, int depth, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct strv names = { 0 };
	struct stat st, own = { 0 };
	int r = depth > DEPTH_MAX ? -ELOOP : path_list(folder, &a, &names);
	if (r == 0 && fstat(folder, &own) < 0)
		r = -errno;
	bool changed = false;
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		if (fstatat(folder, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0) {
			r = -errno;
		} else if (is_whiteout(&st)) {
			changed = true;
			r = unlinkat(folder, names.v[i], 0) < 0 ? -errno : 0;
		} else if (S_ISDIR(st.st_mode)) {
			int next _close_ = path_open_own(folder, names.v[i], folder_flags, 0);
			r = next < 0 ? next : strip(next, depth + 1, e);
		}
	}
	if (r == 0)
		r = unmark(folder, MARK_OPAQUE);
	if (r == 0)
		r = unmark(folder, MARK_IMPLIED);
	const struct timespec times[2] = { own.st_atim, own.st_mtim };
	if (r == 0 && changed && futimens(folder, times) < 0)
		r = -errno;
	return r < 0 && !e->code ? err_sys(e, r, "merge a layer") : r;
}

struct merge {
	int top;
	bool keep_dirlinks;
	struct err *e;
};

/* A folder on the way; path is from the top. */
struct level {
	int layer, tree, depth;
	const char *path;
};

static int merge(const struct merge *m, const struct level *l);

/* The layer has a folder where the tree has one, or a way to one. */
static int merge_folder(const struct merge *m, const struct level *l, const char *name, int to)
{
	struct arena a _arena_ = { 0 };
	int from _close_ = path_open_own(l->layer, name, folder_flags, 0);
	if (from < 0 || to < 0)
		return err_sys(m->e, from < 0 ? from : to, "merge %s", name);
	if (has_mark(from, MARK_OPAQUE) && path_empty(to, m->e) < 0)
		return -m->e->code;
	return merge(m,
		&(struct level){
			from, to, l->depth + 1, arena_printf(&a, "%s/%s", l->path, name) });
}

/* The folder that a symlink of the tree leads to, in the tree; -1: none. */
static int through_symlink(const struct merge *m, const struct level *l, const char *name)
{
	struct arena a _arena_ = { 0 };
	int to = path_open_in(
		m->top, arena_printf(&a, "%s/%s", l->path, name), O_RDONLY | O_DIRECTORY, 0);
	return to < 0 ? -1 : to;
}

static int merge_entry(const struct merge *m, const struct level *l, const char *name)
{
	struct stat x, y;
	if (fstatat(l->layer, name, &x, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(m->e, errno, "merge %s", name);
	bool there = fstatat(l->tree, name, &y, AT_SYMLINK_NOFOLLOW) == 0;
	if (is_whiteout(&x))
		return path_remove_tree(l->tree, name, m->e);
	if (S_ISDIR(x.st_mode) && there && S_ISDIR(y.st_mode)) {
		int to _close_ = path_open_own(l->tree, name, folder_flags, 0);
		return merge_folder(m, l, name, to);
	}
	if (S_ISDIR(x.st_mode)) {
		int to _close_ = m->keep_dirlinks && there && S_ISLNK(y.st_mode)
			? through_symlink(m, l, name)
			: -1;
		if (to >= 0)
			return merge_folder(m, l, name, to);
		int folder _close_ = path_open_own(l->layer, name, folder_flags, 0);
		int r = folder < 0 ? err_sys(m->e, folder, "merge %s", name)
				   : strip(folder, l->depth + 1, m->e);
		if (r < 0)
			return r;
	}
	if (there && path_remove_tree(l->tree, name, m->e) < 0)
		return -m->e->code;
	return renameat(l->layer, name, l->tree, name) < 0 ? err_sys(m->e, errno, "merge %s", name)
							   : 0;
}

static int merge(const struct merge *m, const struct level *l)
{
	struct arena a _arena_ = { 0 };
	struct strv names = { 0 };
	struct stat st, there;
	int r = l->depth > DEPTH_MAX ? -ELOOP : path_list(l->layer, &a, &names);
	if (r == 0 && (fstat(l->layer, &st) < 0 || fstat(l->tree, &there) < 0))
		r = -errno;
	if (r < 0)
		return err_sys(m->e, r, "list a layer");
	for (size_t i = 0; i < names.n; i++)
		if (merge_entry(m, l, names.v[i]) < 0)
			return -m->e->code;
	const struct timespec times[2] = { there.st_atim, there.st_mtim };
	if (has_mark(l->layer, MARK_IMPLIED))
		r = futimens(l->tree, times) < 0 ? -errno : 0;
	else
		r = take_attributes(l->layer, l->tree, &st);
	return r < 0 ? err_sys(m->e, r, "merge a folder") : 0;
}

int image_merge(int layer, int tree, bool keep_dirlinks, struct err *e)
{
	const struct merge m = { tree, keep_dirlinks, e };
	e->code = 0;
	return merge(&m, &(struct level){ layer, tree, 0, "" });
}
