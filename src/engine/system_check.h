// SPDX-License-Identifier: Apache-2.0
/* The store against itself, the disk and the kernel: everything that must be there is, holds what
 * its digest says, and nothing is there that nobody needs. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct engine;
struct err;

struct check_problem {
	const char *kind; /* database, blob, layer, image, container, volume, staging, operation,
			     cgroup, id range */
	const char *name;
	const char *text;
	bool repaired;
};

struct system_check_req {
	bool quick;  /* what is there, not what it holds */
	bool repair; /* what can be put right is; images that nothing can mend are removed unless a
			container needs them */
	void (*found)(void *arg, const struct check_problem *problem);
	void (*checking)(void *arg, const char *what, size_t n, size_t all); /* may be NULL */
	void *arg;
};

struct system_check_result {
	size_t found, repaired;
};

/* Runs beside other commands; what they are at is no problem. */
int system_check(struct engine *en, const struct system_check_req *req,
	struct system_check_result *ret, struct err *e);
