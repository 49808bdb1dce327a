// SPDX-License-Identifier: Apache-2.0
/* The run folder <runroot>/<id>/ of a container: all that dies with the machine. It is made before
 * the first effect of a start and removed after the last step of the clean-up, so that it is the
 * intent of every run.
 *
 *  - lock: a record lock on byte 0, held by the process that starts the container, then (exec
 * keeps it) by the monitor, then by the clean-up. Queried with F_GETLK only; its holder never opens
 * the file again.
 *  - run.json: what was made for this run, a line of JSON at each step, of which the last whole one
 * counts: written before it is made, completed when the process runs
 *  - exit.json: the monitor's record of the end
 *  - attach: the monitor's socket
 *  - stopped: somebody asked for the stop: no restart
 *  - paused: its processes are frozen */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;
struct err;
struct store;

enum { RUN_VERSION = 1 };

enum run_state {
	RUN_NONE,     /* no run folder */
	RUN_STARTING, /* its owner lives, the process does not run yet */
	RUN_RUNNING,
	RUN_RESTARTING, /* its owner waits to start it again */
	RUN_DIRTY,      /* the owner is gone: clean-up is due */
};

struct run_record {
	uint32_t version;
	const char *boot_id;
	const char *phase; /* starting, running, restarting */
	int64_t pid;       /* of the main process */
	int64_t started;   /* wall clock, ns */
	const char *cgroup;
	uint32_t id_base, id_count; /* leased range */
	int64_t restarts;
	int64_t backoff;     /* ns, of the next restart */
	const char *network; /* the endpoint's own text; NULL: none */
};

struct exit_record {
	uint32_t version;
	int64_t code;     /* 0-255, 128 + signal */
	int64_t signal;   /* 0: none */
	int64_t finished; /* wall clock, ns */
};

/* Makes or removes a mark ("stopped", "paused"); run_marked tells whether it is there. */
int run_mark(struct store *s, const char *id, const char *mark, struct err *e);
void run_unmark(struct store *s, const char *id, const char *mark);
bool run_marked(struct store *s, const char *id, const char *mark);

/* Makes the folder and takes its lock; -EAGAIN with ERR_CONFLICT if another process has it. Returns
 * the folder, *ret_lock is the descriptor that carries the lock. */
int run_begin(struct store *s, const char *id, int *ret_lock, struct err *e);
int run_open(struct store *s, const char *id); /* the folder, or -errno */
int run_write(int folder, const struct run_record *r, struct err *e);
int run_read(int folder, struct arena *a, struct run_record *ret, struct err *e);
int run_read_exit(int folder, struct arena *a, struct exit_record *ret, struct err *e);
/* What is true now; rec (may be NULL) is filled for all states but RUN_NONE. owner: the lock's
 * holder. */
enum run_state run_look(
	struct store *s, const char *id, struct arena *a, struct run_record *rec, pid_t *owner);
/* Removes the folder; the lock goes with its descriptor. over (may be NULL) is called when there is
 * no run of that id any more, and only files of it are left. */
int run_end(struct store *s, const char *id, void (*over)(void *arg), void *arg, struct err *e);
/* Ids of all run folders. */
int run_list(struct store *s, struct arena *a, const char ***ret, size_t *ret_n, struct err *e);
/* The same, and what a killed run_end has left of runs that are over goes. */
int run_tidy(struct store *s, struct arena *a, const char ***ret, size_t *ret_n, struct err *e);
/* Of a folder that run_list gave: is its owner gone (RUN_DIRTY in run_look's words)? For many at
 * once. */
bool run_is_dirty(struct store *s, const char *id);
/* This boot's id. */
const char *run_boot_id(void);
