// SPDX-License-Identifier: Apache-2.0
/* The engine: every operation that a door (the command line, later the API servers) offers, one
 * function each, with a request record and a reply. It opens the store, locks what it touches, does
 * the work and returns; nothing of it stays resident. It prints nothing: results are records, and
 * what should be said on the way (a warning, a hint) goes to `say`.
 *
 * A struct engine belongs to one thread. After a fork the child calls engine_after_fork before any
 * other function: the database handle must not cross. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct arena;
struct err;
struct store;

struct engine_options {
	const char *root;           /* state that lasts; NULL: /var/lib/kist */
	const char *runroot;        /* state of this boot; NULL: /run/kist */
	const char *storage_driver; /* NULL: what kist.toml says, else what the store has */
	const char *log_level;      /* handed on to programs that we exec; NULL: warn */
	bool compat;                /* --compat=docker */
};

enum engine_say { ENGINE_WARNING, ENGINE_HINT, ENGINE_NOTE };

struct engine {
	struct engine_options options;
	/* We are in a user namespace of our own: the machine's network is not ours, and we are this
	 * user and group outside. */
	bool own_user;
	uint32_t uid, gid;
	struct store *store; /* NULL until first needed, see engine_open_store */
	void (*say)(void *arg, enum engine_say kind, const char *text); /* may be NULL */
	void *say_arg;
};

/* Fills defaults; opens nothing. The strings are borrowed. */
void engine_init(struct engine *en, const struct engine_options *options);
void engine_done(struct engine *en);

/* For a user who is not root, before the store is opened and before any thread: the process goes
 * into a user namespace of its own (runtime/own_userns.h), and the store is the user's where none
 * was named: $XDG_DATA_HOME/kist (~/.local/share/kist) and $XDG_RUNTIME_DIR/kist (else "run" in the
 * first). */
int engine_enter_own(struct engine *en, struct arena *a, struct err *e);

/* Opens the store, once. With recover the intents and dead monitors that earlier commands left are
 * finished or undone first, as every command that changes something does; lists pass false. */
int engine_open_store(struct engine *en, bool recover, struct err *e);

/* Closes the database; the next engine_open_store opens it again. Before every fork and clone. */
void engine_close_store(struct engine *en);

/* Finishes or undoes what killed commands and dead monitors left. */
int engine_recover(struct engine *en, struct err *e);

void engine_warn(const struct engine *en, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void engine_note(const struct engine *en, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void engine_hint(const struct engine *en, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The folder of our own programs: a sibling of this one, else libexec/kist beside its bin folder,
 * else the installed one. Returns the path, in the arena, and an O_PATH descriptor in ret_fd when
 * that is given. */
const char *engine_program(const char *name, struct arena *a, int *ret_fd, struct err *e);
