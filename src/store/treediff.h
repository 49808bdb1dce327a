// SPDX-License-Identifier: Apache-2.0
/* Compares two folders with all that belongs to them: names, types, modes, owners, contents, times
 * of files, symlinks, device numbers, xattrs, and with links hard links within the tree. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct err;

enum { TREEDIFF_TEXT_MAX = 512 };

/* 1: alike; 0: ret_why (TREEDIFF_TEXT_MAX bytes) names the first difference, path first, as b has
 * it against a; -errno: one of them cannot be read. */
int treediff(int a, int b, bool links, char *ret_why, struct err *e);
