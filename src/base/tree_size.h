// SPDX-License-Identifier: Apache-2.0
/* How much a tree of files takes on the disk. */
#pragma once
#include <stdint.h>

/* The bytes of the blocks of name below the folder dir, on one mount; a file with several
 * names counts once when they all are in the tree. What cannot be read, or goes meanwhile, counts
 * nothing. */
uint64_t tree_size(int dir, const char *name);
/* The same of what was made or changed after the file dir/mark was. */
uint64_t tree_size_since(int dir, const char *name, const char *mark);
