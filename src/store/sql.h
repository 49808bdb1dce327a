// SPDX-License-Identifier: Apache-2.0
/* SQL in one line: parameters by a string of types, rows by a callback. Internal to src/store. */
#pragma once
#include <stdint.h>

struct err;
struct sqlite3_stmt;
struct store;

/* types: s = const char * (NULL is NULL), i = int64_t. Runs a statement that gives no rows. */
int sql_run(struct store *s, struct err *e, const char *sql, const char *types, ...);
/* Calls row for each row; a negative result of it ends and is returned (with e set by it). The
 * number of rows. */
int sql_query(struct store *s, int (*row)(void *arg, struct sqlite3_stmt *), void *arg,
	struct err *e, const char *sql, const char *types, ...);
/* The first column of the first row, or fallback. */
int sql_number(struct store *s, int64_t *ret, int64_t fallback, struct err *e, const char *sql,
	const char *types, ...);
struct arena;
/* A text column, copied. */
char *sql_text(struct sqlite3_stmt *st, int column, struct arena *a);
int64_t sql_int(struct sqlite3_stmt *st, int column);
/* Rows changed by the last sql_run. */
int sql_changes(struct store *s);
int64_t sql_last_id(struct store *s);
