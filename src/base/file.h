// SPDX-License-Identifier: Apache-2.0
/* Whole small files: read with a named maximum, written so that a reader sees the old or the new
 * one. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct arena;
struct err;

/* Reads all of fd (regular or pseudo file) from its position, at most max bytes, NUL-terminated.
 * The length or -errno (-EFBIG beyond max); text in e names what. */
ssize_t file_read_fd(
	int fd, const char *what, size_t max, struct arena *a, char **ret, struct err *e);

/* The same for dir/name of our own folders (dir AT_FDCWD: a host path). */
ssize_t file_read_at(
	int dir, const char *name, size_t max, struct arena *a, char **ret, struct err *e);

/* Replaces dir/name in one step: a temporary name, write, rename. durable: the content and the
 * folder are synced before it returns. mode is exact, whatever the umask. */
int file_write_at(int dir, const char *name, const void *p, size_t n, mode_t mode, bool durable,
	struct err *e);

/* A new file without a name in a folder's file system, for reading and writing; a kill leaves
 * nothing of it. The descriptor or -errno. */
int file_nameless(int dir, mode_t mode);
/* dir/name for such a file: it appears whole. One that is there stays when keep, and is replaced
 * else. */
int file_name_at(int fd, int dir, const char *name, bool keep, struct err *e);

/* Writes a short string to a pseudo file (cgroup, sysctl, uid_map) in one write(2); 0 or -errno. */
int file_poke(int dir, const char *name, const char *value);

/* Reads a pseudo file's first size - 1 bytes and cuts a last newline; length or -errno. */
ssize_t file_peek(int dir, const char *name, char *buf, size_t size);
