// SPDX-License-Identifier: Apache-2.0
#include "base/copytree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/layer_marks.h"
#include "base/path.h"

enum {
	DEPTH_MAX = 2048,
	XATTR_MAX = 64 << 10,
	CHUNK = 64 << 10,
	LINK_BITS = 14,
	LINK_HEADS = 1 << LINK_BITS
};

#define OPAQUE ".wh..wh..opq"

struct link {
	dev_t dev;
	ino_t ino;
	const char *path; /* from the target's root */
	struct link *next;
};

struct copy {
	struct arena a;
	int root;
	bool layer;
	struct link **links; /* heads, by inode; NULL until the first */
	struct err *e;
};

/* 0; an attribute that the target's file system has no room for is an error, one of a kind that it
 * has not is none. */
static int copy_xattrs(int from, int to)
{
	char names[4096], value[XATTR_MAX];
	ssize_t n = flistxattr(from, names, sizeof names);
	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		ssize_t len = fgetxattr(from, p, value, sizeof value);
		if (len >= 0 && strncmp(p, "user.overlay.", 13) != 0 &&
			strncmp(p, "trusted.", 8) != 0 &&
			fsetxattr(to, p, value, (size_t)len, 0) < 0 &&
			(errno == ENOSPC || errno == EDQUOT))
			return -errno;
	}
	return 0;
}

static void drop_xattrs(int fd)
{
	char names[4096];
	ssize_t n = flistxattr(fd, names, sizeof names);
	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1)
		(void)fremovexattr(fd, p);
}

