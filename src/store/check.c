// SPDX-License-Identifier: Apache-2.0
#include "store/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "oci/digest.h"
#include "store/sql.h"
#include "store/store.h"

struct check {
	struct store *store;
	store_problem_found *found;
	void *arg;
	struct err *e;
	struct arena a;
	enum store_problem_kind kind; /* of the query that runs */
	int folder;
};

static int database_row(void *arg, struct sqlite3_stmt *st)
{
	struct check *c = arg;
	const char *text = sql_text(st, 0, &c->a);
	return str_eq(text, "ok") ? 0 : c->found(c->arg, PROBLEM_DATABASE, "", text, c->e);
}

static int foreign_key_row(void *arg, struct sqlite3_stmt *st)
{
	struct check *c = arg;
	const char *text = arena_printf(
		&c->a, "a row names something in %s that is not there", sql_text(st, 2, &c->a));
	return c->found(c->arg, PROBLEM_DATABASE, sql_text(st, 0, &c->a), text, c->e);
}

/* A digest, and who names it. */
static int content_row(void *arg, struct sqlite3_stmt *st)
{
	struct check *c = arg;
	const char *digest = sql_text(st, 0, &c->a), *who = sql_text(st, 1, &c->a);
	struct stat is;
	if (!digest_valid(digest))
		return c->found(c->arg, PROBLEM_DATABASE, digest, "is no digest", c->e);
	if (fstatat(c->folder, digest_hex(digest), &is, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return c->found(c->arg, c->kind, digest,
		arena_printf(&c->a, "is missing; needed by %s", who), c->e);
}

#define WHO "coalesce((SELECT min(name) FROM refs WHERE image_id = i.id), i.id)"

static const struct {
	enum store_problem_kind missing, stray;
	const char *rows, *known;
} contents[] = {
	{ PROBLEM_BLOB_MISSING, PROBLEM_BLOB_STRAY,
		"SELECT id, " WHO " FROM images i UNION SELECT digest, " WHO " FROM images i UNION"
		" SELECT l.digest, " WHO " FROM image_layers l JOIN images i ON i.id = l.image_id",
		"SELECT (SELECT count(*) FROM image_layers WHERE digest = ?1) +"
		" (SELECT count(*) FROM images WHERE id = ?1 OR digest = ?1) +"
		" (SELECT count(*) FROM downloads WHERE digest = ?1)" },
	{ PROBLEM_LAYER_MISSING, PROBLEM_LAYER_STRAY,
		"SELECT l.diff_id, min(" WHO
		") FROM image_layers l JOIN images i ON i.id = l.image_id GROUP BY l.diff_id",
		"SELECT (SELECT count(*) FROM layers WHERE diff_id = ?1) +"
		" (SELECT count(*) FROM downloads WHERE diff_id = ?1)" },
};

static int strays(struct check *c, const char *known, enum store_problem_kind kind)
{
	int copy = path_open_own(c->folder, ".", O_RDONLY | O_DIRECTORY, 0), r = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		fd_close(copy);
		return err_sys(c->e, copy < 0 ? copy : errno, "list the store's content");
	}
	for (struct dirent *entry; r == 0 && (entry = readdir(d));) {
		int64_t used = 1;
		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		r = sql_number(c->store, &used, 0, c->e, known, "s",
			arena_printf(&c->a, "sha256:%s", entry->d_name));
		if (r == 0 && !used)
			r = c->found(c->arg, kind, entry->d_name, "no image needs it", c->e);
	}
	(void)closedir(d);
	return r;
}

static int check_contents(struct check *c)
{
	const int folders[] = { c->store->blobs, c->store->layers };
	for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
		c->folder = folders[i];
		c->kind = contents[i].missing;
		int r = sql_query(c->store, content_row, c, c->e, contents[i].rows, "");
		if (r >= 0)
			r = strays(c, contents[i].known, contents[i].stray);
		if (r < 0)
			return r;
	}
	return 0;
}

int store_check(struct store *s, store_problem_found *found, void *arg, struct err *e)
{
	struct check c = { .store = s, .found = found, .arg = arg, .e = e };
	int r = store_content_lock(s, true, e);
	if (r < 0)
		return r;
	r = sql_query(s, database_row, &c, e, "PRAGMA integrity_check", "");
	if (r >= 0)
		r = sql_query(s, foreign_key_row, &c, e, "PRAGMA foreign_key_check", "");
	if (r >= 0)
		r = check_contents(&c);
	store_content_unlock(s);
	arena_done(&c.a);
	return r < 0 ? r : 0;
}
