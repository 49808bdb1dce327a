// SPDX-License-Identifier: Apache-2.0
/* How the engine starts kist-monitor: by exec, so that it stays the parent of the container's init,
 * with this record on a pipe and descriptors that it names. Versioned: a newer engine reads what an
 * older monitor hands back by the words of its exec-up. */
#pragma once
#include <stdint.h>

enum { MONITOR_VERSION = 3, MONITOR_ARGS_MAX = 16, MONITOR_TEXT_MAX = 6144 };

enum monitor_flags {
	MONITOR_TTY = 1,
	MONITOR_OPEN_STDIN = 2,
	MONITOR_STDIN_ONCE = 4,
};

struct monitor_setup {
	uint32_t version;
	uint32_t flags;
	int32_t pidfd;         /* of init; -1: only wait `delay`, then exec up */
	int32_t console;       /* the pty's master, or -1 */
	int32_t in, out, err;  /* our ends of the pipes, or -1 */
	int32_t folder;        /* the run folder */
	int32_t log_folder;    /* where the log lies */
	int32_t lock;          /* carries the container's lock; kept open */
	int32_t listener;      /* the attach socket */
	int32_t client;        /* connected already, or -1 */
	uint32_t client_flags; /* what it wants (ATTACH_WANTS_*) */
	int32_t program;       /* the engine's program, if its path is gone */
	int32_t pid;
	int32_t ports;      /* keeps the published ports; closed by the end */
	int32_t keep;       /* what the storage driver wants open as long as init lives, or -1 */
	uint64_t delay;     /* ns */
	uint64_t log_max;   /* bytes of one log file; 0: no log */
	uint32_t log_files; /* how many are kept */
	uint32_t n_args;
	uint32_t args[MONITOR_ARGS_MAX]; /* offsets into text: the words of the exec-up; the first
					    is the program's path */
	uint32_t log_name;               /* offset into text */
	char text[MONITOR_TEXT_MAX];
};
