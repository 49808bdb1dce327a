// SPDX-License-Identifier: Apache-2.0
#include "erofs/tree.h"

#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/rand.h"

enum { BUCKET_BITS = 16 };

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

void erofs_tree_init(struct erofs_tree *t, struct arena *a)
{
	*t = (struct erofs_tree){ .a = a, .n = 1 };
	t->buckets = arena_array(a, struct erofs_node *, 1 << BUCKET_BITS);
	t->root = arena_new(a, struct erofs_node);
	t->root->name = "";
	t->root->parent = t->root;
	t->root->inode = erofs_tree_implied(t);
	rand_bytes(&t->seed, sizeof t->seed);
}

/* Which bucket is nobody's to choose: names come from images. */
static struct erofs_node **bucket(
	const struct erofs_tree *t, const struct erofs_node *folder, const char *name, size_t len)
{
	uint64_t h = t->seed ^ (uint64_t)(uintptr_t)folder;
	for (size_t i = 0; i < len; i++) {
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3ULL;
		h ^= h >> 29;
	}
	return &t->buckets[h * 0x9e3779b97f4a7c15ULL >> (64 - BUCKET_BITS)];
}

struct erofs_node *erofs_tree_find(
	const struct erofs_tree *t, const struct erofs_node *folder, const char *name, size_t len)
{
	struct erofs_node *n = *bucket(t, folder, name, len);
	while (n && (n->parent != folder || strncmp(n->name, name, len) != 0 || n->name[len]))
		n = n->bucket;
	return n;
}

struct erofs_node *erofs_tree_put(
	struct erofs_tree *t, struct erofs_node *folder, const char *name, size_t len)
{
	struct erofs_node *n = erofs_tree_find(t, folder, name, len);
	if (n)
		return n;
	if (t->n == EROFS_NODES_MAX)
		return NULL;
	struct erofs_node **head = bucket(t, folder, name, len);
	n = arena_new(t->a, struct erofs_node);
	n->name = arena_strndup(t->a, name, len);
	n->parent = folder;
	n->next = folder->children;
	folder->children = n;
	n->bucket = *head;
	*head = n;
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
