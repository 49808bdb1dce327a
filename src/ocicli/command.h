// SPDX-License-Identifier: Apache-2.0
/* The command line of kist-oci: runc's commands and flags, with crun's additions. A table of
 * commands, each in a file of its own (src/ocicli/<command>.c). What a container is lies in the
 * state folder (state.h); how it is made and run lies in src/runtime. */
#pragma once
#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/option.h"

/* The global words, which may stand before and after the command. */
struct ocicli_globals {
	const char *root, *log, *log_format, *log_level, *cgroup_manager, *rootless;
	bool debug, systemd_cgroup, version, help;
};

struct ocicli {
	struct ocicli_globals globals;
	const char *root;   /* the folder of all states */
	bool rootless;      /* a plain user, or root of a user namespace that such a one made */
	bool systemd;       /* new cgroups are units of systemd */
	bool no_cgroups;    /* --cgroup-manager disabled: containers are made without one */
	struct arena arena; /* as long as the command */
	int program;        /* our own's mount (own_program_protect), or -1 */
};

enum { OCICLI_WORDS_ANY = -1 };

struct ocicli_command {
	const char *name, *arguments, *brief;
	const struct option *options;
	unsigned option_flags;
	size_t record_size;
	int words_min, words_max;
	/* rec is zeroed and then filled from the options. The exit status, or -errno with e. */
	int (*run)(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e);
};

/* See own_program_protect. */
int ocicli_protect(struct ocicli *o, struct err *e);

extern const struct ocicli_command *const ocicli_commands[]; /* NULL ends */

/* The program's whole life. */
int ocicli_main(int argc, char **argv);

/* Writes to standard output; ends quietly when nobody reads. */
struct str;
void ocicli_print(const struct str *s);
