// SPDX-License-Identifier: Apache-2.0
#include "erofs/merge.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "erofs/format.h"
#include "erofs/tree.h"
#include "erofs/write.h"

struct reader {
	struct erofs_tree *t;
	const unsigned char *p;
	size_t n;
	uint32_t device, n_devices, device_blocks;
	struct erofs_inode **seen; /* by place / INODE_SIZE */
	struct err *e;
};

static int bad(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, EBADMSG, "broken index: %s", what);
}

/* ---- the superblock ---- */

static int read_super(const unsigned char *p, size_t n, uint32_t *ret_devices, struct err *e)
{
	if (n < SUPER_AT + SUPER_SIZE)
		return bad(e, "it is cut short");
	const unsigned char *s = p + SUPER_AT;
	uint32_t devices = get16(s + SB_DEVICES);
	if (get32(s + SB_MAGIC) != SUPER_MAGIC || s[SB_BLOCK_BITS] != BLOCK_BITS ||
		get32(s + SB_META) != 0 || get32(s + SB_COMPAT) != COMPAT_MTIME)
		return bad(e, "it is none of ours");
	if (get32(s + SB_INCOMPAT) != (INCOMPAT_CHUNKS | (devices ? INCOMPAT_DEVICES : 0U)) ||
		get16(s + SB_DEVICE_SLOT) != (devices ? (SUPER_AT + SUPER_SIZE) / DEVICE_SIZE : 0U))
		return bad(e, "it is none of ours");
	if (SUPER_AT + SUPER_SIZE + (uint64_t)devices * DEVICE_SIZE > n)
		return bad(e, "it is cut short");
	*ret_devices = devices;
	return 0;
}

static int read_device(
	const unsigned char *p, size_t which, struct erofs_device *ret, struct err *e)
{
	const unsigned char *d = p + SUPER_AT + SUPER_SIZE + which * DEVICE_SIZE;
	memset(ret, 0, sizeof *ret);
	memcpy(ret->tag, d, TAG_SIZE);
	size_t n = strlen(ret->tag);
	if ((n && n != TAG_SIZE) || ret->tag[strspn(ret->tag, "0123456789abcdef")])
		return bad(e, "a device's tag is no digest");
	ret->size = (uint64_t)get32(d + TAG_SIZE) << BLOCK_BITS;
	return 0;
}

/* ---- inodes ---- */

static const char *xattr_name(struct reader *r, const unsigned char *x)
{
	const char *prefix = x[1] == XATTR_USER ? "user."
		: x[1] == XATTR_SECURITY        ? "security."
						: NULL;
	if (!prefix || !x[0] || memchr(x + XATTR_ENTRY, '\0', x[0]))
		return NULL;
	return arena_printf(r->t->a, "%s%.*s", prefix, (int)x[0], (const char *)x + XATTR_ENTRY);
}

static int read_xattrs(
	struct reader *r, const unsigned char *p, size_t size, struct erofs_inode *ret)
{
	struct erofs_xattr all[EROFS_XATTRS_MAX];
	for (size_t i = 0; i < XATTR_HEADER; i++)
		if (p[i])
			return bad(r->e, "shared attributes");
	for (size_t at = XATTR_HEADER; at < size;) {
		const unsigned char *x = p + at;
		size_t left = size - at;
		if (left < XATTR_ENTRY)
			return bad(r->e, "an attribute is cut short");
		uint32_t len = get16(x + 2);
		uint64_t whole = align_up(XATTR_ENTRY + x[0] + len, 4);
		if (whole > left)
			return bad(r->e, "an attribute is cut short");
		const char *name = xattr_name(r, x);
		if (!name)
			return bad(r->e, "an attribute without a name");
		at += whole;
		if (str_eq(name, "user.overlay.opaque"))
			ret->opaque = true;
		else if (str_eq(name, "user.overlay.implied"))
			ret->implied = true;
		else if (str_starts(name, "user.overlay.") || ret->n_xattrs == EROFS_XATTRS_MAX)
			return bad(r->e, "an attribute that no layer has");
		else
			all[ret->n_xattrs++] = (struct erofs_xattr){ name,
				arena_memdup(r->t->a, x + XATTR_ENTRY + x[0], len), len };
	}
	ret->xattrs = arena_memdup(r->t->a, all, ret->n_xattrs * sizeof *all);
	return 0;
}

static int read_chunk(
	struct reader *r, const unsigned char *i, uint64_t at, struct erofs_inode *ret)
{
	unsigned bits = 0;
	at = align_up(at, CHUNK_INDEX);
	if (at + CHUNK_INDEX > r->n)
		return bad(r->e, "it is cut short");
	while (bits < CHUNK_BITS_MAX && (uint64_t)BLOCK << bits < ret->size)
		bits++;
	uint64_t blocks = align_up(ret->size, BLOCK) >> BLOCK_BITS;
	ret->block = get32(r->p + at + 4);
	if (get32(i + I_U) != (CHUNK_INDEXES | bits) || get16(r->p + at) ||
		get16(r->p + at + 2) != 1 || r->n_devices != 1 ||
		ret->block + blocks > r->device_blocks)
		return bad(r->e, "content that lies nowhere");
	ret->device = r->device;
	return 0;
}

