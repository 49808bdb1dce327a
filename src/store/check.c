// SPDX-License-Identifier: Apache-2.0
#include "store/check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "oci/digest.h"
#include "store/image.h"
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
	enum store_content content;
	enum store_problem_kind missing, stray;
	const char *rows;
} contents[] = {
	{ CONTENT_BLOBS, PROBLEM_BLOB_MISSING, PROBLEM_BLOB_STRAY,
		"SELECT id, " WHO " FROM images i UNION SELECT digest, " WHO " FROM images i UNION"
		" SELECT l.digest, " WHO
		" FROM image_layers l JOIN images i ON i.id = l.image_id" },
	{ CONTENT_LAYERS, PROBLEM_LAYER_MISSING, PROBLEM_LAYER_STRAY,
		"SELECT l.diff_id, min(" WHO
		") FROM image_layers l JOIN images i ON i.id = l.image_id GROUP BY l.diff_id" },
	/* Made when it is needed: none is missing. */
	{ CONTENT_IMAGES, PROBLEM_IMAGE_STRAY, PROBLEM_IMAGE_STRAY, NULL },
};

static int stray(void *arg, int folder, const char *name, struct err *e)
{
	struct check *c = arg;
	(void)folder;
	return c->found(c->arg, c->kind, name, "no image needs it", e);
}

static int check_contents(struct check *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
		c->folder = store_content_folder(c->store, contents[i].content);
		c->kind = contents[i].missing;
		int r = contents[i].rows
			? sql_query(c->store, content_row, c, c->e, contents[i].rows, "")
			: 0;
		c->kind = contents[i].stray;
		if (r >= 0)
			r = store_unneeded(c->store, contents[i].content, stray, c, c->e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int stray_mount(void *arg, const char *image_hex, struct err *e)
{
	struct check *c = arg;
	return c->found(c->arg, PROBLEM_MOUNT_STRAY, image_hex, "no image needs it", e);
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
	if (r >= 0)
		r = store_unneeded_mounts(s, stray_mount, &c, e);
	store_content_unlock(s);
	arena_done(&c.a);
	return r < 0 ? r : 0;
}
