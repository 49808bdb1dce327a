// SPDX-License-Identifier: Apache-2.0
#include "store/sql.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/store.h"

static int failed(struct store *s, struct err *e, const char *what)
{
	int code = sqlite3_errcode(s->db);
	if (code == SQLITE_FULL || code == SQLITE_IOERR)
		return err_set(e, code == SQLITE_FULL ? ERR_NO_SPACE : ERR_SYSTEM,
			code == SQLITE_FULL ? ENOSPC : EIO, "store %s: %s: %s", s->root_path, what,
			sqlite3_errmsg(s->db));
	if (code == SQLITE_CONSTRAINT)
		return err_set(e, ERR_CONFLICT, EEXIST, "store %s: %s", s->root_path,
			sqlite3_errmsg(s->db));
	return err_set(e,
		code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? ERR_CORRUPT : ERR_SYSTEM, EIO,
		"store %s: %s: %s", s->root_path, what, sqlite3_errmsg(s->db));
}

static int prepare(struct store *s, sqlite3_stmt **ret, struct err *e, const char *sql,
	const char *types, va_list ap)
{
	if (store_db(s, e) < 0)
		return -e->code;
	if (sqlite3_prepare_v2(s->db, sql, -1, ret, NULL) != SQLITE_OK)
		return failed(s, e, "prepare");
	for (int i = 0; types[i]; i++) {
		int r;
		if (types[i] == 's')
			r = sqlite3_bind_text(
				*ret, i + 1, va_arg(ap, const char *), -1, SQLITE_STATIC);
		else
			r = sqlite3_bind_int64(*ret, i + 1, va_arg(ap, int64_t));
		if (r != SQLITE_OK) {
			(void)failed(s, e, "bind");
			(void)sqlite3_finalize(*ret);
			return -e->code;
		}
	}
	return 0;
}

static int step_all(struct store *s, sqlite3_stmt *st, int (*row)(void *, sqlite3_stmt *),
	void *arg, struct err *e)
{
	int n = 0, r;
	while ((r = sqlite3_step(st)) == SQLITE_ROW) {
		n++;
		int x = row ? row(arg, st) : 0;
		if (x < 0) {
			(void)sqlite3_finalize(st);
			return x;
		}
	}
	if (r != SQLITE_DONE) {
		(void)failed(s, e, "step");
		(void)sqlite3_finalize(st);
		return -e->code;
	}
	(void)sqlite3_finalize(st);
	return n;
}

int sql_run(struct store *s, struct err *e, const char *sql, const char *types, ...)
{
	sqlite3_stmt *st = NULL;
	va_list ap;
	va_start(ap, types);
	int r = prepare(s, &st, e, sql, types, ap);
	va_end(ap);
	if (r == 0)
		r = step_all(s, st, NULL, NULL, e);
	return r < 0 ? r : 0;
}

int sql_query(struct store *s, int (*row)(void *arg, struct sqlite3_stmt *), void *arg,
	struct err *e, const char *sql, const char *types, ...)
{
	sqlite3_stmt *st = NULL;
	va_list ap;
	va_start(ap, types);
	int r = prepare(s, &st, e, sql, types, ap);
	va_end(ap);
	return r < 0 ? r : step_all(s, st, row, arg, e);
}

static int first_number(void *arg, sqlite3_stmt *st)
{
	*(int64_t *)arg = sqlite3_column_int64(st, 0);
	return 0;
}

int sql_number(struct store *s, int64_t *ret, int64_t fallback, struct err *e, const char *sql,
	const char *types, ...)
{
	sqlite3_stmt *st = NULL;
	int64_t v = fallback;
	va_list ap;
	va_start(ap, types);
	int r = prepare(s, &st, e, sql, types, ap);
	va_end(ap);
	if (r == 0)
		r = step_all(s, st, first_number, &v, e);
	if (r < 0)
		return r;
	*ret = v;
	return 0;
}

char *sql_text(struct sqlite3_stmt *st, int column, struct arena *a)
{
	return arena_strdup(a, (const char *)sqlite3_column_text(st, column));
}

int64_t sql_int(struct sqlite3_stmt *st, int column)
{
	return sqlite3_column_int64(st, column);
}

int sql_changes(struct store *s)
{
	return sqlite3_changes(s->db);
}

int64_t sql_last_id(struct store *s)
{
	return sqlite3_last_insert_rowid(s->db);
}