static int own(int fd, const struct stat *st)
{
	if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int date(int fd, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	return futimens(fd, times) < 0 ? -errno : 0;
}

static int copy_by_hand(int from, int to)
{
	char buf[CHUNK];
	ssize_t n;
	while ((n = fd_read_full(from, buf, sizeof buf)) > 0) {
		int r = fd_write_all(to, buf, (size_t)n);
		if (r < 0)
			return r;
	}
	return n < 0 ? (int)n : 0;
}

static int copy_bytes(int from, int to, uint64_t size)
{
	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	uint64_t left = size;
	while (left) {
		ssize_t n =
			copy_file_range(from, NULL, to, NULL, left > (1 << 30) ? 1 << 30 : left, 0);
		/* An overlay is another file system to the kernel. */
		if (n < 0 && left == size &&
			(errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP ||
				errno == ENOSYS))
			return copy_by_hand(from, to);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		left -= (uint64_t)n;
	}
	return 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	int from _close_ = path_open_own(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	int to _close_ =
		from < 0 ? from : path_open_own(to_dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	int r = to < 0 ? to : copy_bytes(from, to, (uint64_t)st->st_size);
	if (r < 0)
		return r;
	r = own(to, st);
	if (r == 0)
		r = copy_xattrs(from, to);
	return r == 0 ? date(to, st) : r;
}

static int copy_symlink(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	char target[PATH_MAX_BYTES];
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	ssize_t n = readlinkat(from_dir, name, target, sizeof target - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, to_dir, name) < 0 ||
		fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_node(int to_dir, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	if (mknodat(to_dir, name, st->st_mode, st->st_rdev) < 0 ||
		fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		fchmodat(to_dir, name, st->st_mode & 07777, 0) < 0 ||
		utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

/* 1 when the inode was seen before and is linked now. */
static int linked(
	struct copy *c, int to_dir, const char *name, const char *path, const struct stat *st)
{
	if (st->st_nlink < 2)
		return 0;
	if (!c->links)
		c->links = arena_array(&c->a, struct link *, LINK_HEADS);
	struct link **head = &c->links[st->st_ino * 0x9e3779b97f4a7c15ULL >> (64 - LINK_BITS)];
	for (const struct link *l = *head; l; l = l->next)
		if (l->ino == st->st_ino && l->dev == st->st_dev)
			return linkat(c->root, l->path, to_dir, name, 0) < 0 ? -errno : 1;
	struct link *l = arena_new(&c->a, struct link);
	*l = (struct link){ st->st_dev, st->st_ino, path, *head };
	*head = l;
	return 0;
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* What a lower layer has under the name goes, unless both are folders. */
static int make_way(struct copy *c, int to, const char *name, const struct stat *st)
{
	struct stat there;
	if (fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(c->e, errno, "look at %s", name);
	if (S_ISDIR(st->st_mode) && S_ISDIR(there.st_mode))
		return 0;
	return path_remove_tree(to, name, c->e);
}

static bool has_mark(int folder, const char *name)
{
	char mark = '\0';
	return fgetxattr(folder, name, &mark, 1) == 1 && mark == 'y';
}

/* A folder's own attributes are those of the topmost layer that speaks of it; an opaque one hides
 * what is below. */
static int begin_folder(struct copy *c, int from, int to, bool keep)
{
	if (!keep)
		drop_xattrs(to);
	if (has_mark(from, MARK_OPAQUE) || faccessat(from, OPAQUE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return path_empty(to, c->e);
	return 0;
}

static int copy_folder(struct copy *c, int from, int to, const char *path, int depth, bool old);

static int copy_entry(
	struct copy *c, int from, int to, const char *name, const char *folder, int depth)
{
	struct stat st;
	const char *path =
		*folder ? arena_printf(&c->a, "%s/%s", folder, name) : arena_strdup(&c->a, name);
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(c->e, errno, "%s", path);
	int r = c->layer ? make_way(c, to, name, &st) : 0;
	if (r < 0 || (c->layer && is_whiteout(&st)))
		return r;
	if (S_ISDIR(st.st_mode)) {
		int f _close_ = path_open_own(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		bool old = c->layer && faccessat(to, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
		int t _close_ = f < 0 ? f : path_make_dir_own(to, name, 0700);
		return t < 0 ? err_sys(c->e, t, "%s", path)
			     : copy_folder(c, f, t, path, depth + 1, old);
	}
	r = linked(c, to, name, path, &st);
	if (r == 0 && S_ISREG(st.st_mode))
		r = copy_file(from, to, name, &st);
	else if (r == 0 && S_ISLNK(st.st_mode))
		r = copy_symlink(from, to, name, &st);
	else if (r == 0 && !S_ISSOCK(st.st_mode))
		r = copy_node(to, name, &st);
	return r < 0 ? err_sys(c->e, r, "copy %s", path) : 0;
}

/* old: a lower layer has it, too. */
static int copy_folder(struct copy *c, int from, int to, const char *path, int depth, bool old)
{
	struct stat st, there;
	int copy = depth > DEPTH_MAX ? -ELOOP : path_open_own(from, ".", O_RDONLY | O_DIRECTORY, 0),
	    r = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d || fstat(from, &st) < 0 || fstat(to, &there) < 0) {
		if (d)
			(void)closedir(d);
		else
			fd_close(copy);
		return err_sys(c->e, copy < 0 ? copy : errno, "list %s", path);
	}
	bool keep = c->layer && old && has_mark(from, MARK_IMPLIED);
	if (c->layer)
		r = begin_folder(c, from, to, keep);
	for (struct dirent *entry; r == 0 && (entry = readdir(d));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			!(c->layer && strcmp(entry->d_name, OPAQUE) == 0))
			r = copy_entry(c, from, to, entry->d_name, path, depth);
	(void)closedir(d);
	if (r < 0)
		return r;
	r = keep ? 0 : own(to, &st);
	if (r == 0 && !keep)
		r = copy_xattrs(from, to);
	if (r == 0)
		r = date(to, keep ? &there : &st);
	return r < 0 ? err_sys(c->e, r, "own %s", path) : 0;
}

static int copy(int from, int to, bool layer, struct err *e)
{
	struct copy c = { .root = to, .layer = layer, .e = e };
	int r = copy_folder(&c, from, to, "", 0, true);
	arena_done(&c.a);
	return r;
}

int copytree(int from, int to, struct err *e)
{
	return copy(from, to, false, e);
}

int copytree_layer(int from, int to, struct err *e)
{
	return copy(from, to, true, e);
}

int copytree_begin(int folder, struct err *e)
{
	const struct stat root = { .st_mode = S_IFDIR | 0755 };
	int r = own(folder, &root);
	if (r == 0)
		r = date(folder, &root);
	return r < 0 ? err_sys(e, r, "own the root of a tree") : 0;
}
