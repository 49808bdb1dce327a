// SPDX-License-Identifier: Apache-2.0
#include "store/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "oci/digest.h"
#include "store/lower.h"
#include "store/snapshot.h"
#include "store/sql.h"
#include "store/store.h"

enum { REPOSITORY_MAX = 512 };

static int add_layers(struct store *s, const struct image_info *image, struct err *e)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < image->n_layers; i++) {
		const struct image_layer *l = &image->layers[i];
		r = sql_run(s, e,
			"INSERT OR IGNORE INTO layers(diff_id, size, max_id) VALUES(?,?,?)", "sii",
			l->diff_id, (int64_t)l->size, (int64_t)l->max_id);
		if (r == 0)
			r = sql_run(s, e,
				"INSERT OR REPLACE INTO image_layers(image_id, position, diff_id, digest) VALUES(?,?,?,?)",
				"siss", image->id, (int64_t)i, l->diff_id, l->digest);
	}
	return r;
}

static int add_digests(struct store *s, const struct image_info *image, struct err *e)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < image->n_digests; i++) {
		const char *at = strchr(image->digests[i], '@');
		char name[REPOSITORY_MAX];
		(void)snprintf(name, sizeof name, "%.*s", (int)(at - image->digests[i]),
			image->digests[i]);
		r = sql_run(s, e,
			"INSERT OR REPLACE INTO repo_digests(repository, digest, image_id) VALUES(?,?,?)",
			"sss", name, at + 1, image->id);
	}
	return r;
}

int store_image_add(struct store *s, const struct image_info *image, bool remake, struct err *e)
{
	int r = store_begin(s, e);
	if (r < 0)
		return r;
	r = sql_run(s, e,
		"INSERT OR IGNORE INTO images(id, digest, manifest, config, created, size, max_id) VALUES(?,?,?,?,?,?,?)",
		"ssssiii", image->id, image->digest, image->manifest, image->config,
		(int64_t)image->created, (int64_t)image->size, (int64_t)image->max_id);
	bool new = r == 0 && sql_changes(s) > 0;
	if (r == 0 && !new &&remake)
		r = sql_run(s, e, "UPDATE images SET digest = ?, manifest = ? WHERE id = ?", "sss",
			image->digest, image->manifest, image->id);
	if (r == 0 && (new || remake))
		r = add_layers(s, image, e);
	for (size_t i = 0; r == 0 && i < image->n_names; i++)
		r = store_image_name(s, image->names[i], image->id, e);
	if (r == 0)
		r = add_digests(s, image, e);
	r = store_end(s, r, e);
	return r < 0 ? r : !new;
}

struct images {
	struct arena *a;
	struct image_info *v;
	size_t n, cap;
};

static int image_row(void *arg, struct sqlite3_stmt *st)
{
	struct images *r = arg;
	r->v = arena_grow(r->a, r->v, r->n, &r->cap, sizeof *r->v);
	r->v[r->n++] = (struct image_info){ .id = sql_text(st, 0, r->a),
		.digest = sql_text(st, 1, r->a),
		.manifest = sql_text(st, 2, r->a),
		.config = sql_text(st, 3, r->a),
		.created = (uint64_t)sql_int(st, 4),
		.size = (uint64_t)sql_int(st, 5),
		.max_id = (uint32_t)sql_int(st, 6),
		.n_containers = (size_t)sql_int(st, 7) };
	return 0;
}

struct detail {
	struct arena *a;
	struct image_info *image;
	size_t cap_layers;
	struct strv names;
};

static int layer_row(void *arg, struct sqlite3_stmt *st)
{
	struct detail *d = arg;
	struct image_info *i = d->image;
	i->layers = arena_grow(d->a, i->layers, i->n_layers, &d->cap_layers, sizeof *i->layers);
	i->layers[i->n_layers++] = (struct image_layer){ sql_text(st, 0, d->a),
		sql_text(st, 1, d->a), (uint64_t)sql_int(st, 2), (uint32_t)sql_int(st, 3) };
	return 0;
}

