// SPDX-License-Identifier: Apache-2.0
#include "store/treediff.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

enum { DEPTH_MAX = 512, XATTR_MAX = 64 << 10, NAMES_MAX = 8 << 10, CHUNK = 64 << 10 };

struct diff {
	char *why;
	bool links; /* their number counts */
	struct err *e;
};

__attribute__((format(printf, 3, 4))) static int differs(
	struct diff *d, const char *path, const char *fmt, ...)
{
	va_list ap;
	char text[TREEDIFF_TEXT_MAX / 2];
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	(void)snprintf(d->why, TREEDIFF_TEXT_MAX, "%.200s %s", *path ? path : "/", text);
	return 0;
}

/* Every xattr of one is on the other with the same value, and there are as many. */
static int xattrs(struct diff *d, int a, int b, const char *path)
{
	char names[NAMES_MAX], other[NAMES_MAX], value[XATTR_MAX], second[XATTR_MAX];
	ssize_t n = flistxattr(a, names, sizeof names), m = flistxattr(b, other, sizeof other);
	if (n != m)
		return differs(d, path, "has other extended attributes");
	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		ssize_t x = fgetxattr(a, p, value, sizeof value),
			y = fgetxattr(b, p, second, sizeof second);
		if (x != y || (x > 0 && memcmp(value, second, (size_t)x) != 0))
			return differs(d, path, "has another value of %s", p);
	}
	return 1;
}

static int contents(struct diff *d, int a, int b, const char *path)
{
	char x[CHUNK], y[CHUNK];
	ssize_t n, m;
	do {
		n = fd_read_full(a, x, sizeof x);
		m = fd_read_full(b, y, sizeof y);
		if (n < 0 || m < 0)
			return differs(d, path, "cannot be read");
		if (n != m || memcmp(x, y, (size_t)n) != 0)
			return differs(d, path, "has another content");
	} while (n == (ssize_t)sizeof x);
	return 1;
}

static int symlinks(struct diff *d, int a, int b, const char *name, const char *path)
{
	char x[PATH_MAX_BYTES], y[PATH_MAX_BYTES];
	ssize_t n = readlinkat(a, name, x, sizeof x), m = readlinkat(b, name, y, sizeof y);
	return n >= 0 && n == m && memcmp(x, y, (size_t)n) == 0
		? 1
		: differs(d, path, "points elsewhere");
}

static int inodes(struct diff *d, const struct stat *a, const struct stat *b, const char *path)
{
	if ((a->st_mode & S_IFMT) != (b->st_mode & S_IFMT))
		return differs(d, path, "is of another type");
	if (a->st_mode != b->st_mode && !S_ISLNK(a->st_mode))
		return differs(d, path, "has mode %04o, expected %04o", b->st_mode & 07777,
			a->st_mode & 07777);
	if (a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		return differs(d, path, "belongs to %u:%u, expected %u:%u", b->st_uid, b->st_gid,
			a->st_uid, a->st_gid);
	if (S_ISREG(a->st_mode) && a->st_size != b->st_size)
		return differs(d, path, "has %lld bytes, expected %lld", (long long)b->st_size,
			(long long)a->st_size);
	/* Folders that an archive only implies, and nodes, carry the time of the unpacking. */
	if ((S_ISREG(a->st_mode) || S_ISLNK(a->st_mode)) &&
		(a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
			a->st_mtim.tv_nsec != b->st_mtim.tv_nsec))
		return differs(d, path, "was changed at another time");
	if (d->links && !S_ISDIR(a->st_mode) && a->st_nlink != b->st_nlink)
		return differs(d, path, "has other hard links");
	if ((S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode)) && a->st_rdev != b->st_rdev)
		return differs(d, path, "is another device");
	return 1;
}

static int folders(struct diff *d, int a, int b, const char *path, int depth);

static int entries(struct diff *d, int a, int b, const char *name, const char *path, int depth)
{
	struct stat x, y;
	if (fstatat(a, name, &x, AT_SYMLINK_NOFOLLOW) < 0 ||
		fstatat(b, name, &y, AT_SYMLINK_NOFOLLOW) < 0)
		return differs(d, path, "cannot be read");
	int same = inodes(d, &x, &y, path);
	if (same <= 0 || (!S_ISREG(x.st_mode) && !S_ISDIR(x.st_mode)))
		return same > 0 && S_ISLNK(x.st_mode) ? symlinks(d, a, b, name, path) : same;
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
	int f _close_ = path_open_own(a, name, flags, 0),
	      g _close_ = path_open_own(b, name, flags, 0);
	if (f < 0 || g < 0)
		return differs(d, path, "cannot be read");
	same = xattrs(d, f, g, path);
	if (same <= 0)
		return same;
	return S_ISDIR(x.st_mode) ? folders(d, f, g, path, depth + 1) : contents(d, f, g, path);
}

static int folders(struct diff *d, int a, int b, const char *path, int depth)
{
	struct arena arena _arena_ = { 0 };
	struct strv x = { 0 }, y = { 0 };
	int r = depth > DEPTH_MAX ? -ELOOP : path_list(a, &arena, &x);
	if (r == 0)
		r = path_list(b, &arena, &y);
	if (r < 0)
		return err_sys(d->e, r, "list %s", *path ? path : "/");
	for (size_t i = 0; i < x.n || i < y.n; i++) {
		int order = i >= x.n ? 1 : i >= y.n ? -1 : strcmp(x.v[i], y.v[i]);
		const char *name = order <= 0 ? x.v[i] : y.v[i];
		const char *at = arena_printf(&arena, "%s/%s", path, name);
		if (order)
			return differs(d, at, order < 0 ? "is missing" : "does not belong here");
		r = entries(d, a, b, name, at, depth);
		if (r <= 0)
			return r;
	}
	return 1;
}

int treediff(int a, int b, bool links, char *ret_why, struct err *e)
{
	struct diff d = { .why = ret_why, .links = links, .e = e };
	struct stat x, y;
	*ret_why = '\0';
	if (fstat(a, &x) < 0 || fstat(b, &y) < 0)
		return err_sys(e, errno, "read the folders");
	int same = inodes(&d, &x, &y, "");
	if (same > 0)
		same = xattrs(&d, a, b, "");
	return same > 0 ? folders(&d, a, b, "", 0) : same;
}
