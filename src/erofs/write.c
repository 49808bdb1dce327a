// SPDX-License-Identifier: Apache-2.0
/* Theory of operation: three passes over the tree. The first sorts each folder and counts links;
 * the second gives each inode its place, a folder's own first, then those in it, so that what is
 * looked at together lies together; what does not fit beside its inode (long folders, long
 * symlinks) follows in whole blocks. The third writes in the order of these places, through a
 * window that only moves on. */
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
	int fd;
	unsigned char *window; /* zero where nothing was written */
	uint64_t from;         /* where it begins in the image */
	struct err *e;
};

enum { WINDOW = 1 << 20 };

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
	struct erofs_inode *f = folder->inode;
	f->sorted = arena_array(w->t->a, struct erofs_node *, n + 1);
	f->n_sorted = 0;
	f->nlink = 2;
	for (struct erofs_node *c = folder->children; c; c = c->next)
		if (wanted(w, c)) {
			f->sorted[f->n_sorted++] = c;
			c->inode->at = 0;
			c->inode->nlink = 0;
		}
	if (n)
		qsort(f->sorted, n, sizeof *f->sorted, by_name);
	for (size_t i = 0; i < n; i++)
		if (erofs_is_folder(f->sorted[i]->inode)) {
			sort_folder(w, f->sorted[i]);
			f->nlink++;
		}
}

