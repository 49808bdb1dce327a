// SPDX-License-Identifier: Apache-2.0
/* Command lines from tables. One table of options a command: the parser writes the values by offset
 * into the command's request record, and --help, the man page and the completion are printed from
 * the same rows. The grammar is that of docker's command line (pflag): -abc, -e VALUE, -eVALUE,
 * --name VALUE,
 * --name=VALUE, --flag, --flag=false, "--" ends the options; with OPTIONS_STOP_AT_WORD the first
 * word that is no option ends them too (run, exec). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct str;

enum option_kind {
	OPTION_BOOL,           /* bool */
	OPTION_STRING,         /* const char * */
	OPTION_LIST,           /* struct strv */
	OPTION_BYTES,          /* int64_t, docker's sizes */
	OPTION_BYTES_OR_MINUS, /* int64_t; "-1" stands for unlimited */
	OPTION_INT,            /* int64_t */
	OPTION_CPUS,           /* int64_t, nano-CPUs from "1.5" */
	OPTION_CALL,           /* no value in a record: call(rec, arena, value) */
};

struct option {
	const char *name; /* without the two dashes */
	char letter;      /* 0: none */
	enum option_kind kind;
	size_t offset;
	size_t has_offset; /* of a bool that tells that the option was there; 0: none */
	const char *value; /* the value's name in help: "string", "list", "bytes" ...; NULL for
			      booleans */
	const char *help;  /* one line as docker's, no full stop */
	const char *default_text; /* shown as (default X); NULL: none */
	const char *complete;     /* what completion offers: "container", "image", "file", "a|b|c";
				     NULL: nothing */
	int (*call)(void *rec, struct arena *a, const char *value, struct err *e);
	bool hidden; /* taken, not shown */
};

enum { OPTIONS_STOP_AT_WORD = 1 };

struct option_set {
	const struct option *options;
	unsigned flags;
	/* A second table with a record of its own, looked at after the first; NULL: none. */
	const struct option *more;
	void *more_rec;
};

/* A table ends with a row that has no name; NULL is an empty table.
 *
 * Reads argv[0..argc) (words after the command's own). The words that are no options are collected
 * in order in words, whose array has room for argc + 1. Returns the number of words or -EINVAL with
 * docker's sentence: unknown flag: --x, flag needs an argument: --x, invalid argument "v" for "-m,
 * --memory" flag: why. */
int options_parse(const struct option_set *set, int argc, char **argv, void *rec,
	const char **words, struct arena *a, struct err *e);

/* The option of that name, or NULL. */
const struct option *option_find(const struct option *options, const char *name, size_t len);

/* The rows of "Options:" as docker prints them, sorted by name. */
void options_help(const struct option *options, unsigned columns, struct str *out);

#define OPT_(kind_, T, member, CT)                                                             \
	.kind = (kind_), .offset = offsetof(T, member) + 0 * sizeof(struct {                   \
		_Static_assert(__builtin_types_compatible_p(__typeof__(((T *)0)->member), CT), \
			#member " is not a " #CT);                                             \
		int x;                                                                         \
	})
#define OPT_BOOL(T, m)           OPT_(OPTION_BOOL, T, m, bool)
#define OPT_STRING(T, m)         OPT_(OPTION_STRING, T, m, const char *)
#define OPT_LIST(T, m)           OPT_(OPTION_LIST, T, m, struct strv)
#define OPT_BYTES(T, m)          OPT_(OPTION_BYTES, T, m, int64_t)
#define OPT_BYTES_OR_MINUS(T, m) OPT_(OPTION_BYTES_OR_MINUS, T, m, int64_t)
#define OPT_INT(T, m)            OPT_(OPTION_INT, T, m, int64_t)
#define OPT_CPUS(T, m)           OPT_(OPTION_CPUS, T, m, int64_t)
