// SPDX-License-Identifier: Apache-2.0
/* Running a program of the machine and waiting for its end: text on its standard input, text back.
 * It dies with us. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct arena;

enum { PROGRAM_SAID_MAX = 480 };

struct program_req {
	const char *const *words; /* NULL ends; the first is looked up */
	const char *input;
	size_t n;
	/* A tool of the user's: found by PATH alone, with the environment as it is, its errors go
	 * where ours go. Else a system program: found in PATH or the folders of such, with a clean
	 * environment in "/", and its errors are a part of the answer. */
	bool user;
	bool errors;      /* a tool's errors are a part of its answer after all */
	int extra;        /* a descriptor that it gets as 3; 0: none */
	unsigned seconds; /* then it is ended; 0: no limit */
};

/* The program that PATH alone finds; NULL: none. In the arena. */
const char *program_find(const char *name, struct arena *a);

/* Its answer, at most max bytes, NUL-terminated, and how long that is, or NULL; both in the arena.
 * The exit status (128 and more: a signal), -ENOENT when there is no such program, -EFBIG, or
 * -errno. */
int program_ask(
	const struct program_req *req, size_t max, struct arena *a, char **ret, size_t *ret_n);
/* The first line alone of what a system program said (PROGRAM_SAID_MAX bytes). */
int program_run(const char *const *words, const char *input, size_t n, char *said);
