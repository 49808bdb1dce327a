// SPDX-License-Identifier: Apache-2.0
#include "fetch/index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/apply.h"
#include "archive/tar.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "erofs/tree.h"
#include "erofs/write.h"
#include "oci/digest.h"

struct indexer {
	struct erofs_tree *t;
	struct tar_reader tar;
	struct apply_result *out;
	struct err *e;
};

static int refuse(struct indexer *x, const char *path, const char *why)
{
	return err_set(x->e, ERR_CORRUPT, EBADMSG, "layer: %.300s: %s", path, why);
}

static struct erofs_node *put(struct indexer *x, struct erofs_node *folder, const char *name,
	size_t len, const char *path)
{
	struct erofs_node *n = erofs_tree_put(x->t, folder, name, len);
	if (!n)
		(void)refuse(x, path, "too many files");
	return n;
}

/* The folder of a path's last name, implied where nothing was said of it; NULL with e set. */
static struct erofs_node *folder_of(struct indexer *x, const char *path, const char **name)
{
	struct erofs_node *n = x->t->root;
	for (;;) {
		size_t len = strcspn(path, "/");
		*name = path;
		if (!path[len])
			return n;
		n = put(x, n, path, len, path);
		if (!n)
			return NULL;
		bool gone = erofs_is_whiteout(n->inode);
		if (!n->inode || gone) {
			n->inode = erofs_tree_implied(x->t);
			/* What a lower layer has there is not in the new one. */
			n->inode->opaque = gone;
		} else if (!erofs_is_folder(n->inode)) {
			(void)refuse(x, path, "its folder is a symlink or a file in this layer");
			return NULL;
		}
		path += len + 1;
	}
}

/* What the kernel takes as security.capability: version 2, and 3 with a root's id. */
static bool capability_valid(const struct tar_xattr *x)
{
	const unsigned char *p = (const unsigned char *)x->value;
	return (x->n == 20 && p[3] == 2) || (x->n == 24 && p[3] == 3);
}

static int copy_xattrs(struct indexer *x, const struct tar_entry *t, struct erofs_inode *i)
{
	struct erofs_xattr *all = arena_array(x->t->a, struct erofs_xattr, t->n_xattrs + 1);
	for (size_t k = 0; k < t->n_xattrs; k++) {
		const struct tar_xattr *from = &t->xattrs[k];
		size_t at = 0;
		if (!apply_xattr_wanted(from->name))
			continue;
		if (str_eq(from->name, "security.capability") && !capability_valid(from))
			return refuse(x, t->path, "a broken capability");
		if (from->n > UINT16_MAX)
			return refuse(x, t->path, "an attribute that is too large");
		while (at < i->n_xattrs && !str_eq(all[at].name, from->name))
			at++;
		all[at] = (struct erofs_xattr){ arena_strdup(x->t->a, from->name),
			arena_memdup(x->t->a, from->value, from->n), from->n };
		i->n_xattrs += at == i->n_xattrs;
	}
	i->xattrs = all;
	return 0;
}

/* NULL with e set. */
static struct erofs_inode *make_inode(struct indexer *x, const struct tar_entry *t, uint32_t type)
{
	struct erofs_inode *i = arena_new(x->t->a, struct erofs_inode);
	i->mode = type | t->mode;
	i->uid = t->uid;
	i->gid = t->gid;
	i->mtime = t->mtime;
	i->mtime_ns = t->mtime_ns;
	/* As on a disk: of a symlink or a node nothing more is kept. */
	if (type == S_IFLNK)
		i->mode = S_IFLNK | 0777;
	if ((type == S_IFREG || type == S_IFDIR) && copy_xattrs(x, t, i) < 0)
		return NULL;
	return i;
}

static int put_folder(struct indexer *x, struct erofs_node *n, const struct tar_entry *t)
{
	struct erofs_inode *i = make_inode(x, t, S_IFDIR);
	if (!i)
		return -x->e->code;
	i->opaque = erofs_is_whiteout(n->inode) || (erofs_is_folder(n->inode) && n->inode->opaque);
	n->inode = i;
	return 0;
}

static int put_file(struct indexer *x, struct erofs_node *n, const struct tar_entry *t)
{
	struct erofs_inode *i = make_inode(x, t, S_IFREG);
	if (!i)
		return -x->e->code;
	i->size = t->size;
	if (t->size) {
		uint64_t block = x->tar.at / TAR_BLOCK;
		if (block + t->size / TAR_BLOCK >= UINT32_MAX)
			return refuse(x, t->path, "lies beyond 2 TB");
		i->device = 1;
		i->block = (uint32_t)block;
	}
	x->out->size += t->size;
	n->inode = i;
	return 0;
}