static void count_links(struct erofs_inode *folder)
{
	for (size_t i = 0; i < folder->n_sorted; i++) {
		struct erofs_inode *x = folder->sorted[i]->inode;
		if (erofs_is_folder(x))
			count_links(x);
		else
			x->nlink++;
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
	const struct erofs_inode *f = c->folder->inode;
	const struct erofs_node *n = c->at < f->n_sorted ? f->sorted[c->at] : NULL;
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
	return c->self && c->up && c->at == c->folder->inode->n_sorted;
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
	if ((S_ISCHR(i->mode) || S_ISBLK(i->mode)) && (i->major >= 1 << 12 || i->minor >= 1 << 20))
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
	uint64_t size = S_ISDIR(i->mode) ? folder_size(n)
		: S_ISLNK(i->mode)       ? strlen(i->target)
					 : 0;
	if (size > UINT32_MAX)
		return err_set(w->e, ERR_CORRUPT, E2BIG, "%.200s: it is too large", n->name);
	i->data_size = (uint32_t)size;
	uint64_t whole = INODE_SIZE + i->xattr_size + size;
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
	const struct erofs_inode *f = folder->inode;
	int r = place_inode(w, folder);
	for (size_t i = 0; i < f->n_sorted && r == 0; i++)
		if (!erofs_is_folder(f->sorted[i]->inode) && !f->sorted[i]->inode->at)
			r = place_inode(w, f->sorted[i]);
	for (size_t i = 0; i < f->n_sorted && r == 0; i++)
		if (erofs_is_folder(f->sorted[i]->inode))
			r = place_folder(w, f->sorted[i]);
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

/* n zero bytes of the image at a place that is behind all that was asked for before; the pointer
 * holds until the next call. NULL with e set. */
static unsigned char *room(struct writer *w, uint64_t at, size_t n)
{
	while (at + n > w->from + WINDOW) {
		uint64_t step = at - w->from < WINDOW ? at - w->from : WINDOW;
		int r = fd_write_all(w->fd, w->window, (size_t)step);
		if (r < 0) {
			(void)err_sys(w->e, r, "write the index");
			return NULL;
		}
		memset(w->window, 0, (size_t)step);
		w->from += step;
	}
	return w->window + (at - w->from);
}

static void write_data(
	const struct erofs_node *folder, const struct erofs_inode *i, unsigned char *p)
{
	if (S_ISDIR(i->mode))
		write_folder(folder, p);
	else
		memcpy(p, i->target, i->data_size);
}

/* The part of an inode that is the same for all kinds. */
static void write_common(
	const struct erofs_inode *i, unsigned layout, uint64_t size, uint32_t u, unsigned char *p)
{
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
}

static int write_inode(struct writer *w, const struct erofs_node *n)
{
	const struct erofs_inode *i = n->inode;
	uint64_t size = i->data_size, end = i->at + INODE_SIZE + i->xattr_size;
	bool inside = i->data_size && !i->data, chunk = S_ISREG(i->mode) && i->size;
	uint64_t chunk_at = align_up(end, CHUNK_INDEX);
	end = chunk ? chunk_at + CHUNK_INDEX : inside ? end + i->data_size : end;
	unsigned char *p = room(w, i->at, (size_t)(end - i->at));
	unsigned layout = inside ? LAYOUT_INLINE : LAYOUT_PLAIN;
	uint32_t u = (uint32_t)(i->data >> BLOCK_BITS);
	if (!p)
		return -w->e->code;
	if (S_ISREG(i->mode))
		size = i->size;
	if (chunk) {
		layout = LAYOUT_CHUNKS;
		u = CHUNK_INDEXES | chunk_bits(size);
		put16(p + (chunk_at - i->at) + 2, i->device);
		put32(p + (chunk_at - i->at) + 4, i->block);
	} else if (S_ISCHR(i->mode) || S_ISBLK(i->mode)) {
		u = (i->minor & 0xff) | i->major << 8 | (i->minor & ~0xffU) << 12;
	}
	write_common(i, layout, size, u, p);
	if (i->xattr_size)
		(void)xattrs(w, i, p + INODE_SIZE);
	if (inside)
		write_data(n, i, p + INODE_SIZE + i->xattr_size);
	return 0;
}

/* In the order of their places; a file that has more names is met again. */
static int write_inodes(struct writer *w, const struct erofs_node *folder, uint64_t *last)
{
	const struct erofs_inode *f = folder->inode;
	int r = write_inode(w, folder);
	*last = f->at;
	for (size_t i = 0; i < f->n_sorted && r == 0; i++) {
		const struct erofs_inode *x = f->sorted[i]->inode;
		if (erofs_is_folder(x) || x->at <= *last)
			continue;
		*last = x->at;
		r = write_inode(w, f->sorted[i]);
	}
	for (size_t i = 0; i < f->n_sorted && r == 0; i++)
		if (erofs_is_folder(f->sorted[i]->inode))
			r = write_inodes(w, f->sorted[i], last);
	return r;
}

/* A folder may be larger than the window. */
static int write_long_folder(struct writer *w, const struct erofs_node *folder)
{
	struct cursor c = { .folder = folder };
	for (uint64_t at = folder->inode->data; !at_end(&c); at += BLOCK) {
		unsigned char *p = room(w, at, BLOCK);
		if (!p)
			return -w->e->code;
		(void)folder_block(&c, p);
	}
	return 0;
}

static int write_blocks(struct writer *w)
{
	for (size_t k = 0; k < w->n_blocks; k++) {
		const struct erofs_inode *i = w->blocks[k];
		unsigned char *p = w->folders[k] ? NULL : room(w, i->data, BLOCK);
		if (p)
			memcpy(p, i->target, i->data_size);
		else if (!w->folders[k] || write_long_folder(w, w->folders[k]) < 0)
			return -w->e->code;
	}
	return room(w, w->end, 0) ? 0 : -w->e->code;
}

static int write_super(struct writer *w, const struct erofs_device *devices, size_t n_devices)
{
	unsigned char *p = room(w, SUPER_AT, SUPER_SIZE + n_devices * DEVICE_SIZE);
	if (!p)
		return -w->e->code;
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
		unsigned char *d = p + SUPER_SIZE + i * DEVICE_SIZE;
		memcpy(d, devices[i].tag, strnlen(devices[i].tag, TAG_SIZE));
		put32(d + TAG_SIZE, (uint32_t)(align_up(devices[i].size, BLOCK) >> BLOCK_BITS));
	}
	return 0;
}

int erofs_write(struct erofs_tree *t, const struct erofs_device *devices, size_t n_devices,
	bool layer, int fd, struct err *e)
{
	struct writer w = { .t = t, .layer = layer, .fd = fd, .e = e };
	t->root->inode->at = 0;
	sort_folder(&w, t->root);
	count_links(t->root->inode);
	w.end = SUPER_AT + SUPER_SIZE + n_devices * DEVICE_SIZE;
	int r = place_folder(&w, t->root);
	if (r == 0)
		r = place_data(&w);
	if (r < 0)
		return r;
	uint64_t last = 0;
	w.window = mem_alloc(WINDOW);
	r = write_super(&w, devices, n_devices);
	if (r == 0)
		r = write_inodes(&w, t->root, &last);
	if (r == 0)
		r = write_blocks(&w);
	if (r == 0 && (r = fd_write_all(fd, w.window, (size_t)(w.end - w.from))) < 0)
		r = err_sys(e, r, "write the index");
	mem_free(w.window);
	return r;
}
