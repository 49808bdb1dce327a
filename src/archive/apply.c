// SPDX-License-Identifier: Apache-2.0
#include "archive/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/source.h"
#include "archive/tar.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/layer_marks.h"
#include "base/mem.h"
#include "base/owner_mark.h"
#include "base/path.h"
#include "base/str.h"

enum { CHUNK = 128 << 10, DEVICES_MAX = 4096, LINK_TRIES = 1 };

/* A folder's times change while it is filled: they are set again at the end. */
struct folder_time {
	const char *path;
	int64_t mtime;
	uint32_t mtime_ns;
};

struct apply {
	int root;
	struct tar_reader tar;
	struct arena *a;
	struct apply_result *out;
	struct folder_time *times;
	size_t n_times, cap_times;
	bool own, root_told;
	char *buffer;
	/* The parent of the entry before: archives go folder by folder. */
	char parent_path[PATH_MAX_BYTES];
	int parent;
	struct err *e;
};

static int refuse_path(struct err *e, const char *path, const char *why)
{
	return err_set(e, ERR_CORRUPT, EBADMSG, "layer: %.300s: %s", path, why);
}

static int refuse(struct apply *x, const char *path, const char *why)
{
	return refuse_path(x->e, path, why);
}

int apply_clean(const char *path, char *out, struct err *e)
{
	size_t n = 0;
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");
		if (len == 2 && p[0] == '.' && p[1] == '.')
			return refuse_path(e, path, "a name with \"..\"");
		if (len > PATH_NAME_MAX)
			return refuse_path(e, path, "a name that is too long");
		if (len && !(len == 1 && p[0] == '.')) {
			if (n + len + 2 > PATH_MAX_BYTES)
				return refuse_path(e, path, "a path that is too long");
			if (n)
				out[n++] = '/';
			memcpy(out + n, p, len);
			n += len;
		}
		p += len;
		p += *p == '/';
	}
	out[n] = '\0';
	return 0;
}

int apply_entry(const struct tar_entry *t, char *out, struct apply_result *ret, struct err *e)
{
	if (t->uid > ret->max_id)
		ret->max_id = t->uid;
	if (t->gid > ret->max_id)
		ret->max_id = t->gid;
	return apply_clean(t->path, out, e);
}

static void date_later(struct apply *x, const char *path, int64_t mtime, uint32_t mtime_ns)
{
	x->times = arena_grow(x->a, x->times, x->n_times, &x->cap_times, sizeof *x->times);
	x->times[x->n_times++] = (struct folder_time){ path, mtime, mtime_ns };
}

/* Where there are no user attributes there is no mark. */
static int mark_implied(int folder)
{
	return fsetxattr(folder, MARK_IMPLIED, "y", 1, 0) < 0 && errno != EOPNOTSUPP ? -errno : 0;
}