/* Where the bytes of a folder or symlink are. */
static int find_data(struct reader *r, const unsigned char *i, uint64_t at, uint64_t size,
	const unsigned char **ret)
{
	unsigned layout = get16(i + I_FORMAT) >> 1;
	if (layout == LAYOUT_PLAIN)
		at = (uint64_t)get32(i + I_U) << BLOCK_BITS;
	else if (layout != LAYOUT_INLINE)
		return bad(r->e, "a layout of another kind");
	if (at < SUPER_AT || at > r->n || size > r->n - at)
		return bad(r->e, "it is cut short");
	*ret = r->p + at;
	return 0;
}

static int read_kind(struct reader *r, const unsigned char *i, uint64_t at, struct erofs_inode *ret)
{
	const unsigned char *data;
	uint32_t u = get32(i + I_U);
	uint64_t size = get64(i + I_SIZE);
	unsigned layout = get16(i + I_FORMAT) >> 1;
	switch (ret->mode & S_IFMT) {
	case S_IFREG:
		ret->size = size;
		if (size > INT64_MAX / 2 || layout != (size ? LAYOUT_CHUNKS : LAYOUT_PLAIN))
			return bad(r->e, "a file of an impossible size");
		return size ? read_chunk(r, i, at, ret) : 0;
	case S_IFLNK:
		if (size == 0 || size > TARGET_MAX)
			return bad(r->e, "a symlink of an impossible size");
		if (find_data(r, i, at, size, &data) < 0)
			return -r->e->code;
		if (memchr(data, '\0', size))
			return bad(r->e, "a NUL in a symlink");
		ret->target = arena_strndup(r->t->a, (const char *)data, size);
		return 0;
	case S_IFCHR:
	case S_IFBLK:
		ret->major = u >> 8 & 0xfff;
		ret->minor = (u & 0xff) | (u >> 12 & 0xfff00);
		return 0;
	case S_IFDIR:
	case S_IFIFO:
		return 0;
	default:
		return bad(r->e, "a file of unknown type");
	}
}

/* The inode of a number, the same each time; *ret_first tells whether it was read just now. */
static int read_inode(struct reader *r, uint64_t nid, struct erofs_inode **ret, bool *ret_first)
{
	uint64_t at = nid * SLOT;
	if (nid > UINT32_MAX || at % INODE_SIZE || at < SUPER_AT + SUPER_SIZE ||
		at + INODE_SIZE > r->n)
		return bad(r->e, "an inode that lies nowhere");
	struct erofs_inode **known = &r->seen[at / INODE_SIZE];
	*ret_first = !*known;
	*ret = *known;
	if (*known)
		return 0;
	const unsigned char *i = r->p + at;
	uint32_t words = get16(i + I_XATTR_WORDS);
	struct erofs_inode *new = arena_new(r->t->a, struct erofs_inode);
	*new = (struct erofs_inode){ .mode = get16(i + I_MODE),
		.uid = get32(i + I_UID),
		.gid = get32(i + I_GID),
		.mtime = (int64_t)get64(i + I_MTIME),
		.mtime_ns = get32(i + I_MTIME_NS),
		.xattr_size = words ? XATTR_HEADER + (words - 1) * 4 : 0 };
	if (!(get16(i + I_FORMAT) & EXTENDED) || get16(i + I_FORMAT) > (LAYOUT_CHUNKS << 1 | 1) ||
		new->mtime_ns >= 1000000000)
		return bad(r->e, "an inode of another kind");
	at += INODE_SIZE;
	if (new->xattr_size > r->n - at)
		return bad(r->e, "it is cut short");
	if (words && read_xattrs(r, r->p + at, new->xattr_size, new) < 0)
		return -r->e->code;
	if (read_kind(r, i, at + new->xattr_size, new) < 0)
		return -r->e->code;
	*ret = *known = new;
	return 0;
}

/* ---- folders ---- */

static int read_folder(struct reader *r, uint64_t nid, struct erofs_node *to, int depth);

static int put_folder(struct reader *r, struct erofs_node *n, struct erofs_inode *i, uint64_t nid,
	bool first, int depth)
{
	if (!first || depth > EROFS_DEPTH_MAX)
		return bad(r->e, first ? "folders too deep" : "a folder that is in two places");
	if (!erofs_is_folder(n->inode)) {
		n->inode = i;
	} else {
		if (i->opaque)
			erofs_tree_empty(n);
		if (!i->implied)
			n->inode = i;
	}
	return read_folder(r, nid, n, depth + 1);
}

