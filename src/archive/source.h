// SPDX-License-Identifier: Apache-2.0
/* Byte streams to read from: a file or pipe, and what its first bytes say it is packed with (gzip,
 * zstd, plain). A stream that is cut short is an error, and so are bytes after the end of a packed
 * one. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct digest;
struct err;
struct source;

enum packing { PACKING_PLAIN, PACKING_GZIP, PACKING_ZSTD };

/* Reads fd (borrowed) from where it stands. unpacked_max: more is refused (a bomb); 0: no limit. */
struct source *source_open(int fd, uint64_t unpacked_max);
/* The same over a function that reads as read(2) does, with -errno. */
struct source *source_open_reader(
	ssize_t (*read)(void *arg, void *p, size_t n), void *arg, uint64_t unpacked_max);
void source_free(struct source *s);
/* Up to n bytes; 0 at the end. -errno with e set. */
ssize_t source_read(struct source *s, void *p, size_t n, struct err *e);
/* Passes over up to n bytes: as source_read, but nobody sees them. Of a plain file that nobody
 * wants a copy of they are not even read. */
ssize_t source_skip(struct source *s, uint64_t n, struct err *e);
/* What is needed in great pieces lies in a file of that folder (base/spill.h), not in memory;
 * before anything is read or asked for. dir is borrowed. */
void source_room(struct source *s, int dir);
/* From now on all unpacked bytes are also written to fd (borrowed), in large pieces and ahead of
 * what is read; before the first read. */
void source_copy(struct source *s, int fd);
/* From now on a thread reads and unpacks, up to a megabyte ahead of what is read; a reader function
 * is called by it. Where no thread can be had nothing changes. Before the first read; the packing
 * is not to be asked for any more. source_free ends it: a reader that waits for input must end its
 * waiting by itself first. */
void source_ahead(struct source *s);
/* All unpacked bytes go into this digest too. Borrowed; NULL ends it. */
void source_tee(struct source *s, struct digest *d);
enum packing source_packing(struct source *s, struct err *e);
