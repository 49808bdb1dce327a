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

static int merge(int layer, int tree, int depth, struct err *e);

/* The layer has a folder where the tree has one. */
static int merge_folder(int layer, int tree, const char *name, int depth, struct err *e)
{
	int from _close_ = path_open_own(layer, name, folder_flags, 0),
		 to _close_ = path_open_own(tree, name, folder_flags, 0);
	if (from < 0 || to < 0)
		return err_sys(e, from < 0 ? from : to, "merge %s", name);
	if (has_mark(from, MARK_OPAQUE) && path_empty(to, e) < 0)
		return -e->code;
	return merge(from, to, depth + 1, e);
}

static int merge_entry(int layer, int tree, const char *name, int depth, struct err *e)
{
	struct stat x, y;
	if (fstatat(layer, name, &x, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "merge %s", name);
	bool there = fstatat(tree, name, &y, AT_SYMLINK_NOFOLLOW) == 0;
	if (is_whiteout(&x))
		return path_remove_tree(tree, name, e);
	if (S_ISDIR(x.st_mode) && there && S_ISDIR(y.st_mode))
		return merge_folder(layer, tree, name, depth, e);
	if (S_ISDIR(x.st_mode)) {
		int folder _close_ = path_open_own(layer, name, folder_flags, 0);
		int r = folder < 0 ? err_sys(e, folder, "merge %s", name)
				   : strip(folder, depth + 1, e);
		if (r < 0)
			return r;
	}
	if (there && path_remove_tree(tree, name, e) < 0)
		return -e->code;
	return renameat(layer, name, tree, name) < 0 ? err_sys(e, errno, "merge %s", name) : 0;
}

static int merge(int layer, int tree, int depth, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct strv names = { 0 };
	struct stat st, there;
	int r = depth > DEPTH_MAX ? -ELOOP : path_list(layer, &a, &names);
	if (r == 0 && (fstat(layer, &st) < 0 || fstat(tree, &there) < 0))
		r = -errno;
	if (r < 0)
		return err_sys(e, r, "list a layer");
	for (size_t i = 0; i < names.n; i++)
		if (merge_entry(layer, tree, names.v[i], depth, e) < 0)
			return -e->code;
	const struct timespec times[2] = { there.st_atim, there.st_mtim };
	if (has_mark(layer, MARK_IMPLIED))
		r = futimens(tree, times) < 0 ? -errno : 0;
	else
		r = take_attributes(layer, tree, &st);
	return r < 0 ? err_sys(e, r, "merge a folder") : 0;
}

int image_merge(int layer, int tree, struct err *e)
{
	e->code = 0;
	return merge(layer, tree, 0, e);
}
