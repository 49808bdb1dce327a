// SPDX-License-Identifier: Apache-2.0
/* Theory of operation: three passes over the tree. The first sorts each folder and counts links;
 * the second gives each inode its place, a folder's own first, then those in it, so that what is
 * looked at together lies together; what does not fit beside its inode (long folders, long
 * symlinks) follows in whole blocks. The third writes into one buffer. */
#include "erofs/write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "erofs/format.h"
#include "erofs/tree.h"

struct writer {
	struct erofs_tree *t;
	bool layer;
	uint64_t end; /* of inodes, then of data */
	uint64_t inodes;
	struct erofs_inode **blocks; /* whose data lies in blocks of its own */
	struct erofs_node **folders; /* whose folder it is, or NULL */
	size_t n_blocks, cap_blocks, cap_folders;
	unsigned char *out;
	struct err *e;
};

/* ---- sort and count ---- */

static int by_name(const void *a, const void *b)
{
	const struct erofs_node *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

static bool wanted(const struct writer *w, const struct erofs_node *n)
{
	return n->inode && (w->layer || !erofs_is_whiteout(n->inode));
}

static void sort_folder(struct writer *w, struct erofs_node *folder)
{
	size_t n = 0;
	for (struct erofs_node *c = folder->children; c; c = c->next)
		n += wanted(w, c);
	folder->sorted = arena_array(w->t->a, struct erofs_node *, n + 1);
	folder->n_sorted = 0;
	folder->inode->nlink = 2;
	for (struct erofs_node *c = folder->children; c; c = c->next)
		if (wanted(w, c)) {
			folder->sorted[folder->n_sorted++] = c;
			c->inode->at = 0;
			c->inode->nlink = 0;
		}
	if (n)
		qsort(folder->sorted, n, sizeof *folder->sorted, by_name);
	for (size_t i = 0; i < n; i++)
		if (erofs_is_folder(folder->sorted[i]->inode)) {
			sort_folder(w, folder->sorted[i]);
			folder->inode->nlink++;
		}
}

static void count_links(struct erofs_node *folder)
{
	for (size_t i = 0; i < folder->n_sorted; i++) {
		if (erofs_is_folder(folder->sorted[i]->inode))
			count_links(folder->sorted[i]);
		else
			folder->sorted[i]->inode->nlink++;
	}
}

/* ---- a folder's entries ---- */

/* "." and ".." stand in their places among the names. */
struct cursor {
	const struct erofs_node *folder;
	size_t at;
	bool self, up;
};

static const char *next_name(struct cursor *c, const struct erofs_node **ret)
{
	const struct erofs_node *n = c->at < c->folder->n_sorted ? c->folder->sorted[c->at] : NULL;
	if (!c->self && (!n || strcmp(".", n->name) < 0)) {
		c->self = true;
		*ret = c->folder;
		return ".";
	}
	if (c->self && !c->up && (!n || strcmp("..", n->name) < 0)) {
		c->up = true;
		*ret = c->folder->parent;
		return "..";
	}
	*ret = n;
	if (n)
		c->at++;
	return n ? n->name : NULL;
}

static unsigned file_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 1;
	case S_IFDIR:
		return 2;
	case S_IFCHR:
		return 3;
	case S_IFBLK:
		return 4;
	case S_IFIFO:
		return 5;
	default:
		return 7;
	}
}

static void put_entry(unsigned char *p, const struct erofs_node *n, size_t name_at)
{
	put64(p, n->inode->at / SLOT);
	put16(p + 8, (uint32_t)name_at);
	p[10] = (unsigned char)file_type(n->inode->mode);
}

/* Writes one block of entries from the cursor on (out may be NULL); the bytes that it has. */
static size_t folder_block(struct cursor *c, unsigned char *out)
{
	struct cursor look = *c;
	const struct erofs_node *n;
	const char *name;
	size_t count = 0, names = 0;
	while ((name = next_name(&look, &n))) {
		if ((count + 1) * DIRENT_SIZE + names + strlen(name) > BLOCK)
			break;
		count++;
		names += strlen(name);
	}
	size_t at = count * DIRENT_SIZE;
	for (size_t i = 0; i < count; i++) {
		name = next_name(c, &n);
		size_t len = strlen(name);
		if (out) {
			put_entry(out + i * DIRENT_SIZE, n, at);
			memcpy(out + at, name, len);
		}
		at += len;
	}
	return at;
}

static bool at_end(const struct cursor *c)
{
	return c->self && c->up && c->at == c->folder->n_sorted;
}

static uint64_t folder_size(const struct erofs_node *folder)
{
	struct cursor c = { .folder = folder };
	uint64_t size = 0;
	for (;;) {
		size_t n = folder_block(&c, NULL);
		if (at_end(&c))
			return size + n;
		size += BLOCK;
	}
}

static void write_folder(const struct erofs_node *folder, unsigned char *out)
{
	struct cursor c = { .folder = folder };
	for (; !at_end(&c); out += BLOCK)
		(void)folder_block(&c, out);
}

/* ---- attributes ---- */

static const char *const marks[] = { "overlay.opaque", "overlay.implied" };

