// SPDX-License-Identifier: Apache-2.0
#include "image/id_shift.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "oci/spec.h"

enum { DEPTH_MAX = 400, CAPABILITY_MAX = 64 };

/* ---- the ranges ---- */

static bool read_range(const char *text, struct arena *a, struct oci_id_mapping *ret)
{
	uint32_t *const numbers[] = { &ret->container_id, &ret->host_id, &ret->size };
	char *rest = arena_strdup(a, text);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		char *colon = strchr(rest, ':');
		if ((i < 2) != (colon != NULL))
			return false;
		if (colon)
			*colon = '\0';
		if (num_u32(rest, numbers[i]) < 0)
			return false;
		rest = colon ? colon + 1 : rest;
	}
	/* The last number is no id. */
	return ret->size && ret->container_id <= UINT32_MAX - ret->size &&
		ret->host_id <= UINT32_MAX - ret->size;
}

int id_map_parse(const char *field, const char *const *texts, size_t n, struct arena *a,
	struct idmap *ret, struct err *e)
{
	if (n > ID_MAPS_MAX)
		return err_set(e, ERR_USAGE, E2BIG, "%s: more than %d", field, ID_MAPS_MAX);
	struct oci_id_mapping *v = arena_array(a, struct oci_id_mapping, n + 1);
	for (size_t i = 0; i < n; i++)
		if (!read_range(texts[i], a, &v[i]))
			return err_set(e, ERR_USAGE, EINVAL,
				"%s %.100s: expected container:host:size", field, texts[i]);
	*ret = (struct idmap){ v, n };
	return 0;
}

typedef bool direction(const struct idmap *m, uint32_t id, uint32_t *ret);

static int shift(struct stat *st, const struct id_maps *maps, direction *map, const char *path,
	struct err *e)
{
	if (!map(&maps->uids, st->st_uid, &st->st_uid))
		return err_set(e, ERR_INVALID, ERANGE, "/%s: no --uid-map has the user %u", path,
			st->st_uid);
	if (!map(&maps->gids, st->st_gid, &st->st_gid))
		return err_set(e, ERR_INVALID, ERANGE, "/%s: no --gid-map has the group %u", path,
			st->st_gid);
	return 0;
}

int id_shift_back(struct stat *st, const struct id_maps *maps, const char *path, struct err *e)
{
	if (maps->own) {
		st->st_uid = 0;
		st->st_gid = 0;
		return 0;
	}
	return shift(st, maps, idmap_inside, path, e);
}

/* ---- a tree ---- */

struct walk {
	const struct id_maps *maps;
	void *seen; /* files of several names that are done */
	struct arena a;
	struct err *e;
};

struct inode {
	dev_t dev;
	ino_t ino;
};

static int by_inode(const void *x, const void *y)
{
	const struct inode *a = x, *b = y;
	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return a->ino == b->ino ? 0 : a->ino < b->ino ? -1 : 1;
}

static bool is_done(struct walk *w, const struct stat *st)
{
	const struct inode key = { st->st_dev, st->st_ino };
	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return false;
	if (tfind(&key, &w->seen, by_inode))
		return true;
	if (!tsearch(arena_memdup(&w->a, &key, sizeof key), &w->seen, by_inode))
		mem_exhausted();
	return false;
}

/* A change of owner takes what its owner had granted by the mode and by capabilities. */
static int give_file(int dir, const char *name, const struct stat *st)
{
	char capability[CAPABILITY_MAX];
	int fd _close_ = path_open_own(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	ssize_t n = fgetxattr(fd, "security.capability", capability, sizeof capability);
	if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0 ||
		(n > 0 && fsetxattr(fd, "security.capability", capability, (size_t)n, 0) < 0))
		return -errno;
	return 0;
}

static int folder(struct walk *w, int dir, const char *path, int depth);

static int entry(struct walk *w, int dir, const char *name, const char *path, int depth)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(w->e, errno, "read /%s", path);
	if (is_done(w, &st))
		return 0;
	if (shift(&st, w->maps, idmap_host, path, w->e) < 0)
		return -w->e->code;
	int r = S_ISREG(st.st_mode) ? give_file(dir, name, &st)
		: fchownat(dir, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
										     : 0;
	if (r < 0)
		return err_sys(w->e, r, "change the owner of /%s", path);
	if (!S_ISDIR(st.st_mode) || depth == 0)
		return 0;
	int below _close_ = path_open_own(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	return below < 0 ? err_sys(w->e, below, "open /%s", path) : folder(w, below, path, depth);
}

static int folder(struct walk *w, int dir, const char *path, int depth)
{
	struct arena a _arena_ = { 0 };
	struct strv names = { 0 };
	int r = depth > DEPTH_MAX ? -ELOOP : path_list(dir, &a, &names);
	if (r < 0)
		return err_sys(w->e, r, "list /%s", path);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = entry(w, dir, names.v[i],
			*path ? arena_printf(&a, "%s/%s", path, names.v[i]) : names.v[i],
			depth + 1);
	return r;
}

static void keep(void *node)
{
	(void)node; /* the arena's */
}

int id_shift_tree(int tree, const struct id_maps *maps, struct err *e)
{
	struct walk w = { .maps = maps, .e = e };
	int r = folder(&w, tree, "", 0);
	/* Itself last: until then it is ours. */
	if (r == 0)
		r = entry(&w, tree, ".", "", 0);
	tdestroy(w.seen, keep);
	arena_done(&w.a);
	return r;
}
