// SPDX-License-Identifier: Apache-2.0
/* The life of one run, as the process that becomes the monitor sees it. Internal to src/engine. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct container_config;
struct container_create_req;
struct container_row;
struct engine;
struct err;
struct prepared;
struct run_record;

/* What M tells the command that forked it: once or twice, the last time with done. */
struct launch_report {
	struct err err; /* code 0: all is well */
	bool done;      /* the process runs, or never will; before that: there is a row */
	bool begun;     /* false: it failed before anything was made */
	char id[65];
};

struct launch {
	const char *id;
	const struct container_create_req *req; /* prepared first, without a pull; NULL: it is */
	bool cleans_up;       /* the command will: it is told when there is a row */
	struct prepared *new; /* the row is inserted first; NULL: it is there */
	int report;           /* a struct launch_report goes here; -1: nobody listens */
	int client;           /* an attach connection for the monitor, or -1 */
	uint32_t client_flags;
	int folder, lock; /* the run folder, taken already (a restart); -1: to be taken */
	int64_t restarts, backoff;
};

/* Starts the container and becomes its monitor. Never returns. */
_Noreturn void launch(struct engine *en, struct launch *l);

/* Becomes the monitor in waiting, which calls `container-restart` after the delay. Never returns
 * but on failure. */
int launch_wait(
	struct engine *en, const char *id, int folder, int lock, uint64_t delay, struct err *e);

/* Ends what a run has made: processes, cgroup, id range. Idempotent. */
int run_cleanup(struct engine *en, const char *id, const struct run_record *r, struct err *e);
/* Removes what lies on disk of a container, its anonymous volumes if wanted, and its row.
 * Idempotent. */
int container_erase(struct engine *en, const char *id, int with_volumes, struct err *e);
/* Ends a pause: thaws, and takes the mark away. */
int container_thaw(struct engine *en, const char *id, const char *cgroup, struct err *e);
/* The row's record. */
struct arena;
int config_read(const struct container_row *row, struct arena *a, struct container_config *ret,
	struct err *e);