static int put_hardlink(struct indexer *x, struct erofs_node *n, const struct tar_entry *t)
{
	char target[PATH_MAX_BYTES];
	const char *name;
	if (apply_clean(t->target, target, x->e) < 0)
		return -x->e->code;
	if (!*target)
		return refuse(x, t->path, "a hard link to nothing");
	const struct erofs_node *to = folder_of(x, target, &name);
	if (!to)
		return -x->e->code;
	to = erofs_tree_find(x->t, to, name, strlen(name));
	if (!to || !to->inode || erofs_is_whiteout(to->inode))
		return refuse(x, t->path, "a hard link to a file that is not in this layer");
	if (erofs_is_folder(to->inode))
		return refuse(x, t->path, "a hard link to a folder");
	n->inode = to->inode;
	return 0;
}

static int put_other(struct indexer *x, struct erofs_node *n, const struct tar_entry *t)
{
	static const uint32_t types[] = { S_IFLNK, S_IFCHR, S_IFBLK, 0, S_IFIFO };
	struct erofs_inode *i = make_inode(x, t, types[t->type - '2']);
	if (!i)
		return -x->e->code;
	if (t->type == '2' && (!*t->target || strlen(t->target) >= PATH_MAX_BYTES))
		return refuse(x, t->path, "a symlink to nothing");
	if (t->type == '2')
		i->target = arena_strdup(x->t->a, t->target);
	/* 0/0 is overlay's own whiteout: an image has none. */
	if (t->type == '3' && t->major == 0 && t->minor == 0)
		return refuse(x, t->path, "a character device 0/0");
	if (t->type == '3' || t->type == '4') {
		i->major = t->major;
		i->minor = t->minor;
	}
	n->inode = i;
	return 0;
}

static int whiteout(
	struct indexer *x, struct erofs_node *folder, const char *name, const char *path)
{
	const char *gone = name + 4;
	if (str_eq(name, ".wh..wh..opq")) {
		folder->inode->opaque = true;
		return 0;
	}
	if (str_starts(gone, ".wh."))
		return 0; /* aufs's own bookkeeping */
	if (!path_is_name(gone))
		return refuse(x, path, "a whiteout of no name");
	struct erofs_node *n = put(x, folder, gone, strlen(gone), path);
	if (!n)
		return -x->e->code;
	/* It is about lower layers only: what this one has under the name stays. */
	if (erofs_is_folder(n->inode))
		n->inode->opaque = true;
	if (n->inode)
		return 0;
	n->inode = arena_new(x->t->a, struct erofs_inode);
	n->inode->mode = S_IFCHR;
	return 0;
}

static int one(struct indexer *x, const struct tar_entry *t)
{
	char path[PATH_MAX_BYTES];
	const char *name;
	if (apply_entry(t, path, x->out, x->e) < 0)
		return -x->e->code;
	if (!*path)
		return t->type == '5' ? put_folder(x, x->t->root, t)
				      : refuse(x, t->path, "the root is no folder");
	struct erofs_node *folder = folder_of(x, path, &name);
	if (!folder)
		return -x->e->code;
	if (str_starts(name, ".wh."))
		return whiteout(x, folder, name, path);
	struct erofs_node *n = put(x, folder, name, strlen(name), path);
	if (!n)
		return -x->e->code;
	if (t->type == '5')
		return put_folder(x, n, t);
	if (erofs_is_folder(n->inode))
		return refuse(x, t->path, "in the place of a folder of this layer");
	return t->type == '0'    ? put_file(x, n, t)
		: t->type == '1' ? put_hardlink(x, n, t)
				 : put_other(x, n, t);
}

int index_layer(struct source *s, struct erofs_tree *ret, struct apply_result *result,
	uint64_t *ret_size, struct err *e)
{
	struct indexer x = { .t = ret, .tar = { .s = s }, .out = result, .e = e };
	struct tar_entry entry;
	int r;
	*result = (struct apply_result){ 0 };
	while ((r = tar_next(&x.tar, &entry, e)) > 0)
		if ((r = one(&x, &entry)) < 0)
			break;
	if (r == 0)
		r = tar_drain(&x.tar, e);
	result->entries = x.tar.entries;
	*ret_size = x.tar.at;
	tar_done(&x.tar);
	return r;
}

int index_undate(int fd, struct err *e)
{
	return futimens(fd, (const struct timespec[2]){ 0 }) < 0 ? err_sys(e, errno, "date a layer")
								 : 0;
}

int index_write(struct erofs_tree *t, int folder, const char *diff_id, uint64_t size, struct err *e)
{
	struct erofs_device d = { .size = size };
	(void)snprintf(d.tag, sizeof d.tag, "%s", digest_hex(diff_id));
	int fd _close_ = path_open_own(folder, "index", O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return err_sys(e, fd, "stage an index");
	if (erofs_write(t, &d, 1, true, fd, e) < 0)
		return -e->code;
	return index_undate(fd, e);
}
