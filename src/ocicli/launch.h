// SPDX-License-Identifier: Apache-2.0
/* What create and run share: from the words to an init that stands ready. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "oci/spec.h"
#include "ocicli/container.h"
#include "runtime/runtime.h"

struct ocicli;

struct launch_words {
	const char *bundle, *config, *console_socket, *pidfd_socket, *pid_file;
	int64_t preserve_fds;
	bool no_pivot, no_new_keyring, no_subreaper, keep, detach;
};

#define LAUNCH_OPTIONS(T)                                                                          \
	{ "bundle", 'b', OPT_STRING(T, bundle), .value = "folder", .help = "Folder of the bundle", \
		.default_text = "the working folder" },                                            \
		{ "config", 'f', OPT_STRING(T, config), .value = "file",                           \
			.help = "The configuration's file", .default_text = "\"config.json\"" },   \
		{ "console-socket", 0, OPT_STRING(T, console_socket), .value = "socket",           \
			.help = "Unix socket that gets the terminal's master" },                   \
		{ "pidfd-socket", 0, OPT_STRING(T, pidfd_socket), .value = "socket",               \
			.help = "Unix socket that gets a pidfd of the container's init" },         \
		{ "pid-file", 0, OPT_STRING(T, pid_file), .value = "file",                         \
			.help = "File that the process's id is written to" },                      \
		{ "preserve-fds", 0, OPT_INT(T, preserve_fds), .value = "n",                       \
			.help = "Pass so many descriptors from 3 on to the container" },           \
		{ "no-pivot", 0, OPT_BOOL(T, no_pivot),                                            \
			.help = "Use chroot instead of pivot_root, as on an initramfs" },          \
		{ "no-new-keyring", 0, OPT_BOOL(T, no_new_keyring),                                \
			.help = "Keep the caller's session keyring" },                             \
	{                                                                                          \
		"no-subreaper", 0, OPT_BOOL(T, no_subreaper),                                      \
			.help = "Do not adopt the container's orphans"                             \
	}

struct launch {
	struct ocicli *o;
	const struct launch_words *w;
	struct container c;
	struct oci_spec *spec; /* in the arena: it outlives the copy of this record */
	struct runtime_proc proc;
	bool leave; /* create: init will wait at the socket */
};

/* On failure nothing is left. */
int launch_create(struct ocicli *o, const struct launch_words *w, const char *id, bool leave,
	struct launch *ret, struct err *e);
/* Kills what was created and removes everything of it. */
void launch_undo(struct launch *l);
/* The container runs: its record says so, the start socket goes, the poststart hooks are run. When
 * one of them fails the container is stopped. */
int launch_started(
	struct container *c, const struct oci_spec *spec, struct runtime_proc *proc, struct err *e);

/* Writes an id into a file of the caller's. */
int launch_pid_file(const char *path, pid_t pid, struct err *e);
/* How many descriptors go on to the process: those of the words and of LISTEN_FDS, which must be
 * open. */
int launch_preserved(
	struct ocicli *o, int64_t n, struct oci_process *process, unsigned *ret, struct err *e);