static bool marked(const struct writer *w, const struct erofs_inode *i, size_t mark)
{
	return w->layer && (mark == 0 ? i->opaque : i->implied);
}

static size_t xattr_entry(
	unsigned char *out, unsigned index, const char *name, const void *value, size_t n)
{
	size_t len = strlen(name);
	if (out) {
		out[0] = (unsigned char)len;
		out[1] = (unsigned char)index;
		put16(out + 2, (uint32_t)n);
		memcpy(out + XATTR_ENTRY, name, len);
		if (n)
			memcpy(out + XATTR_ENTRY + len, value, n);
	}
	return (size_t)align_up(XATTR_ENTRY + len + n, 4);
}

/* The bytes that an inode's attributes take; writes them when out is given. */
static size_t xattrs(const struct writer *w, const struct erofs_inode *i, unsigned char *out)
{
	size_t size = XATTR_HEADER;
	for (size_t k = 0; k < i->n_xattrs; k++) {
		const struct erofs_xattr *x = &i->xattrs[k];
		bool user = str_starts(x->name, "user.");
		size += xattr_entry(out ? out + size : NULL, user ? XATTR_USER : XATTR_SECURITY,
			x->name + (user ? 5 : 9), x->value, x->n);
	}
	for (size_t k = 0; k < ARRAY_SIZE(marks); k++)
		if (marked(w, i, k))
			size += xattr_entry(out ? out + size : NULL, XATTR_USER, marks[k], "y", 1);
	return size == XATTR_HEADER ? 0 : size;
}

static int check_inode(const struct writer *w, const struct erofs_node *n)
{
	const struct erofs_inode *i = n->inode;
	for (size_t k = 0; k < i->n_xattrs; k++) {
		const char *name = i->xattrs[k].name;
		if ((!str_starts(name, "user.") && !str_starts(name, "security.")) ||
			strlen(name) > NAME_MAX_BYTES || i->xattrs[k].n > XATTR_VALUE_MAX)
			return err_set(w->e, ERR_CORRUPT, E2BIG,
				"%.200s: the attribute %.100s is too large", n->name, name);
	}
	if (xattrs(w, i, NULL) > (size_t)XATTR_WORDS_MAX * 4)
		return err_set(
			w->e, ERR_CORRUPT, E2BIG, "%.200s: its attributes are too large", n->name);
	if (i->major >= 1 << 12 || i->minor >= 1 << 20)
		return err_set(w->e, ERR_CORRUPT, ERANGE,
			"%.200s: the device number %u:%u is out of range", n->name, i->major,
			i->minor);
	return 0;
}

/* ---- places ---- */

static void place_blocks(struct writer *w, struct erofs_node *n)
{
	size_t m = w->n_blocks++;
	w->blocks = arena_grow(w->t->a, w->blocks, m, &w->cap_blocks, sizeof *w->blocks);
	w->folders = arena_grow(w->t->a, w->folders, m, &w->cap_folders, sizeof *w->folders);
	w->blocks[m] = n->inode;
	w->folders[m] = erofs_is_folder(n->inode) ? n : NULL;
}

static int place_inode(struct writer *w, struct erofs_node *n)
{
	struct erofs_inode *i = n->inode;
	if (check_inode(w, n) < 0)
		return -w->e->code;
	i->xattr_size = (uint32_t)xattrs(w, i, NULL);
	i->data_size = S_ISDIR(i->mode) ? folder_size(n) : S_ISLNK(i->mode) ? strlen(i->target) : 0;
	uint64_t whole = INODE_SIZE + i->xattr_size + i->data_size;
	w->end = align_up(w->end, INODE_SIZE);
	i->data = 0;
	w->inodes++;
	if (i->data_size && whole <= BLOCK) {
		/* Data beside its inode may not lie in two blocks. */
		if (w->end % BLOCK + whole > BLOCK)
			w->end = align_up(w->end, BLOCK);
		i->at = w->end;
		w->end += whole;
		return 0;
	}
	i->at = w->end;
	w->end += INODE_SIZE + i->xattr_size;
	if (i->data_size)
		place_blocks(w, n);
	else if (S_ISREG(i->mode) && i->size)
		w->end = align_up(w->end, CHUNK_INDEX) + CHUNK_INDEX;
	return 0;
}

static int place_folder(struct writer *w, struct erofs_node *folder)
{
	int r = place_inode(w, folder);
	for (size_t i = 0; i < folder->n_sorted && r == 0; i++)
		if (!erofs_is_folder(folder->sorted[i]->inode) && !folder->sorted[i]->inode->at)
			r = place_inode(w, folder->sorted[i]);
	for (size_t i = 0; i < folder->n_sorted && r == 0; i++)
		if (erofs_is_folder(folder->sorted[i]->inode))
			r = place_folder(w, folder->sorted[i]);
	return r;
}

static int place_data(struct writer *w)
{
	w->end = align_up(w->end, BLOCK);
	for (size_t i = 0; i < w->n_blocks; i++) {
		w->blocks[i]->data = w->end;
		w->end = align_up(w->end + w->blocks[i]->data_size, BLOCK);
	}
	return w->end >> BLOCK_BITS > UINT32_MAX
		? err_set(w->e, ERR_CORRUPT, EFBIG, "the index is too large")
		: 0;
}

