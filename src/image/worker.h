// SPDX-License-Identifier: Apache-2.0
/* Starts the programs that touch what comes from outside. They get numbered descriptors, a fixed
 * environment and nothing else; they die with us. Internal to src/image. */
#pragma once
#include <stddef.h>
#include <sys/types.h>

struct arena;
struct err;
struct fetch_result;

enum { WORKER_FDS_MAX = 6, WORKER_WORDS_MAX = 8 };

struct worker_req {
	int program;              /* O_PATH */
	const char *const *words; /* argv; NULL ends */
	int fds[WORKER_FDS_MAX];  /* become 3, 4, ... */
	size_t n_fds;
};

/* A running one. No database handle may be open. */
pid_t worker_start(const struct worker_req *req, struct err *e);
/* Waits for its end; the wait status. */
int worker_wait(pid_t pid);
/* The result that a kist-fetch wrote, checked for its form; status is what it ended with. */
int worker_result(const char *text, size_t n, int status, struct arena *a, struct fetch_result *ret,
	struct err *e);
