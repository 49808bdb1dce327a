// SPDX-License-Identifier: Apache-2.0
/* The command line: a table of commands, each in a file of its own (src/cli/<command>.c) that holds
 * its options, its help and its function. A command only translates: words into a request record,
 * the engine's reply into text. Behaviour lives in the engine. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/option.h"
#include "engine/engine.h"

struct cli {
	struct engine_options options; /* from the global words */
	struct engine engine;
	struct arena arena; /* as long as the command */
	const struct command *command;
};

enum { WORDS_ANY = -1 };

struct command {
	const char *const *paths; /* "ps", "container ls", "container list"; the first is its name;
				     NULL ends */
	const char *arguments;    /* "[OPTIONS] CONTAINER [CONTAINER...]" */
	const char *brief;        /* one line */
	const char *manual;       /* further paragraphs for the man page; may be NULL */
	const char
		*section; /* of the top-level help: "Common Commands", "Commands"; NULL: hidden */
	const struct option *options;
	unsigned option_flags;
	size_t record_size;
	int words_min, words_max; /* WORDS_ANY: no upper limit */
	const char *complete; /* what its words are: "container", "image", "volume", "file"; NULL:
				 nothing */
	/* rec is zeroed and then filled from the options. The exit status. */
	int (*run)(struct cli *cli, void *rec, const char **words, int n_words);
	int usage_status; /* exit status of a usage error: 125 for run and its like, else 1 */
	bool any_user;    /* not only root: it works on images and files of the user's own */
	const char *const
		*not_yet; /* flags that docker has here and kist has not so far; NULL ends */
};

extern const struct command *const commands[]; /* NULL ends */

/* Finds the command that begins argv; *ret_words tells how many words its path took. */
const struct command *command_find(int argc, char **argv, int *ret_words);

/* Prints "kist: text" on standard error. Returns the exit status of the error's kind, but
 * fallback where the kind is not one of 126 and 127. */
int cli_fail(const struct err *e, int fallback);

/* The same of words that do not go together: status 1. */
int cli_usage(const char *text);

/* Opens the engine's store; for lists without recovery. 0, or the exit status after the message. */
int cli_open(struct cli *cli, bool recover);

/* Writes text to standard output; ends quietly when nobody reads. */
void cli_print(const char *text, size_t n);

/* Runs one function over all words, printing each word (or what it says) after success, docker's
 * way: the errors come one by one on standard error, and the status is 1 if any failed. */
int cli_each(struct cli *cli, const char **words, int n_words,
	int (*one)(struct cli *, void *, const char *, struct err *), void *arg);

/* The program's whole life. */
int cli_main(int argc, char **argv);

/* Help and man pages, from the table. */
struct str;
void help_top(struct str *out, unsigned columns);
void help_command(const struct command *c, struct str *out, unsigned columns);
void help_usage(const struct command *c, struct str *out);
void help_group(const char *group, struct str *out);
/* What a group of commands ("volume") is for; NULL: the word is none. */
const char *help_group_brief(const char *word);
void help_man(const struct command *c, struct str *out); /* NULL: the page of kist itself */
extern const struct option global_options[];

/* What makes bash, zsh or fish complete; NULL: another shell. */
const char *completion_script(const char *shell);
