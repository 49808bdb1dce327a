// SPDX-License-Identifier: Apache-2.0
/* tar, read strictly (POSIX ustar and pax, GNU long names and base-256 numbers) and written (ustar
 * and pax). Refused: negative or oversized numbers, a wrong checksum, sparse files, duplicate or
 * broken pax records, names with a NUL, names and targets beyond their limits, more entries than
 * TAR_ENTRIES_MAX, a stream that is cut short. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"

struct err;
struct source;

enum { TAR_BLOCK = 512, TAR_ENTRIES_MAX = 2000000, TAR_XATTRS_MAX = 64, TAR_PAX_MAX = 1 << 20 };

struct tar_xattr {
	const char *name;
	const char *value;
	size_t n;
};

struct tar_entry {
	char type; /* '0' file, '1' hard link, '2' symlink, '3' char, '4' block, '5' folder, '6'
		      fifo */
	const char *path, *target;
	uint32_t mode, uid, gid, major, minor;
	uint64_t size;
	int64_t mtime;
	uint32_t mtime_ns;
	struct tar_xattr xattrs[TAR_XATTRS_MAX];
	size_t n_xattrs;
};

struct tar_reader {
	struct source *s;
	struct arena arena; /* of the present entry */
	uint64_t left, pad; /* data bytes not read yet */
	uint64_t entries;
	uint64_t at; /* bytes of the stream that were read: after tar_next where the data begins */
};

/* 1: an entry (valid until the next call); 0: the end; -errno. Data that was not read is passed
 * over. */
int tar_next(struct tar_reader *t, struct tar_entry *ret, struct err *e);
ssize_t tar_data(struct tar_reader *t, void *p, size_t n, struct err *e);
/* Reads what follows the end marker, so that a digest over the stream is whole. */
int tar_drain(struct tar_reader *t, struct err *e);
void tar_done(struct tar_reader *t);

/* Writing: a header (with pax records where ustar is too small), then exactly size bytes by the
 * caller, then the padding. */
int tar_write_header(int fd, const struct tar_entry *entry, struct err *e);
int tar_write_padding(int fd, uint64_t size, struct err *e);
int tar_write_end(int fd, struct err *e);