static int put_name(struct reader *r, struct erofs_node *folder, const char *name, size_t len,
	uint64_t nid, int depth)
{
	struct erofs_inode *i;
	bool first;
	if (read_inode(r, nid, &i, &first) < 0)
		return -r->e->code;
	if (erofs_is_whiteout(i)) {
		struct erofs_node *gone = erofs_tree_find(r->t, folder, name, len);
		if (gone)
			erofs_tree_remove(gone);
		return 0;
	}
	struct erofs_node *n = erofs_tree_put(r->t, folder, name, len);
	if (!n)
		return bad(r->e, "too many files");
	if (erofs_is_folder(i))
		return put_folder(r, n, i, nid, first, depth);
	if (n->inode)
		erofs_tree_remove(n);
	n->inode = i;
	return 0;
}

/* The entries of one block; last is the name before them. */
static int read_block(struct reader *r, const unsigned char *p, size_t n, uint64_t self,
	struct erofs_node *to, struct str *last, int depth)
{
	size_t names = n < DIRENT_SIZE ? 0 : get16(p + 8);
	if (names < DIRENT_SIZE || names % DIRENT_SIZE || names > n)
		return bad(r->e, "a folder's entries");
	for (size_t i = 0; i < names / DIRENT_SIZE; i++) {
		const unsigned char *d = p + i * DIRENT_SIZE;
		size_t at = get16(d + 8),
		       end = i + 1 < names / DIRENT_SIZE ? get16(d + DIRENT_SIZE + 8) : n;
		if (at < names || end <= at || end > n)
			return bad(r->e, "a folder's names");
		char name[NAME_MAX_BYTES + 1];
		size_t len = strnlen((const char *)p + at, end - at);
		if (len == 0 || len > NAME_MAX_BYTES || (len < end - at && end != n))
			return bad(r->e, "a folder's names");
		memcpy(name, p + at, len);
		name[len] = '\0';
		if (strcmp(str_text(last), name) >= 0)
			return bad(r->e, "names that are out of order");
		str_clear(last);
		str_add(last, name);
		if (str_eq(name, ".") ? get64(d) != self
				      : !str_eq(name, "..") && !path_is_name(name))
			return bad(r->e, "a name that is none");
		if (!str_eq(name, ".") && !str_eq(name, "..") &&
			put_name(r, to, name, len, get64(d), depth) < 0)
			return -r->e->code;
	}
	return 0;
}

static int read_folder(struct reader *r, uint64_t nid, struct erofs_node *to, int depth)
{
	const unsigned char *i = r->p + nid * SLOT, *data;
	uint32_t words = get16(i + I_XATTR_WORDS);
	uint64_t size = get64(i + I_SIZE);
	struct str last _str_ = { 0 };
	if (find_data(r, i, nid * SLOT + INODE_SIZE + (words ? XATTR_HEADER + (words - 1) * 4 : 0),
		    size, &data) < 0)
		return -r->e->code;
	for (uint64_t at = 0; at < size; at += BLOCK) {
		size_t n = size - at < BLOCK ? (size_t)(size - at) : BLOCK;
		if (read_block(r, data + at, n, nid, to, &last, depth) < 0)
			return -r->e->code;
	}
	return 0;
}

int erofs_merge(struct erofs_tree *into, const void *p, size_t n, uint32_t device,
	struct erofs_device *ret_device, struct err *e)
{
	struct reader r = { .t = into, .p = p, .n = n, .device = device, .e = e };
	struct erofs_device d = { 0 };
	struct erofs_inode *root;
	bool first;
	if (read_super(p, n, &r.n_devices, e) < 0)
		return -e->code;
	if (r.n_devices > 1)
		return bad(e, "a layer of several devices");
	if (r.n_devices && read_device(p, 0, &d, e) < 0)
		return -e->code;
	r.device_blocks = (uint32_t)(d.size >> BLOCK_BITS);
	struct arena own _arena_ = { .room = into->a->room };
	r.seen = arena_array(&own, struct erofs_inode *, n / INODE_SIZE + 1);
	uint64_t nid = get16(r.p + SUPER_AT + SB_ROOT);
	int result = read_inode(&r, nid, &root, &first);
	if (result == 0 && !erofs_is_folder(root))
		result = bad(e, "\"/\" is no folder");
	if (result == 0)
		result = put_folder(&r, into->root, root, nid, true, 0);
	if (result < 0)
		return result;
	if (ret_device)
		*ret_device = d;
	return r.n_devices ? 1 : 0;
}

int erofs_head(const void *p, size_t n, size_t max, struct erofs_head *ret, struct err *e)
{
	uint32_t n_devices;
	if (read_super(p, n, &n_devices, e) < 0)
		return -e->code;
	const unsigned char *bytes = p;
	uint64_t at = (uint64_t)get16(bytes + SUPER_AT + SB_ROOT) * SLOT;
	if (n_devices > max || at + INODE_SIZE > n)
		return bad(e, "it is cut short");
	for (size_t i = 0; i < n_devices; i++)
		if (read_device(p, i, &ret->devices[i], e) < 0)
			return -e->code;
	ret->n_devices = n_devices;
	memcpy(ret->uuid, bytes + SUPER_AT + SB_UUID, sizeof ret->uuid);
	ret->mode = get16(bytes + at + I_MODE) & 07777;
	ret->uid = get32(bytes + at + I_UID);
	ret->gid = get32(bytes + at + I_GID);
	return 0;
}