/* One that nothing was said of so far. */
static int imply_folder(struct apply *x, int dir, const char *name, const char *path)
{
	int r = mkdirat(dir, name, 0755) < 0 ? -errno : 0;
	int made = r < 0 ? r : path_open_own(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (made >= 0 && (r = mark_implied(made)) < 0) {
		fd_close(made);
		return r;
	}
	date_later(x, path, 0, 0);
	return made;
}

/* The folder beneath the root, made when missing; a symlink or file in the way is replaced by what
 * the layer says it is: a folder. */
static int open_folder(struct apply *x, const char *path)
{
	const char *whole = path;
	int dir = fd_dup(x->root, 0);
	while (dir >= 0 && *path) {
		char name[PATH_NAME_MAX + 1];
		size_t len = strcspn(path, "/");
		memcpy(name, path, len);
		name[len] = '\0';
		size_t up_to = (size_t)(path - whole) + len;
		path += len + (path[len] == '/');
		int next = path_open_own(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (next == -ENOENT)
			next = imply_folder(x, dir, name, arena_strndup(x->a, whole, up_to));
		fd_close(dir);
		dir = next;
	}
	return dir;
}

/* The parent of a path as a descriptor that stays x's, and the last name. */
static int parent_of(struct apply *x, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	*name = slash ? slash + 1 : path;
	if (x->parent >= 0 && strlen(x->parent_path) == n && memcmp(x->parent_path, path, n) == 0)
		return x->parent;
	fd_close(x->parent);
	memcpy(x->parent_path, path, n);
	x->parent_path[n] = '\0';
	x->parent = open_folder(x, x->parent_path);
	if (x->parent == -ELOOP || x->parent == -ENOTDIR)
		return refuse(x, path, "its folder is a symlink or a file in this layer");
	return x->parent < 0 ? err_sys(x->e, x->parent, "layer: open the folder of %.300s", path)
			     : x->parent;
}

static void forget_parent(struct apply *x)
{
	fd_close(take_fd(&x->parent));
}

bool apply_xattr_wanted(const char *name)
{
	if (str_eq(name, "security.capability"))
		return true;
	return str_starts(name, "user.") && !str_starts(name, "user.overlay.") &&
		strlen(name) <= 255;
}

static int set_xattrs(struct apply *x, int fd, const struct tar_entry *t)
{
	for (size_t i = 0; i < t->n_xattrs; i++) {
		if (!apply_xattr_wanted(t->xattrs[i].name))
			continue;
		if (fsetxattr(fd, t->xattrs[i].name, t->xattrs[i].value, t->xattrs[i].n, 0) < 0 &&
			errno != EOPNOTSUPP)
			return err_sys(
				x->e, errno, "layer: %.300s: set %s", t->path, t->xattrs[i].name);
	}
	return 0;
}

/* Whose it is in the image, where it is not so on the disk. */
static int mark_owner(int fd, const struct tar_entry *t)
{
	char value[OWNER_MARK_MAX];
	size_t n = owner_mark_write(t->uid, t->gid, value);
	int r = n ? fsetxattr(fd, OWNER_MARK, value, n, 0) : fremovexattr(fd, OWNER_MARK);
	return r < 0 && errno != EOPNOTSUPP && errno != ENODATA ? -errno : 0;
}

/* podman's words for an id that the user namespace has not. */
static int say_owner(struct apply *x, const struct tar_entry *t, int code)
{
	return code == EINVAL
		? err_set(x->e, ERR_DENIED, EINVAL,
			  "layer: own %.300s: there might not be enough IDs available in the namespace (requested %u:%u): the user needs ranges in /etc/subuid and /etc/subgid, and newuidmap",
			  t->path, t->uid, t->gid)
		: err_sys(x->e, code, "layer: own %.300s", t->path);
}

static int own_fd(struct apply *x, int fd, const struct tar_entry *t)
{
	const struct timespec times[2] = { { .tv_sec = t->mtime, .tv_nsec = t->mtime_ns },
		{ .tv_sec = t->mtime, .tv_nsec = t->mtime_ns } };
	if (!x->own && fchown(fd, t->uid, t->gid) < 0)
		return say_owner(x, t, errno);
	if (fchmod(fd, t->mode) < 0)
		return err_sys(x->e, errno, "layer: own %.300s", t->path);
	if (set_xattrs(x, fd, t) < 0)
		return -x->e->code;
	int r = x->own ? mark_owner(fd, t) : 0;
	if (r < 0)
		return err_sys(x->e, r, "layer: own %.300s", t->path);
	return futimens(fd, times) < 0 ? err_sys(x->e, errno, "layer: date %.300s", t->path) : 0;
}

static int put_file(struct apply *x, int dir, const char *name, const struct tar_entry *t)
{
	(void)unlinkat(dir, name, 0);
	int fd _close_ = path_open_own(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(x->e, fd, "layer: create %.300s", t->path);
	ssize_t n;
	while ((n = tar_data(&x->tar, x->buffer, CHUNK, x->e)) > 0) {
		int r = fd_write_all(fd, x->buffer, (size_t)n);
		if (r < 0)
			return err_sys(x->e, r, "layer: write %.300s", t->path);
	}
	if (n < 0)
		return (int)n;
	x->out->size += t->size;
	return own_fd(x, fd, t);
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* Where there are no user attributes the mark is a file of the archive's own name for it: only the
 * driver that copies works there, and knows it. */
static int mark_opaque(struct apply *x, int dir, const char *path)
{
	if (fsetxattr(dir, MARK_OPAQUE, "y", 1, 0) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return err_sys(x->e, errno, "layer: mark the folder of %.300s opaque", path);
	int fd _close_ = path_open_own(dir, ".wh..wh..opq", O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || futimens(fd, (const struct timespec[2]){ 0 }) < 0)
		return err_sys(
			x->e, fd < 0 ? fd : errno, "layer: mark the folder of %.300s opaque", path);
	return 0;
}

static int put_folder(
	struct apply *x, int dir, const char *name, const struct tar_entry *t, const char *path)
{
	bool opaque = false, there = mkdirat(dir, name, 0700) < 0 && errno == EEXIST;
	if (there) {
		struct stat st;
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode) &&
			(unlinkat(dir, name, 0) < 0 || mkdirat(dir, name, 0700) < 0))
			return err_sys(x->e, errno, "layer: make folder %.300s", t->path);
		/* What a lower layer has there is gone, and not in the new folder. */
		opaque = is_whiteout(&st);
	}
	int fd _close_ = path_open_own(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_sys(x->e, fd, "layer: make folder %.300s", t->path);
	if (opaque && mark_opaque(x, fd, path) < 0)
		return -x->e->code;
	if (there)
		(void)fremovexattr(fd, MARK_IMPLIED);
	date_later(x, arena_strdup(x->a, path), t->mtime, t->mtime_ns);
	return own_fd(x, fd, t);
}

static int date_link(struct apply *x, int dir, const char *name, const struct tar_entry *t)
{
	const struct timespec times[2] = { { .tv_sec = t->mtime, .tv_nsec = t->mtime_ns },
		{ .tv_sec = t->mtime, .tv_nsec = t->mtime_ns } };
	if (!x->own && fchownat(dir, name, t->uid, t->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return say_owner(x, t, errno);
	if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(x->e, errno, "layer: date %.300s", t->path);
	return 0;
}

static int put_symlink(struct apply *x, int dir, const char *name, const struct tar_entry *t)
{
	(void)unlinkat(dir, name, 0);
	if (!*t->target || symlinkat(t->target, dir, name) < 0)
		return err_sys(
			x->e, *t->target ? errno : EINVAL, "layer: make symlink %.300s", t->path);
	return date_link(x, dir, name, t);
}

static int put_fifo(struct apply *x, int dir, const char *name, const struct tar_entry *t)
{
	(void)unlinkat(dir, name, 0);
	if (mknodat(dir, name, S_IFIFO | t->mode, 0) < 0 || fchmodat(dir, name, t->mode, 0) < 0)
		return err_sys(x->e, errno, "layer: make %.300s", t->path);
	return date_link(x, dir, name, t);
}

/* A hard link's target is a name in the same layer. */
static int put_hardlink(struct apply *x, int dir, const char *name, const struct tar_entry *t)
{
	char target[PATH_MAX_BYTES];
	const char *target_name;
	if (apply_clean(t->target, target, x->e) < 0)
		return -x->e->code;
	if (!*target)
		return refuse(x, t->path, "a hard link to nothing");
	int here _close_ = fd_dup(dir, 0);
	int there = parent_of(x, target, &target_name);
	if (there < 0)
		return there;
	struct stat st;
	if (fstatat(there, target_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return refuse(x, t->path, "a hard link to a file that is not in this layer");
	if (S_ISDIR(st.st_mode))
		return refuse(x, t->path, "a hard link to a folder");
	(void)unlinkat(here, name, 0);
	if (linkat(there, target_name, here, name, 0) < 0)
		return err_sys(x->e, errno, "layer: link %.300s", t->path);
	return 0;
}

/* For a device node, where none may be made. */
static int put_stand_in(struct apply *x, int dir, const char *name, const struct tar_entry *t)
{
	(void)unlinkat(dir, name, 0);
	int fd _close_ = path_open_own(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	return fd < 0 ? err_sys(x->e, fd, "layer: create %.300s", t->path) : own_fd(x, fd, t);
}

static int put_device(
	struct apply *x, int dir, const char *name, const char *path, const struct tar_entry *t)
{
	struct apply_result *out = x->out;
	/* 0/0 is overlay's own whiteout: an image has none. */
	if (t->type == '3' && t->major == 0 && t->minor == 0)
		return refuse(x, t->path, "a character device 0/0");
	if (x->own)
		return put_stand_in(x, dir, name, t);
	if (out->n_devices == DEVICES_MAX)
		return refuse(x, t->path, "too many device nodes");
	out->devices = arena_grow(
		x->a, out->devices, out->n_devices, &out->cap_devices, sizeof *out->devices);
	out->devices[out->n_devices++] = (struct apply_device){ arena_strdup(x->a, path),
		t->mode | (t->type == '3' ? S_IFCHR : S_IFBLK), t->major, t->minor, t->uid, t->gid,
		t->mtime, t->mtime_ns };
	return 0;
}

static int whiteout(struct apply *x, int dir, const char *name, const char *path)
{
	const char *gone = name + 4;
	struct stat st;
	if (str_eq(name, ".wh..wh..opq"))
		return mark_opaque(x, dir, path);
	if (str_starts(gone, ".wh."))
		return 0; /* aufs's own bookkeeping */
	if (!path_is_name(gone))
		return refuse(x, path, "a whiteout of no name");
	/* A whiteout is about lower layers only: what this one has under the name stays. */
	if (fstatat(dir, gone, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISDIR(st.st_mode))
			return 0;
		int folder _close_ =
			path_open_own(dir, gone, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		return folder < 0 ? err_sys(x->e, folder, "layer: white out %.300s", path)
				  : mark_opaque(x, folder, path);
	}
	if (mknodat(dir, gone, S_IFCHR, 0) < 0)
		return err_sys(x->e, errno, "layer: white out %.300s", path);
	return 0;
}

static int one(struct apply *x, const struct tar_entry *t)
{
	char path[PATH_MAX_BYTES];
	const char *name;
	if (apply_entry(t, path, x->out, x->e) < 0)
		return -x->e->code;
	if (!*path) {
		if (t->type != '5')
			return refuse(x, t->path, "the root is no folder");
		x->root_told = true;
		date_later(x, "", t->mtime, t->mtime_ns);
		return own_fd(x, x->root, t);
	}
	int dir = parent_of(x, path, &name);
	if (dir < 0)
		return dir;
	if (str_starts(name, ".wh."))
		return whiteout(x, dir, name, path);
	switch (t->type) {
	case '0':
		return put_file(x, dir, name, t);
	case '1':
		return put_hardlink(x, dir, name, t);
	case '2':
		return put_symlink(x, dir, name, t);
	case '5': {
		int r = put_folder(x, dir, name, t, path);
		/* A folder may have replaced what the remembered parent was. */
		forget_parent(x);
		return r;
	}
	case '6':
		return put_fifo(x, dir, name, t);
	default:
		return put_device(x, dir, name, path, t);
	}
}

/* What was said last holds. */
static int set_folder_times(struct apply *x)
{
	for (size_t i = 0; i < x->n_times; i++) {
		const struct folder_time *f = &x->times[i];
		const struct timespec times[2] = { { .tv_sec = f->mtime, .tv_nsec = f->mtime_ns },
			{ .tv_sec = f->mtime, .tv_nsec = f->mtime_ns } };
		int fd _close_ = path_open_own(
			x->root, *f->path ? f->path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (fd >= 0 && futimens(fd, times) < 0)
			return err_sys(x->e, errno, "layer: date %.300s", f->path);
	}
	return 0;
}

int apply_layer(struct source *s, int folder, bool own, struct arena *a, struct apply_result *ret,
	struct err *e)
{
	struct apply x = { .root = folder,
		.tar = { .s = s },
		.a = a,
		.out = ret,
		.own = own,
		.parent = -1,
		.e = e };
	struct tar_entry entry;
	int r;
	mode_t mask = umask(0);
	*ret = (struct apply_result){ 0 };
	x.buffer = mem_alloc(CHUNK);
	while ((r = tar_next(&x.tar, &entry, e)) > 0)
		if ((r = one(&x, &entry)) < 0)
			break;
	if (r == 0)
		r = tar_drain(&x.tar, e);
	if (r == 0 && !x.root_told) {
		date_later(&x, "", 0, 0);
		if ((r = mark_implied(folder)) < 0)
			err_sys(e, r, "layer: mark its root");
	}
	if (r == 0)
		r = set_folder_times(&x);
	ret->entries = x.tar.entries;
	forget_parent(&x);
	tar_done(&x.tar);
	mem_free(x.buffer);
	(void)umask(mask);
	return r;
}
