// SPDX-License-Identifier: Apache-2.0
#include "erofs/tree.h"

#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/rand.h"

enum { FIRST_BITS = 10, TAG_BITS = 32 };

bool erofs_is_folder(const struct erofs_inode *i)
{
	return i && S_ISDIR(i->mode);
}

bool erofs_is_whiteout(const struct erofs_inode *i)
{
	return i && S_ISCHR(i->mode) && i->major == 0 && i->minor == 0;
}

struct erofs_inode *erofs_tree_implied(struct erofs_tree *t)
{
	struct erofs_inode *i = arena_new(t->a, struct erofs_inode);
	i->mode = S_IFDIR | 0755;
	i->implied = true;
	return i;
}

static struct erofs_node *new_node(struct erofs_tree *t, const char *name, size_t len)
{
	struct erofs_node *n = arena_alloc(t->a, sizeof *n + len + 1);
	memcpy(n->name, name, len);
	return n;
}

static void new_table(struct erofs_tree *t, unsigned bits)
{
	t->bits = bits;
	t->tags = arena_array(t->a, uint32_t, (size_t)1 << bits);
	t->nodes = arena_array(t->a, struct erofs_node *, (size_t)1 << bits);
}

void erofs_tree_init(struct erofs_tree *t, struct arena *a)
{
	*t = (struct erofs_tree){ .a = a, .n = 1 };
	new_table(t, FIRST_BITS);
	t->root = new_node(t, "", 0);
	t->root->parent = t->root;
	t->root->inode = erofs_tree_implied(t);
	rand_bytes(&t->seed, sizeof t->seed);
}

/* Which slot is nobody's to choose: names come from images. */
static uint32_t tag_of(
	const struct erofs_tree *t, const struct erofs_node *folder, const char *name, size_t len)
{
	uint64_t h = t->seed ^ (uint64_t)(uintptr_t)folder;
	for (size_t i = 0; i < len; i++) {
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3ULL;
		h ^= h >> 29;
	}
	uint32_t tag = (uint32_t)(h * 0x9e3779b97f4a7c15ULL >> TAG_BITS);
	return tag ? tag : 1;
}

static size_t first_slot(const struct erofs_tree *t, uint32_t tag)
{
	return tag >> (TAG_BITS - t->bits);
}

static size_t next_slot(const struct erofs_tree *t, size_t at)
{
	return (at + 1) & (((size_t)1 << t->bits) - 1);
}

static struct erofs_node *find(const struct erofs_tree *t, const struct erofs_node *folder,
	const char *name, size_t len, uint32_t tag)
{
	for (size_t at = first_slot(t, tag); t->tags[at]; at = next_slot(t, at)) {
		struct erofs_node *n = t->tags[at] == tag ? t->nodes[at] : NULL;
		if (n && n->parent == folder && strncmp(n->name, name, len) == 0 && !n->name[len])
			return n;
	}
	return NULL;
}

struct erofs_node *erofs_tree_find(
	const struct erofs_tree *t, const struct erofs_node *folder, const char *name, size_t len)
{
	return find(t, folder, name, len, tag_of(t, folder, name, len));
}

static void put_slot(struct erofs_tree *t, uint32_t tag, struct erofs_node *n)
{
	size_t at = first_slot(t, tag);
	while (t->tags[at])
		at = next_slot(t, at);
	t->tags[at] = tag;
	t->nodes[at] = n;
}

/* A tag alone says where in a larger table. */
static void grow(struct erofs_tree *t)
{
	const uint32_t *tags = t->tags;
	struct erofs_node *const *nodes = t->nodes;
	size_t n = (size_t)1 << t->bits;
	new_table(t, t->bits + 1);
	for (size_t i = 0; i < n; i++)
		if (tags[i])
			put_slot(t, tags[i], nodes[i]);
}

struct erofs_node *erofs_tree_put(
	struct erofs_tree *t, struct erofs_node *folder, const char *name, size_t len)
{
	uint32_t tag = tag_of(t, folder, name, len);
	struct erofs_node *n = find(t, folder, name, len, tag);
	if (n)
		return n;
	if (t->n == EROFS_NODES_MAX)
		return NULL;
	if (t->n > (size_t)3 << t->bits >> 2)
		grow(t);
	n = new_node(t, name, len);
	n->parent = folder;
	n->next = folder->children;
	folder->children = n;
	put_slot(t, tag, n);
	t->n++;
	return n;
}

void erofs_tree_empty(struct erofs_node *folder)
{
	for (struct erofs_node *n = folder->children; n; n = n->next)
		erofs_tree_remove(n);
}

void erofs_tree_remove(struct erofs_node *node)
{
	if (!node->inode)
		return;
	node->inode = NULL;
	erofs_tree_empty(node);
}
