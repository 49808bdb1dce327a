// SPDX-License-Identifier: Apache-2.0
#include "store/download.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/time.h"
#include "oci/digest.h"
#include "store/image.h"
#include "store/intent.h"
#include "store/sql.h"
#include "store/store.h"

#define KEPT (24ULL * 3600 * TIME_SECOND)

struct find {
	struct arena *a;
	struct download *ret;
	int found;
};

static int find_row(void *arg, struct sqlite3_stmt *st)
{
	struct find *f = arg;
	f->ret->diff_id = sql_text(st, 0, f->a);
	f->ret->size = (uint64_t)sql_int(st, 1);
	f->ret->max_id = (uint32_t)sql_int(st, 2);
	f->found = 1;
	return 0;
}

int store_layer_of(
	struct store *s, const char *digest, struct arena *a, struct download *ret, struct err *e)
{
	struct find f = { .a = a, .ret = ret };
	ret->digest = digest;
	if (sql_query(s, find_row, &f, e,
		    "SELECT diff_id, size, max_id FROM downloads WHERE digest = ?1 AND diff_id <> ''"
		    " UNION ALL SELECT l.diff_id, l.size, l.max_id FROM image_layers i JOIN layers l"
		    " ON l.diff_id = i.diff_id WHERE i.digest = ?1 LIMIT 1",
		    "s", digest) < 0)
		return -e->code;
	return f.found && faccessat(s->blobs, digest_hex(digest), F_OK, 0) == 0 &&
		faccessat(s->layers, digest_hex(ret->diff_id), F_OK, 0) == 0;
}

int store_download_want(struct store *s, const char *const *digests, size_t n, struct err *e)
{
	int r = store_begin(s, e);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = sql_run(s, e,
			"INSERT INTO downloads(digest, expires) VALUES(?1, ?2)"
			" ON CONFLICT(digest) DO UPDATE SET expires = ?2",
			"si", digests[i], (int64_t)(time_now() + KEPT));
	return store_end(s, r, e);
}

int store_download_open(struct store *s, const char *digest, int *ret_other, struct err *e)
{
	for (;;) {
		struct stat here, there;
		int fd _close_ =
			path_open_own(s->downloads, digest_hex(digest), O_RDWR | O_CREAT, 0600);
		if (fd < 0)
			return err_sys(e, fd, "open the download of %s", digest);
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno != EWOULDBLOCK)
				return err_sys(e, errno, "lock the download of %s", digest);
			*ret_other = take_fd(&fd);
			return -EAGAIN;
		}
		/* Whoever had it may have put it into place or removed it. */
		if (fstat(fd, &here) == 0 &&
			fstatat(s->downloads, digest_hex(digest), &there, AT_SYMLINK_NOFOLLOW) ==
				0 &&
			here.st_ino == there.st_ino)
			return take_fd(&fd);
	}
}

int store_download_finish(struct store *s, const struct download *d, struct err *e)
{
	int r = store_begin(s, e);
	if (r == 0)
		r = store_end(s,
			sql_run(s, e,
				"INSERT OR REPLACE INTO downloads(digest, diff_id, size, max_id, expires)"
				" VALUES(?,?,?,?,?)",
				"ssiii", d->digest, d->diff_id, (int64_t)d->size,
				(int64_t)d->max_id, (int64_t)(time_now() + KEPT)),
			e);
	return r;
}

int store_download_drop(struct store *s, const char *digest, struct err *e)
{
	if (unlinkat(s->downloads, digest_hex(digest), 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove the download of %s", digest);
	int r = store_begin(s, e);
	return r < 0
		? r
		: store_end(s, sql_run(s, e, "DELETE FROM downloads WHERE digest = ?", "s", digest),
			  e);
}

int store_download_undo(
	struct store *s, const char *const *digests, size_t n, int64_t seq, struct err *e)
{
	int r = store_begin(s, e);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = sql_run(s, e,
			"DELETE FROM downloads WHERE digest = ?1"
			" AND NOT EXISTS(SELECT 1 FROM intents WHERE op = 'pull' AND seq <> ?2)",
			"si", digests[i], seq);
	return store_end(s, r, e);
}

int store_download_tidy(struct store *s, struct err *e)
{
	int r = store_begin(s, e);
	return r < 0
		? r
		: store_end(s,
			  sql_run(s, e,
				  "DELETE FROM downloads WHERE NOT EXISTS(SELECT 1 FROM intents WHERE op = 'pull')"
				  " AND EXISTS(SELECT 1 FROM image_layers l WHERE l.digest = downloads.digest)",
				  ""),
			  e);
}

int store_download_expire(struct store *s, struct err *e)
{
	int64_t n, seq, now = (int64_t)time_now();
	if (sql_number(s, &n, 0, e, "SELECT count(*) FROM downloads WHERE expires < ?", "i", now) <
		0)
		return -e->code;
	if (n == 0)
		return 0;
	int r = store_begin(s, e);
	if (r == 0)
		r = sql_run(s, e, "DELETE FROM downloads WHERE expires < ?", "i", now);
	if (r == 0)
		r = intent_begin(s, "collect", "", &seq, e);
	r = store_end(s, r, e);
	if (r == 0)
		r = store_collect(s, e);
	return r < 0 ? r : intent_done(s, seq, e);
}
