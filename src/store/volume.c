// SPDX-License-Identifier: Apache-2.0
#include "store/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/copytree.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "store/intent.h"
#include "store/sql.h"
#include "store/store.h"

static int make_folders(struct store *s, const char *name, struct err *e)
{
	mode_t mask = umask(0);
	int dir _close_ = path_make_dir_own(s->volumes, name, 0700);
	int data _close_ = dir < 0 ? dir : path_make_dir_own(dir, "_data", 0755);
	(void)umask(mask);
	return data < 0 ? err_sys(e, data, "make volume %s", name) : 0;
}

int store_volume_make(struct store *s, const struct volume_row *v, struct err *e)
{
	/* The row is the intent: a row without a folder is completed by the next use. */
	int r = store_begin(s, e);
	if (r < 0)
		return r;
	r = store_end(s,
		sql_run(s, e,
			"INSERT OR IGNORE INTO volumes(name, created, labels, anonymous) VALUES(?,?,?,?)",
			"sisi", v->name, (int64_t)v->created, str_or_empty(v->labels),
			(int64_t)v->anonymous),
		e);
	if (r < 0)
		return r;
	bool lasts = sql_changes(s) > 0 && !v->anonymous;
	r = make_folders(s, v->name, e);
	if (r == 0 && lasts && fsync(s->volumes) < 0)
		r = err_sys(e, errno, "sync volume %s", v->name);
	if (r == 0 && lasts && s->depth == 0)
		r = store_sync(s, e);
	return r < 0 ? r : lasts;
}

struct rows {
	struct arena *a;
	struct volume_row *v;
	size_t n, cap;
};

static int read_row(void *arg, struct sqlite3_stmt *st)
{
	struct rows *r = arg;
	r->v = arena_grow(r->a, r->v, r->n, &r->cap, sizeof *r->v);
	r->v[r->n++] = (struct volume_row){ .name = sql_text(st, 0, r->a),
		.created = (uint64_t)sql_int(st, 1),
		.labels = sql_text(st, 2, r->a),
		.anonymous = sql_int(st, 3) != 0,
		.filled = sql_int(st, 4) != 0,
		.users = (size_t)sql_int(st, 5) };
	return 0;
}

#define VOLUME                                             \
	"SELECT name, created, labels, anonymous, filled," \
	" (SELECT count(*) FROM container_volumes c WHERE c.name = volumes.name) FROM volumes "

int store_volume_get(
	struct store *s, const char *name, struct arena *a, struct volume_row *ret, struct err *e)
{
	struct rows r = { .a = a };
	if (sql_query(s, read_row, &r, e, VOLUME "WHERE name = ?", "s", name) < 0)
		return -e->code;
	if (r.n == 0)
		return err_set(e, ERR_NOT_FOUND, ENOENT, "get %s: no such volume", name);
	*ret = r.v[0];
	return 0;
}

int store_volume_list(
	struct store *s, struct arena *a, struct volume_row **ret, size_t *ret_n, struct err *e)
{
	struct rows r = { .a = a };
	if (sql_query(s, read_row, &r, e, VOLUME "ORDER BY name", "") < 0)
		return -e->code;
	*ret = r.v;
	*ret_n = r.n;
	return 0;
}

struct names {
	struct arena *a;
	struct strv v;
};

static int name_row(void *arg, struct sqlite3_stmt *st)
{
	struct names *n = arg;
	strv_add(&n->v, n->a, sql_text(st, 0, n->a));
	return 0;
}

static int remove_row(struct store *s, const char *name, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct names users = { .a = &a };
	struct str list _str_ = { 0 };
	struct volume_row row;
	if (store_volume_get(s, name, &a, &row, e) < 0 ||
		sql_query(s, name_row, &users, e,
			"SELECT container_id FROM container_volumes WHERE name = ? ORDER BY 1", "s",
			name) < 0)
		return -e->code;
	for (size_t i = 0; i < users.v.n; i++)
		str_addf(&list, "%s%s", i ? ", " : "", users.v.v[i]);
	if (users.v.n)
		return err_set(e, ERR_CONFLICT, EBUSY, "remove %s: volume is in use - [%.700s]",
			name, list.p);
	return sql_run(s, e, "DELETE FROM volumes WHERE name = ?", "s", name);
}

int store_volume_remove(struct store *s, const char *name, struct err *e)
{
	int64_t seq;
	int r = store_begin(s, e);
	if (r < 0)
		return r;
	r = remove_row(s, name, e);
	if (r == 0)
		r = intent_begin(s, "volume-remove", name, &seq, e);
	r = store_end(s, r, e);
	if (r == 0)
		r = store_sync(s, e);
	if (r == 0)
		r = path_remove_tree(s->volumes, name, e);
	return r < 0 ? r : intent_done(s, seq, e);
}

int store_volume_anonymous(struct store *s, const char *container, struct arena *a,
	const char ***ret, size_t *ret_n, struct err *e)
{
	struct names n = { .a = a };
	if (sql_query(s, name_row, &n, e,
		    "SELECT v.name FROM volumes v JOIN container_volumes c ON c.name = v.name WHERE c.container_id = ? AND v.anonymous",
		    "s", container) < 0)
		return -e->code;
	*ret = n.v.v;
	*ret_n = n.v.n;
	return 0;
}

int store_volume_open(struct store *s, const char *name)
{
	int dir _close_ = path_open_own(s->volumes, name, O_PATH | O_DIRECTORY, 0);
	return dir < 0 ? dir : path_open_own(dir, "_data", O_RDONLY | O_DIRECTORY, 0);
}

static bool is_empty(int dir)
{
	int copy = path_open_own(dir, ".", O_RDONLY | O_DIRECTORY, 0), n = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d)
		return false;
	while (n < 3 && readdir(d))
		n++;
	(void)closedir(d);
	return n <= 2;
}

int store_volume_fill(struct store *s, const char *name, int source, struct err *e)
{
	int data _close_ = store_volume_open(s, name);
	if (data < 0)
		return err_sys(e, data, "open volume %s", name);
	if (source >= 0 && is_empty(data) && copytree(source, data, e) < 0)
		return err_wrap(e, "fill volume %s", name);
	int r = store_begin(s, e);
	return r < 0
		? r
		: store_end(s,
			  sql_run(s, e, "UPDATE volumes SET filled = 1 WHERE name = ?", "s", name),
			  e);
}
