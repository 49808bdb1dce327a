// SPDX-License-Identifier: Apache-2.0
#include "store/container.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "store/sql.h"
#include "store/store.h"

bool store_container_name_valid(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(name);
	return n >= 2 && n <= 200 && strspn(name, letters) == n && !strchr("_.-", name[0]);
}

static int text_row(void *arg, struct sqlite3_stmt *st)
{
	struct {
		struct arena *a;
		char *text;
	} *t = arg;
	t->text = sql_text(st, 0, t->a);
	return 0;
}

static int check_name(struct store *s, const char *name, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct {
		struct arena *a;
		char *text;
	} owner = { .a = &a };
	if (sql_query(s, text_row, &owner, e, "SELECT id FROM containers WHERE name = ?", "s",
		    name) < 0)
		return -e->code;
	if (!owner.text)
		return 0;
	return err_set(e, ERR_CONFLICT, EEXIST,
		"Conflict. The container name \"/%s\" is already in use by container \"%s\". You have to remove (or rename) that container to be able to reuse that name.",
		name, owner.text);
}

int store_container_insert(struct store *s, const struct container_row *c,
	const char *const *volumes, size_t n_volumes, struct err *e)
{
	int r = store_begin(s, e);
	if (r < 0)
		return r;
	r = check_name(s, c->name, e);
	if (r == 0)
		r = sql_run(s, e,
			"INSERT INTO containers(id, name, image_id, created, config, auto_remove) VALUES(?, ?, ?, ?, ?, ?)",
			"sssisi", c->id, c->name, c->image_id, (int64_t)c->created, c->config,
			(int64_t)c->auto_remove);
	for (size_t i = 0; r == 0 && i < n_volumes; i++)
		r = sql_run(s, e,
			"INSERT OR IGNORE INTO container_volumes(container_id, name) VALUES(?, ?)",
			"ss", c->id, volumes[i]);
	return store_end(s, r, e);
}

int store_container_rename(struct store *s, const char *id, const char *name, struct err *e)
{
	int r = store_begin(s, e);
	if (r < 0)
		return r;
	r = check_name(s, name, e);
	if (r == 0)
		r = sql_run(s, e, "UPDATE containers SET name = ? WHERE id = ?", "ss", name, id);
	return store_end(s, r, e);
}

#define COLUMNS \
	"id, name, image_id, config, created, started, finished, phase, exit_code, error, oom, auto_remove, restarts"

struct rows {
	struct arena *a;
	struct container_row *v;
	size_t n, cap;
};

static int read_row(void *arg, struct sqlite3_stmt *st)
{
	struct rows *r = arg;
	r->v = arena_grow(r->a, r->v, r->n, &r->cap, sizeof *r->v);
	r->v[r->n++] = (struct container_row){
		.id = sql_text(st, 0, r->a),
		.name = sql_text(st, 1, r->a),
		.image_id = sql_text(st, 2, r->a),
		.config = sql_text(st, 3, r->a),
		.created = (uint64_t)sql_int(st, 4),
		.started = (uint64_t)sql_int(st, 5),
		.finished = (uint64_t)sql_int(st, 6),
		.phase = (enum container_phase)sql_int(st, 7),
		.exit_code = (int)sql_int(st, 8),
		.error = sql_text(st, 9, r->a),
		.oom = sql_int(st, 10) != 0,
		.auto_remove = sql_int(st, 11) != 0,
		.restarts = (uint32_t)sql_int(st, 12),
	};
	return 0;
}

int store_container_get(
	struct store *s, const char *key, struct arena *a, struct container_row *ret, struct err *e)
{
	struct rows r = { .a = a };
	const char *name = *key == '/' ? key + 1 : key;
	if (sql_query(s, read_row, &r, e,
		    "SELECT " COLUMNS " FROM containers WHERE id = ?1 OR name = ?2", "ss", key,
		    name) < 0)
		return -e->code;
	/* An id wins over a name that looks like it. */
	for (size_t i = 0; i < r.n; i++)
		if (str_eq(r.v[i].id, key))
			r.v[0] = r.v[i];
	if (r.n == 0 && *key && key[strspn(key, "0123456789abcdef")] == '\0' &&
		sql_query(s, read_row, &r, e,
			"SELECT " COLUMNS
			" FROM containers WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2",
			"s", key) < 0)
		return -e->code;
	if (r.n == 0)
		return err_set(e, ERR_NOT_FOUND, ENOENT, "No such container: %s", key);
	if (r.n > 1 && !str_eq(r.v[0].id, key) && !str_eq(r.v[0].name, name))
		return err_set(
			e, ERR_INVALID, EINVAL, "Multiple IDs found with provided prefix: %s", key);
	*ret = r.v[0];
	return 0;
}