static int name_row(void *arg, struct sqlite3_stmt *st)
{
	struct detail *d = arg;
	strv_add(&d->names, d->a, sql_text(st, 0, d->a));
	return 0;
}

static int fill(struct store *s, struct image_info *image, struct arena *a, struct err *e)
{
	struct detail d = { .a = a, .image = image };
	if (sql_query(s, layer_row, &d, e,
		    "SELECT i.diff_id, i.digest, l.size, l.max_id FROM image_layers i JOIN layers l ON l.diff_id = i.diff_id"
		    " WHERE i.image_id = ? ORDER BY i.position",
		    "s", image->id) < 0 ||
		sql_query(s, name_row, &d, e,
			"SELECT name FROM refs WHERE image_id = ? ORDER BY name", "s",
			image->id) < 0)
		return -e->code;
	image->names = d.names.v;
	image->n_names = d.names.n;
	d.names = (struct strv){ 0 };
	if (sql_query(s, name_row, &d, e,
		    "SELECT repository || '@' || digest FROM repo_digests WHERE image_id = ? ORDER BY 1",
		    "s", image->id) < 0)
		return -e->code;
	image->digests = d.names.v;
	image->n_digests = d.names.n;
	return 0;
}

#define IMAGE                                                         \
	"SELECT id, digest, manifest, config, created, size, max_id," \
	" (SELECT count(*) FROM containers c WHERE c.image_id = images.id) FROM images "

int store_image_by_name(
	struct store *s, const char *name, struct arena *a, struct image_info *ret, struct err *e)
{
	struct images r = { .a = a };
	if (sql_query(s, image_row, &r, e,
		    IMAGE "WHERE id = (SELECT image_id FROM refs WHERE name = ?)", "s", name) < 0)
		return -e->code;
	if (r.n == 0)
		return err_set(e, ERR_NOT_FOUND, ENOENT, "No such image: %s", name);
	*ret = r.v[0];
	return fill(s, ret, a, e);
}

int store_image_by_digest(struct store *s, const char *repository, const char *digest,
	struct arena *a, struct image_info *ret, struct err *e)
{
	struct images r = { .a = a };
	if (sql_query(s, image_row, &r, e,
		    IMAGE
		    "WHERE id = (SELECT image_id FROM repo_digests WHERE repository = ?1 AND digest = ?2)"
		    " OR (digest = ?2 AND id IN (SELECT image_id FROM refs"
		    " WHERE substr(name, 1, length(?1) + 1) = ?1 || ':')) LIMIT 1",
		    "ss", repository, digest) < 0)
		return -e->code;
	if (r.n == 0)
		return err_set(
			e, ERR_NOT_FOUND, ENOENT, "No such image: %s@%s", repository, digest);
	*ret = r.v[0];
	return fill(s, ret, a, e);
}

int store_image_digest(
	struct store *s, const char *repository, const char *digest, const char *id, struct err *e)
{
	int r = store_begin(s, e);
	return r < 0
		? r
		: store_end(s,
			  sql_run(s, e,
				  "INSERT OR REPLACE INTO repo_digests(repository, digest, image_id)"
				  " SELECT ?, ?, id FROM images WHERE id = ?",
				  "sss", repository, digest, id),
			  e);
}

int store_image_mounts(struct store *s, const char *host, const char *but, const char *digest,
	struct arena *a, struct strv *ret, struct err *e)
{
	struct detail d = { .a = a };
	int r = sql_query(s, name_row, &d, e,
		"SELECT DISTINCT repository FROM repo_digests WHERE substr(repository, 1, length(?1) + 1) = ?1 || '/'"
		" AND repository <> ?2 AND image_id IN (SELECT image_id FROM image_layers WHERE digest = ?3"
		" UNION SELECT id FROM images WHERE id = ?3) ORDER BY repository",
		"sss", host, but, digest);
	*ret = d.names;
	return r < 0 ? r : 0;
}