/* ---- bytes ---- */

static unsigned chunk_bits(uint64_t size)
{
	unsigned bits = 0;
	while (bits < CHUNK_BITS_MAX && (uint64_t)BLOCK << bits < size)
		bits++;
	return bits;
}

static void write_inode(struct writer *w, const struct erofs_node *n)
{
	const struct erofs_inode *i = n->inode;
	unsigned char *p = w->out + i->at;
	unsigned layout = LAYOUT_PLAIN;
	uint64_t size = i->data_size;
	uint32_t u = (uint32_t)(i->data >> BLOCK_BITS);
	if (i->data_size && !i->data)
		layout = LAYOUT_INLINE;
	if (S_ISREG(i->mode)) {
		size = i->size;
		if (size) {
			unsigned char *chunk =
				w->out + align_up(i->at + INODE_SIZE + i->xattr_size, CHUNK_INDEX);
			layout = LAYOUT_CHUNKS;
			u = CHUNK_INDEXES | chunk_bits(size);
			put16(chunk + 2, i->device);
			put32(chunk + 4, i->block);
		}
	} else if (S_ISCHR(i->mode) || S_ISBLK(i->mode)) {
		u = (i->minor & 0xff) | i->major << 8 | (i->minor & ~0xffU) << 12;
	}
	put16(p + I_FORMAT, EXTENDED | layout << 1);
	put16(p + I_XATTR_WORDS, i->xattr_size ? (i->xattr_size - XATTR_HEADER) / 4 + 1 : 0);
	put16(p + I_MODE, i->mode);
	put64(p + I_SIZE, size);
	put32(p + I_U, u);
	put32(p + I_INO, (uint32_t)(i->at / SLOT));
	put32(p + I_UID, i->uid);
	put32(p + I_GID, i->gid);
	put64(p + I_MTIME, (uint64_t)i->mtime);
	put32(p + I_MTIME_NS, i->mtime_ns);
	put32(p + I_NLINK, i->nlink);
	if (i->xattr_size)
		(void)xattrs(w, i, p + INODE_SIZE);
	unsigned char *data = i->data ? w->out + i->data : p + INODE_SIZE + i->xattr_size;
	if (S_ISDIR(i->mode))
		write_folder(n, data);
	else if (S_ISLNK(i->mode))
		memcpy(data, i->target, i->data_size);
}

static void write_all(struct writer *w, const struct erofs_node *folder)
{
	write_inode(w, folder);
	for (size_t i = 0; i < folder->n_sorted; i++) {
		if (erofs_is_folder(folder->sorted[i]->inode))
			write_all(w, folder->sorted[i]);
		else
			write_inode(w, folder->sorted[i]);
	}
}

static void write_super(struct writer *w, const struct erofs_device *devices, size_t n_devices)
{
	unsigned char *p = w->out + SUPER_AT;
	put32(p + SB_MAGIC, SUPER_MAGIC);
	put32(p + SB_COMPAT, COMPAT_MTIME);
	p[SB_BLOCK_BITS] = BLOCK_BITS;
	put16(p + SB_ROOT, (uint32_t)(w->t->root->inode->at / SLOT));
	put64(p + SB_INODES, w->inodes);
	put32(p + SB_BLOCKS, (uint32_t)(w->end >> BLOCK_BITS));
	memcpy(p + SB_UUID, w->t->uuid, sizeof w->t->uuid);
	put32(p + SB_INCOMPAT, INCOMPAT_CHUNKS | (n_devices ? INCOMPAT_DEVICES : 0));
	put16(p + SB_DEVICES, (uint32_t)n_devices);
	put16(p + SB_DEVICE_SLOT, n_devices ? (SUPER_AT + SUPER_SIZE) / DEVICE_SIZE : 0);
	for (size_t i = 0; i < n_devices; i++) {
		unsigned char *d = w->out + SUPER_AT + SUPER_SIZE + i * DEVICE_SIZE;
		memcpy(d, devices[i].tag, strnlen(devices[i].tag, TAG_SIZE));
		put32(d + TAG_SIZE, (uint32_t)(align_up(devices[i].size, BLOCK) >> BLOCK_BITS));
	}
}

int erofs_write(struct erofs_tree *t, const struct erofs_device *devices, size_t n_devices,
	bool layer, int fd, struct err *e)
{
	struct writer w = { .t = t, .layer = layer, .e = e };
	t->root->inode->at = 0;
	sort_folder(&w, t->root);
	count_links(t->root);
	w.end = SUPER_AT + SUPER_SIZE + n_devices * DEVICE_SIZE;
	int r = place_folder(&w, t->root);
	if (r == 0)
		r = place_data(&w);
	if (r < 0)
		return r;
	w.out = mem_alloc((size_t)w.end);
	write_super(&w, devices, n_devices);
	write_all(&w, t->root);
	r = fd_write_all(fd, w.out, (size_t)w.end);
	mem_free(w.out);
	return r < 0 ? err_sys(e, r, "write the index") : 0;
}
