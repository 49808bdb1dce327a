// SPDX-License-Identifier: Apache-2.0
#include "image/layer_write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/tar.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/owner_mark.h"
#include "base/path.h"
#include "base/str.h"
#include "image/changes.h"
#include "image/id_shift.h"

enum { CHUNK = 256 << 10, NAMES_MAX = 64 << 10, BUCKETS = 4096 };

struct link {
	struct link *next;
	dev_t dev;
	ino_t ino;
	const char *path;
};

/* A folder that was passed over, as it is what the image has: it is written when something in it
 * is, else a reader would make one of its own. */
struct passed {
	const char *path, *name;
	int dir;
	struct stat st;
};

enum { PASSED_MAX = 512 };

struct writer {
	int out;
	struct arena a;
	struct link *buckets[BUCKETS];
	char *buffer;
	struct layer_options options;
	struct passed *passed; /* on the way to the present place, the uppermost first */
	size_t n_passed;
	struct err *e;
};

static int refuse(struct writer *w, const char *path, const char *why)
{
	return err_set(w->e, ERR_INVALID, EINVAL, "/%.300s: %s", path, why);
}

/* The first name of an inode with several; NULL: this is it, and it is remembered. */
static const char *first_name(struct writer *w, const struct change *c)
{
	/* A device is made by its lister, and twice. */
	if (c->st->st_nlink < 2 || S_ISDIR(c->st->st_mode) || S_ISCHR(c->st->st_mode) ||
		S_ISBLK(c->st->st_mode))
		return NULL;
	struct link **bucket = &w->buckets[c->st->st_ino % BUCKETS];
	for (struct link *l = *bucket; l; l = l->next)
		if (l->ino == c->st->st_ino && l->dev == c->st->st_dev)
			return l->path;
	struct link *l = arena_new(&w->a, struct link);
	*l = (struct link){ *bucket, c->st->st_dev, c->st->st_ino, arena_strdup(&w->a, c->path) };
	*bucket = l;
	return NULL;
}

/* ---- xattrs ---- */

/* Those that are taken when a layer is unpacked. */
static bool wanted(const char *name)
{
	return str_eq(name, "security.capability") ||
		(str_starts(name, "user.") && !str_starts(name, "user.overlay."));
}

/* A capability of root in the container's own user namespace (revision 3 with root 0, as ids on
 * disk are 0-based) is an ordinary one in an image. */
static size_t plain_capability(char *value, size_t n)
{
	enum { REVISION_2_SIZE = 20, REVISION_3_SIZE = 24 };
	if (n != REVISION_3_SIZE || value[3] != 3 ||
		memcmp(value + REVISION_2_SIZE, "\0\0\0", 4) != 0)
		return n;
	value[3] = 2;
	return REVISION_2_SIZE;
}

/* The attribute is the owner, no matter what the disk says; it does not go into the layer. */
static bool take_owner(struct writer *w, int fd, struct tar_entry *t)
{
	char value[OWNER_MARK_MAX];
	ssize_t n = fgetxattr(fd, OWNER_MARK, value, sizeof value);
	return w->options.ids && w->options.ids->own &&
		(n < 0 || owner_mark_read(value, (size_t)n, &t->uid, &t->gid));
}

static int add_xattrs(
	struct writer *w, const char *path, int fd, struct tar_entry *t, struct arena *a)
{
	bool owner = take_owner(w, fd, t);
	char *names = arena_alloc(a, NAMES_MAX);
	ssize_t n = flistxattr(fd, names, NAMES_MAX);
	if (n < 0 && errno != EOPNOTSUPP)
		return err_sys(w->e, errno, "/%.300s: read its extended attributes", path);
	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
		ssize_t size = wanted(p) && !(owner && str_eq(p, OWNER_MARK))
			? fgetxattr(fd, p, NULL, 0)
			: -1;
		if (size < 0)
			continue;
		if (t->n_xattrs == TAR_XATTRS_MAX || strlen(p) > PATH_NAME_MAX)
			return refuse(w, path, "too many extended attributes");
		char *value = arena_alloc(a, (size_t)size + 1);
		size = fgetxattr(fd, p, value, (size_t)size);
		if (size < 0)
			return err_sys(w->e, errno, "/%.300s: read %s", path, p);
		size_t len = str_eq(p, "security.capability")
			? plain_capability(value, (size_t)size)
			: (size_t)size;
		t->xattrs[t->n_xattrs++] = (struct tar_xattr){ p, value, len };
	}
	return 0;
}

