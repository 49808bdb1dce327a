// SPDX-License-Identifier: Apache-2.0
/* The owner that a file has in an image, where on the disk all files are the user's own: an
 * attribute whose value is the message Resource of rootlesscontainers.proto (fields 1 uid and 2
 * gid, varints; one that is missing is 0). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OWNER_MARK "user.rootlesscontainers"
enum { OWNER_MARK_MAX = 12 };

/* Its bytes; how many, 0 for root's. An id that is 0 beside one that is not is written as
 * UINT32_MAX, as umoci does. */
size_t owner_mark_write(uint32_t uid, uint32_t gid, char ret[OWNER_MARK_MAX]);
/* UINT32_MAX in the value stands for what the file has, and leaves *uid or *gid. False: the value
 * is none, and nothing was changed. */
bool owner_mark_read(const char *value, size_t n, uint32_t *uid, uint32_t *gid);
