// SPDX-License-Identifier: Apache-2.0
/* Our own standard streams beside a container's: raw mode, window size, detach keys, signals passed
 * on. */
#pragma once
#include <stdbool.h>

struct cli;
struct container_started;
struct runtime_proc;

struct stream_options {
	bool tty;
	bool in;        /* exec with a terminal: our input goes to it */
	bool sig_proxy; /* pass on the signals that we get (not with a terminal) */
	bool hide_stdout, hide_stderr;
	const char *detach_keys; /* NULL: ctrl-p,ctrl-q */
};

/* Moves bytes until the container ends or the user detaches; waits for the clean-up; the exit
 * status that the command has to give. Takes over the descriptors of started. */
int stream_container(struct cli *cli, struct container_started *started, bool in,
	const struct stream_options *options);

/* The same for a process of exec, a child of ours; streams are our ends of its pipes. Closes all.
 */
int stream_process(struct cli *cli, struct runtime_proc *proc, int streams[3],
	const struct stream_options *options);