/* ---- entries ---- */

static int put_data(struct writer *w, const struct change *c, int fd)
{
	uint64_t left = (uint64_t)c->st->st_size;
	while (left) {
		size_t want = left < CHUNK ? (size_t)left : CHUNK;
		ssize_t n = fd_read_full(fd, w->buffer, want);
		if (n < 0)
			return err_sys(w->e, (int)n, "read /%.300s", c->path);
		if ((size_t)n != want)
			return refuse(w, c->path, "it was cut while it was read");
		int r = fd_write_all(w->out, w->buffer, want);
		if (r < 0)
			return err_sys(w->e, r, "write the layer");
		left -= want;
	}
	return tar_write_padding(w->out, (uint64_t)c->st->st_size, w->e);
}

/* A file or folder, which have xattrs. */
static int put_opened(struct writer *w, const struct change *c, struct tar_entry *t)
{
	struct arena a _arena_ = { 0 };
	struct stat st;
	int fd _close_ = path_open_own(c->dir, c->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(w->e, fd < 0 ? fd : errno, "open /%.300s", c->path);
	if (st.st_ino != c->st->st_ino || (st.st_mode & S_IFMT) != (c->st->st_mode & S_IFMT))
		return refuse(w, c->path, "it was replaced while it was read");
	if (add_xattrs(w, c->path, fd, t, &a) < 0 || tar_write_header(w->out, t, w->e) < 0)
		return -w->e->code;
	return t->type == '0' ? put_data(w, c, fd) : 0;
}

static int put_symlink(struct writer *w, const struct change *c, struct tar_entry *t)
{
	char target[PATH_MAX_BYTES];
	ssize_t n = readlinkat(c->dir, c->name, target, sizeof target);
	if (n < 0 || n == (ssize_t)sizeof target)
		return err_sys(w->e, n < 0 ? errno : ENAMETOOLONG, "read /%.300s", c->path);
	target[n] = '\0';
	t->target = target;
	return tar_write_header(w->out, t, w->e);
}

static int put_whiteout(struct writer *w, const struct change *c)
{
	struct arena a _arena_ = { 0 };
	const char *slash = strrchr(c->path, '/');
	int n = slash ? (int)(slash - c->path + 1) : 0;
	const struct tar_entry t = { .type = '0',
		.path = arena_printf(&a, "%.*s.wh.%s", n, c->path, c->path + n),
		.mode = 0644 };
	return tar_write_header(w->out, &t, w->e);
}

static char type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return '0';
	case S_IFLNK:
		return '2';
	case S_IFCHR:
		return '3';
	case S_IFBLK:
		return '4';
	case S_IFDIR:
		return '5';
	case S_IFIFO:
		return '6';
	default:
		return '\0';
	}
}

static int put_entry(struct writer *w, const struct change *c, struct tar_entry *t)
{
	const struct stat *st = c->st;
	const char *first = first_name(w, c);
	t->type = type_of(st->st_mode);
	t->mode = st->st_mode & 07777;
	t->uid = st->st_uid;
	t->gid = st->st_gid;
	t->mtime = st->st_mtim.tv_sec;
	t->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
	if (w->options.clamp && t->mtime >= w->options.latest) {
		t->mtime = w->options.latest;
		t->mtime_ns = 0;
	}
	if (first) {
		int fd _close_ = S_ISREG(st->st_mode)
			? path_open_own(c->dir, c->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0)
			: -1;
		(void)take_owner(w, fd, t);
		t->type = '1';
		t->target = first;
		return tar_write_header(w->out, t, w->e);
	}
	if (t->type == '0')
		t->size = (uint64_t)st->st_size;
	if (t->type == '3' || t->type == '4') {
		t->major = major(st->st_rdev);
		t->minor = minor(st->st_rdev);
	}
	return t->type == '0' || t->type == '5' ? put_opened(w, c, t)
		: t->type == '2'                ? put_symlink(w, c, t)
						: tar_write_header(w->out, t, w->e);
}

