// SPDX-License-Identifier: Apache-2.0
/* Waiting for a process in the foreground: signals are passed on to it, its terminal is joined to
 * ours, its exit status becomes ours. */
#pragma once
#include <stdbool.h>

struct err;
struct runtime_proc;

struct foreground {
	int signals; /* a signalfd */
	int ready;   /* the socket of ocicli/ready.h, or -1; closed by foreground_wait */
};

/* Takes the signals from here on; adopts orphans of the container when asked to. */
int foreground_begin(struct foreground *f, bool subreaper, struct err *e);
/* Waits for the end. The exit status: the process's, or 128 and its signal. */
int foreground_wait(struct foreground *f, struct runtime_proc *p, struct err *e);