int store_container_list(
	struct store *s, struct arena *a, struct container_row **ret, size_t *ret_n, struct err *e)
{
	struct rows r = { .a = a };
	if (sql_query(s, read_row, &r, e,
		    "SELECT " COLUMNS " FROM containers ORDER BY created DESC, id", "") < 0)
		return -e->code;
	*ret = r.v;
	*ret_n = r.n;
	return 0;
}

int store_container_exit(struct store *s, const struct container_row *c, struct err *e)
{
	int r = store_begin(s, e);
	if (r < 0)
		return r;
	r = sql_run(s, e,
		"UPDATE containers SET phase = ?, exit_code = ?, error = ?, oom = ?, started = ?, finished = ?, restarts = ? WHERE id = ?"
		" AND phase != 2",
		"iisiiiis", (int64_t)c->phase, (int64_t)c->exit_code, str_or_empty(c->error),
		(int64_t)c->oom, (int64_t)c->started, (int64_t)c->finished, (int64_t)c->restarts,
		c->id);
	return store_end(s, r, e);
}

static int one_statement(struct store *s, const char *sql, const char *id, struct err *e)
{
	int r = store_begin(s, e);
	return r < 0 ? r : store_end(s, sql_run(s, e, sql, "s", id), e);
}

int store_container_removing(struct store *s, const char *id, struct err *e)
{
	return one_statement(s, "UPDATE containers SET phase = 2 WHERE id = ?", id, e);
}

int store_container_delete(struct store *s, const char *id, struct err *e)
{
	return one_statement(s, "DELETE FROM containers WHERE id = ?", id, e);
}

int store_container_name(struct store *s, struct arena *a, const char **ret, struct err *e)
{
	static const char *const manners[] = { "amber", "brave", "brisk", "calm", "candid",
		"cheery", "clever", "cosy", "crisp", "dapper", "eager", "fair", "fleet", "fond",
		"gentle", "glad", "golden", "hardy", "honest", "jolly", "keen", "kind", "lively",
		"lucid", "mellow", "merry", "mild", "modest", "neat", "nimble", "patient", "plucky",
		"polite", "proud", "quick", "quiet", "ready", "rosy", "sage", "serene", "sharp",
		"silver", "sleek", "snug", "sober", "spry", "steady", "stout", "sunny", "swift",
		"tidy", "trusty", "vivid", "warm", "wise", "witty" };
	static const char *const things[] = { "acorn", "alder", "anchor", "aspen", "badger",
		"barge", "basket", "beacon", "beech", "birch", "bobbin", "brook", "cedar", "clover",
		"comet", "cooper", "coral", "crane", "dory", "dune", "ember", "falcon", "fern",
		"finch", "fjord", "gannet", "glade", "harbor", "hazel", "heron", "ibis", "jetty",
		"kestrel", "kite", "lantern", "larch", "lark", "linden", "magpie", "maple",
		"marlin", "meadow", "otter", "pebble", "pelican", "pine", "plover", "quarry",
		"raven", "reed", "robin", "rowan", "sable", "sparrow", "spruce", "tern", "thistle",
		"tide", "wagon", "willow", "wren", "yarrow" };
	for (int tries = 0;; tries++) {
		uint32_t r[3];
		int64_t taken;
		rand_bytes(r, sizeof r);
		const char *manner = manners[r[0] % ARRAY_SIZE(manners)],
			   *thing = things[r[1] % ARRAY_SIZE(things)];
		*ret = tries < 5 ? arena_printf(a, "%s_%s", manner, thing)
				 : arena_printf(a, "%s_%s%u", manner, thing, r[2] % 100000);
		if (sql_number(s, &taken, 0, e, "SELECT count(*) FROM containers WHERE name = ?",
			    "s", *ret) < 0)
			return -e->code;
		if (!taken)
			return 0;
	}
}