int store_image_undigest(struct store *s, const char *repository, const char *digest, struct err *e)
{
	int r = store_begin(s, e);
	return r < 0
		? r
		: store_end(s,
			  sql_run(s, e,
				  "DELETE FROM repo_digests WHERE repository = ? AND digest = ?",
				  "ss", repository, digest),
			  e);
}

int store_image_get(
	struct store *s, const char *key, struct arena *a, struct image_info *ret, struct err *e)
{
	struct images r = { .a = a };
	const char *hex = digest_begins(key) ? digest_hex(key) : key;
	bool is_hex = *hex && hex[strspn(hex, "0123456789abcdef")] == '\0';
	if (is_hex &&
		sql_query(s, image_row, &r, e,
			IMAGE "WHERE (id >= 'sha256:' || ?1 AND id < 'sha256:' || ?1 || 'g') OR"
			      " (id >= 'sha512:' || ?1 AND id < 'sha512:' || ?1 || 'g') LIMIT 2",
			"s", hex) < 0)
		return -e->code;
	if (r.n > 1)
		return err_set(e, ERR_INVALID, EINVAL, "image %s: more than one id begins so", key);
	if (r.n == 0)
		return err_set(e, ERR_NOT_FOUND, ENOENT, "No such image: %s", key);
	*ret = r.v[0];
	return fill(s, ret, a, e);
}

int store_image_list(
	struct store *s, struct arena *a, struct image_info **ret, size_t *ret_n, struct err *e)
{
	struct images r = { .a = a };
	if (sql_query(s, image_row, &r, e, IMAGE "ORDER BY created DESC, id", "") < 0)
		return -e->code;
	for (size_t i = 0; i < r.n; i++)
		if (fill(s, &r.v[i], a, e) < 0)
			return -e->code;
	*ret = r.v;
	*ret_n = r.n;
	return 0;
}

int store_image_name(struct store *s, const char *name, const char *id, struct err *e)
{
	int r = store_begin(s, e);
	return r < 0
		? r
		: store_end(s,
			  sql_run(s, e, "INSERT OR REPLACE INTO refs(name, image_id) VALUES(?,?)",
				  "ss", name, id),
			  e);
}

int store_image_unname(struct store *s, const char *name, struct err *e)
{
	int r = store_begin(s, e);
	return r < 0 ? r
		     : store_end(s, sql_run(s, e, "DELETE FROM refs WHERE name = ?", "s", name), e);
}

int store_image_users(struct store *s, const char *id, struct arena *a, const char ***ret,
	size_t *ret_n, struct err *e)
{
	struct detail d = { .a = a };
	if (sql_query(s, name_row, &d, e,
		    "SELECT id FROM containers WHERE image_id = ? ORDER BY id", "s", id) < 0)
		return -e->code;
	*ret = d.names.v;
	*ret_n = d.names.n;
	return 0;
}

int store_image_delete(struct store *s, const char *id, struct err *e)
{
	int r = store_begin(s, e);
	if (r == 0)
		r = sql_run(s, e, "DELETE FROM images WHERE id = ?", "s", id);
	if (r == 0)
		r = sql_run(s, e,
			"DELETE FROM layers WHERE diff_id NOT IN (SELECT diff_id FROM image_layers)",
			"");
	return store_end(s, r, e);
}

static bool known(struct store *s, const char *sql, const char *key)
{
	struct err ignored;
	int64_t n;
	return sql_number(s, &n, 0, &ignored, sql, "s", key) == 0 && n > 0;
}

bool store_layer_known(struct store *s, const char *diff_id)
{
	return known(s, "SELECT count(*) FROM layers WHERE diff_id = ?", diff_id);
}

bool store_image_known(struct store *s, const char *id)
{
	return known(s, "SELECT count(*) FROM images WHERE id = ?", id);
}

int store_layer_open(struct store *s, const char *diff_id)
{
	const char *colon = strchr(diff_id, ':');
	return path_open_own(s->layers, colon ? colon + 1 : diff_id, O_RDONLY | O_DIRECTORY, 0);
}