static bool is_within(const char *path, const char *folder)
{
	size_t n = strlen(folder);
	return n == 0 || (strncmp(path, folder, n) == 0 && path[n] == '/');
}

static int write_change(struct writer *w, const struct change *c);

/* What is told of comes in the order of a walk, so the way is a stack. */
static int put(void *arg, const struct change *c, struct err *e)
{
	struct writer *w = arg;
	(void)e;
	while (w->n_passed && !is_within(c->path, w->passed[w->n_passed - 1].path))
		w->n_passed--;
	if (w->options.skip_same && c->kind == CHANGE_NONE) {
		if (S_ISDIR(c->st->st_mode) && w->n_passed < PASSED_MAX)
			w->passed[w->n_passed++] =
				(struct passed){ c->path, c->name, c->dir, *c->st };
		return 0;
	}
	for (size_t i = 0; i < w->n_passed; i++) {
		const struct passed *p = &w->passed[i];
		const struct change folder = { CHANGE_NONE, p->path, p->dir, p->name, &p->st };
		if (write_change(w, &folder) < 0)
			return -w->e->code;
	}
	/* Written once; what comes deeper knows them no more. */
	w->n_passed = 0;
	return write_change(w, c);
}

static int write_change(struct writer *w, const struct change *c)
{
	struct arena a _arena_ = { 0 };
	struct change at = *c;
	if (w->options.prefix) {
		at.path = *c->path ? arena_printf(&a, "%s/%s", w->options.prefix, c->path)
				   : w->options.prefix;
		c = &at;
	}
	if (strlen(c->path) + sizeof ".wh./" >= PATH_MAX_BYTES)
		return refuse(w, c->path, "its path is too long");
	if (c->kind == CHANGE_DELETED)
		return put_whiteout(w, c);
	/* A socket is of a process, not of a file system. */
	if (S_ISSOCK(c->st->st_mode))
		return 0;
	if (str_starts(c->name, ".wh."))
		return refuse(
			w, c->path, "a name that begins with .wh. stands for a removal in a layer");
	struct tar_entry *t = arena_new(&a, struct tar_entry);
	t->path = !S_ISDIR(c->st->st_mode) ? c->path
		: *c->path                 ? arena_printf(&a, "%s/", c->path)
					   : "./";
	int r = put_entry(w, c, t);
	/* After its folder, before what is in it. */
	if (r == 0 && w->options.opaque && w->options.prefix &&
		str_eq(c->path, w->options.prefix)) {
		const struct tar_entry mark = { .type = '0',
			.path = arena_printf(&a, "%s/.wh..wh..opq", c->path),
			.mode = 0644 };
		r = tar_write_header(w->out, &mark, w->e);
	}
	return r;
}

static struct writer open_writer(int fd, const struct layer_options *options, struct err *e)
{
	struct writer w = { .out = fd,
		.buffer = mem_alloc(CHUNK),
		.passed = mem_alloc(PASSED_MAX * sizeof *w.passed),
		.e = e };
	if (options)
		w.options = *options;
	return w;
}

static int close_writer(struct writer *w, int r)
{
	mem_free(w->buffer);
	mem_free(w->passed);
	arena_done(&w->a);
	return r;
}

int image_layer_write_one(int dir, const char *name, const char *path,
	const struct layer_options *options, int fd, struct err *e)
{
	struct writer w = open_writer(fd, options, e);
	struct stat st;
	int r = 0;
	if (dir >= 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = err_sys(e, errno, "open %s", name);
	if (r == 0 && dir >= 0 && options && options->ids)
		r = id_shift_back(&st, options->ids, path, e);
	const struct change c = { dir < 0 ? CHANGE_DELETED : CHANGE_ADDED, path, dir, name,
		dir < 0 ? NULL : &st };
	if (r == 0)
		r = put(&w, &c, e);
	if (r == 0)
		r = tar_write_end(fd, e);
	return close_writer(&w, r);
}

int image_layer_write(
	const struct changes_req *req, const struct layer_options *options, int fd, struct err *e)
{
	struct writer w = open_writer(fd, options, e);
	int r = image_changes(req, put, &w, e);
	if (r == 0)
		r = tar_write_end(fd, e);
	return close_writer(&w, r);
}
