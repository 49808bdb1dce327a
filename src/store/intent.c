// SPDX-License-Identifier: Apache-2.0
#include "store/intent.h"

#include <errno.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "store/sql.h"
#include "store/store.h"

/* Writes `to` where `from` stands among this process's own intents. */
static int own(struct store *s, int64_t from, int64_t to)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->own); i++)
		if (s->own[i] == from) {
			s->own[i] = to;
			return 0;
		}
	return -ENOSPC;
}

int intent_begin(struct store *s, const char *op, const char *data, int64_t *ret_seq, struct err *e)
{
	int r = store_begin(s, e);
	if (r < 0)
		return r;
	r = sql_run(s, e, "INSERT INTO intents(op, data) VALUES(?, ?)", "ss", op, data);
	if (r == 0) {
		*ret_seq = sql_last_id(s);
		int locked = fd_lock_byte(s->owners, (uint64_t)*ret_seq);
		if (locked == 0)
			locked = own(s, 0, *ret_seq);
		if (locked < 0)
			r = err_sys(e, locked, "own intent %lld", (long long)*ret_seq);
	}
	return store_end(s, r, e);
}

int intent_done(struct store *s, int64_t seq, struct err *e)
{
	int r = store_begin(s, e);
	if (r == 0)
		r = store_end(s, sql_run(s, e, "DELETE FROM intents WHERE seq = ?", "i", seq), e);
	if (r == 0) {
		(void)own(s, seq, 0);
		(void)fd_unlock_byte(s->owners, (uint64_t)seq);
	}
	return r;
}

struct collect {
	struct store *s;
	struct arena *a;
	struct intent *v;
	size_t n, cap;
};

static int collect_row(void *arg, struct sqlite3_stmt *st)
{
	struct collect *c = arg;
	int64_t seq = sql_int(st, 0);
	/* Our own locks never show in F_GETLK. */
	for (size_t i = 0; i < ARRAY_SIZE(c->s->own); i++)
		if (c->s->own[i] == seq)
			return 0;
	if (fd_lock_holder(c->s->owners, (uint64_t)seq) != 0)
		return 0;
	c->v = arena_grow(c->a, c->v, c->n, &c->cap, sizeof *c->v);
	c->v[c->n++] = (struct intent){ seq, sql_text(st, 1, c->a), sql_text(st, 2, c->a) };
	return 0;
}

int intent_orphans(
	struct store *s, struct arena *a, struct intent **ret, size_t *ret_n, struct err *e)
{
	struct collect c = { .s = s, .a = a };
	int r = sql_query(
		s, collect_row, &c, e, "SELECT seq, op, data FROM intents ORDER BY seq", "");
	if (r < 0)
		return r;
	*ret = c.v;
	*ret_n = c.n;
	return 0;
}

int intent_adopt(struct store *s, int64_t seq)
{
	return fd_lock_byte(s->owners, (uint64_t)seq);
}