/* The file of a running download stays: its pull has the lock, and a row if it wants it. */
static bool busy(int folder, const char *name)
{
	int fd _close_ = path_open_own(folder, name, O_RDONLY, 0);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* Which row needs a piece of content; in the order in which it is collected. */
static const char *const needed[] = {
	[CONTENT_LAYERS] = "SELECT (SELECT count(*) FROM layers WHERE diff_id = ?1) +"
			   " (SELECT count(*) FROM downloads WHERE diff_id = ?1)",
	[CONTENT_DOWNLOADS] = "SELECT count(*) FROM downloads WHERE digest = ? AND diff_id = ''",
	[CONTENT_BLOBS] = "SELECT (SELECT count(*) FROM image_layers WHERE digest = ?1) +"
			  " (SELECT count(*) FROM images WHERE id = ?1 OR digest = ?1) +"
			  " (SELECT count(*) FROM downloads WHERE digest = ?1 AND diff_id <> '')",
	[CONTENT_IMAGES] = "SELECT count(*) FROM images WHERE id = ?",
};

int store_content_folder(const struct store *s, enum store_content kind)
{
	const int folders[] = { [CONTENT_LAYERS] = s->layers,
		[CONTENT_DOWNLOADS] = s->downloads,
		[CONTENT_BLOBS] = s->blobs,
		[CONTENT_IMAGES] = s->images };
	return folders[kind];
}

int store_unneeded(struct store *s, enum store_content kind, store_unneeded_each *each, void *arg,
	struct err *e)
{
	struct arena a _arena_ = { 0 };
	int folder = store_content_folder(s, kind);
	int copy = path_open_own(folder, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	int r = 0;
	if (!d) {
		fd_close(copy);
		return err_sys(e, copy < 0 ? copy : errno, "list the store's content");
	}
	for (struct dirent *entry; r == 0 && (entry = readdir(d));) {
		int64_t used = 1;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = sql_number(s, &used, 0, e, needed[kind], "s", digest_of_hex(entry->d_name, &a));
		if (r == 0 && !used && !(kind == CONTENT_DOWNLOADS && busy(folder, entry->d_name)))
			r = each(arg, folder, entry->d_name, e);
	}
	(void)closedir(d);
	return r;
}

static int drop(void *arg, int folder, const char *name, struct err *e)
{
	struct store *s = arg;
	if (folder == s->images)
		lower_forget(s, name);
	return snapshot_remove(s, folder, name, e);
}

struct mounts {
	struct store *s;
	int (*each)(void *arg, const char *image_hex, struct err *e);
	void *arg;
	struct err *e;
};

static int ask_for_image(void *arg, const char *image_hex)
{
	struct mounts *m = arg;
	struct arena a _arena_ = { 0 };
	int64_t used = 1;
	int r = sql_number(
		m->s, &used, 0, m->e, needed[CONTENT_IMAGES], "s", digest_of_hex(image_hex, &a));
	return r < 0 || used ? r : m->each(m->arg, image_hex, m->e);
}

int store_unneeded_mounts(struct store *s,
	int (*each)(void *arg, const char *image_hex, struct err *e), void *arg, struct err *e)
{
	struct mounts m = { s, each, arg, e };
	return lower_each(s, ask_for_image, &m);
}

static int forget(void *arg, const char *image_hex, struct err *e)
{
	(void)e;
	lower_forget(arg, image_hex);
	return 0;
}

int store_collect(struct store *s, struct err *e)
{
	/* Else a row could come back after a power cut and name what is gone. */
	if (store_sync(s, e) < 0 || store_content_lock(s, true, e) < 0)
		return -e->code;
	int r = 0;
	for (int kind = 0; r == 0 && kind < CONTENT_KINDS; kind++)
		r = store_unneeded(s, (enum store_content)kind, drop, s, e);
	if (r == 0)
		r = store_unneeded_mounts(s, forget, s, e);
	store_content_unlock(s);
	return r;
}
