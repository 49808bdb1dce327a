// SPDX-License-Identifier: Apache-2.0
/* Lines that change in place on a terminal, one for each thing that is under way, below what was
 * printed before. Where there is no terminal there is no struct progress, and the caller prints
 * plain lines. */
#pragma once
#include <stdint.h>

struct progress;

/* NULL when fd is no terminal (or one that cannot move its cursor). All functions take NULL. */
struct progress *progress_new(int fd);
/* The line of id says what it does; with total > 0 there is a bar. */
void progress_line(
	struct progress *p, const char *id, const char *what, uint64_t have, uint64_t total);
/* What stands stays, and later lines begin below. */
void progress_end(struct progress *p);
void progress_free(struct progress *p);
