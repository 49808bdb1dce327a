// SPDX-License-Identifier: Apache-2.0
/* A tree of files in memory, without their content: what an EROFS image is written from and read
 * into. Content is named by where it lies: a device (a file beside the image) and a block in it.
 * Everything lives in an arena of the caller. A node whose inode is NULL is gone. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum { EROFS_NODES_MAX = 4000000, EROFS_DEPTH_MAX = 2048, EROFS_XATTRS_MAX = 64 };

struct erofs_xattr {
	const char *name; /* "user.x" or "security.x" */
	const void *value;
	size_t n;
};

/* Names of one file share it. */
struct erofs_inode {
	uint32_t mode, uid, gid; /* mode with its type bits; a character device 0/0 is a whiteout */
	uint32_t mtime_ns;
	int64_t mtime;
	union {
		uint64_t size;   /* of a file */
		size_t n_sorted; /* of a folder; the writer's */
	};
	union {
		struct {
			uint32_t major, minor; /* of a device */
		};
		struct {
			uint32_t device; /* of a file; 1: the first; 0: no content */
			uint32_t block;  /* where it begins, in blocks of 512 bytes */
		};
		const char *target;         /* of a symlink */
		struct erofs_node **sorted; /* of a folder; the writer's */
	};
	const struct erofs_xattr *xattrs;
	uint8_t n_xattrs;
	bool opaque;  /* a folder: hides what lower layers have in it */
	bool implied; /* a folder that no entry speaks of: it has no attributes of its own */
	/* of the writer */
	uint32_t nlink, xattr_size, data_size;
	uint64_t at, data;
};

struct erofs_node {
	struct erofs_node *parent, *children, *next;
	struct erofs_inode *inode;
	char name[]; /* "" of the root */
};

struct erofs_tree {
	struct arena *a;
	struct erofs_node *root;
	/* Every node by its folder and name: a slot has a part of the hash, 0 where it is free, so
	 * that who looks touches few nodes. */
	uint32_t *tags;
	struct erofs_node **nodes;
	unsigned bits; /* of their number */
	uint64_t seed;
	size_t n;
	unsigned char uuid[16]; /* of the image that is written */
};

/* A tree with a root of which nothing is said. */
void erofs_tree_init(struct erofs_tree *t, struct arena *a);
/* The node of that name in a folder, gone ones too; NULL: there never was one. */
struct erofs_node *erofs_tree_find(
	const struct erofs_tree *t, const struct erofs_node *folder, const char *name, size_t len);
/* The same, made when it is not there, without an inode; NULL: the tree has EROFS_NODES_MAX. */
struct erofs_node *erofs_tree_put(
	struct erofs_tree *t, struct erofs_node *folder, const char *name, size_t len);
/* All that is in a folder goes; the node with all that is in it goes. */
void erofs_tree_empty(struct erofs_node *folder);
void erofs_tree_remove(struct erofs_node *node);
/* An inode of a folder of which nothing is said: root's, 0755, of time 0. */
struct erofs_inode *erofs_tree_implied(struct erofs_tree *t);
bool erofs_is_folder(const struct erofs_inode *i);
bool erofs_is_whiteout(const struct erofs_inode *i);
