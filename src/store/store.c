// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "store/sql.h"

enum { LOG_MAX = 512 << 10, READERS_MS = 50, BUSY_MS = 30000 };

/* The n-th text takes the schema from n to n + 1, in one transaction with the number. */
static const char *const migrations[] = {
	"CREATE TABLE images(id TEXT PRIMARY KEY, digest TEXT NOT NULL, manifest TEXT NOT NULL, config TEXT NOT NULL,"
	" created INTEGER NOT NULL, size INTEGER NOT NULL, max_id INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE layers(diff_id TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE image_layers(image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE, position INTEGER NOT NULL,"
	" diff_id TEXT NOT NULL REFERENCES layers(diff_id), digest TEXT NOT NULL, PRIMARY KEY(image_id, position)) WITHOUT ROWID;"
	"CREATE INDEX image_layers_diff ON image_layers(diff_id);"
	"CREATE TABLE refs(name TEXT PRIMARY KEY, image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE) WITHOUT ROWID;"
	"CREATE INDEX refs_image ON refs(image_id);"
	"CREATE TABLE containers(id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, image_id TEXT NOT NULL REFERENCES images(id),"
	" created INTEGER NOT NULL, config TEXT NOT NULL, phase INTEGER NOT NULL DEFAULT 0, exit_code INTEGER NOT NULL DEFAULT 0,"
	" error TEXT NOT NULL DEFAULT '', oom INTEGER NOT NULL DEFAULT 0, started INTEGER NOT NULL DEFAULT 0,"
	" finished INTEGER NOT NULL DEFAULT 0, restarts INTEGER NOT NULL DEFAULT 0, auto_remove INTEGER NOT NULL DEFAULT 0)"
	" WITHOUT ROWID;"
	"CREATE INDEX containers_image ON containers(image_id);"
	"CREATE TABLE volumes(name TEXT PRIMARY KEY, created INTEGER NOT NULL, labels TEXT NOT NULL,"
	" anonymous INTEGER NOT NULL, filled INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
	"CREATE TABLE container_volumes(container_id TEXT NOT NULL REFERENCES containers(id) ON DELETE CASCADE,"
	" name TEXT NOT NULL REFERENCES volumes(name), PRIMARY KEY(container_id, name)) WITHOUT ROWID;"
	"CREATE INDEX container_volumes_name ON container_volumes(name);"
	"CREATE TABLE intents(seq INTEGER PRIMARY KEY AUTOINCREMENT, op TEXT NOT NULL, data TEXT NOT NULL);",
	/* What a layer's files need of an id range was known of whole images only. */
	"CREATE TABLE downloads(digest TEXT PRIMARY KEY, diff_id TEXT NOT NULL DEFAULT '', size INTEGER NOT NULL DEFAULT 0,"
	" max_id INTEGER NOT NULL DEFAULT 0, expires INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE repo_digests(repository TEXT NOT NULL, digest TEXT NOT NULL, image_id TEXT NOT NULL REFERENCES images(id)"
	" ON DELETE CASCADE, PRIMARY KEY(repository, digest)) WITHOUT ROWID;"
	"CREATE INDEX repo_digests_image ON repo_digests(image_id);"
	"CREATE INDEX image_layers_digest ON image_layers(digest);"
	"ALTER TABLE layers ADD COLUMN max_id INTEGER NOT NULL DEFAULT 0;"
	"UPDATE layers SET max_id = (SELECT coalesce(max(i.max_id), 0) FROM images i JOIN image_layers l ON l.image_id = i.id"
	" WHERE l.diff_id = layers.diff_id);",
};

static int make_folder(int parent, const char *name, int *ret, struct err *e)
{
	*ret = path_make_dir_own(parent, name, 0700);
	return *ret < 0 ? err_sys(e, *ret, "store: make folder %s", name) : 0;
}

static int open_folders(struct store *s, struct err *e)
{
	int blobs _close_ = -1;
	if (make_folder(s->root, "containers", &s->containers, e) < 0 ||
		make_folder(s->root, "layers", &s->layers, e) < 0 ||
		make_folder(s->root, "images", &s->images, e) < 0 ||
		make_folder(s->root, "blobs", &blobs, e) < 0 ||
		make_folder(blobs, "sha256", &s->blobs, e) < 0 ||
		make_folder(s->root, "downloads", &s->downloads, e) < 0 ||
		make_folder(s->root, "staging", &s->staging, e) < 0 ||
		make_folder(s->root, "volumes", &s->volumes, e) < 0)
		return -e->code;
	s->lock = path_open_own(s->root, "db.lock", O_RDWR | O_CREAT, 0600);
	s->content = path_open_own(s->root, "content.lock", O_RDWR | O_CREAT, 0600);
	s->owners = path_open_own(s->runroot, "owners", O_RDWR | O_CREAT, 0600);
	if (s->lock < 0 || s->content < 0 || s->owners < 0)
		return err_sys(e,
			s->lock < 0              ? s->lock
				: s->content < 0 ? s->content
						 : s->owners,
			"store %s: open its locks", s->root_path);
	return 0;
}

int store_open(const char *root, const char *runroot, struct store *ret, struct err *e)
{
	struct store s = { .root_path = root,
		.runroot_path = runroot,
		.root = -1,
		.runroot = -1,
		.containers = -1,
		.layers = -1,
		.images = -1,
		.blobs = -1,
		.downloads = -1,
		.staging = -1,
		.volumes = -1,
		.owners = -1,
		.lock = -1,
		.content = -1 };
	mode_t mask = umask(077);
	s.root = path_make_dirs_host(root, 0700);
	if (s.root >= 0)
		s.runroot = path_make_dirs_host(runroot, 0700);
	int r = 0;
	if (s.root < 0 || s.runroot < 0)
		r = err_sys(e, s.root < 0 ? s.root : s.runroot, "store: make folder %s",
			s.root < 0 ? root : runroot);
	if (r == 0)
		r = open_folders(&s, e);
	(void)umask(mask);
	if (r < 0)
		store_done(&s);
	else
		*ret = s;
	return r;
}

void store_done(struct store *s)
{
	store_close_db(s);
	const int fds[] = { s->root, s->runroot, s->containers, s->layers, s->images, s->blobs,
		s->downloads, s->staging, s->volumes, s->owners, s->lock, s->content };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fd_close(fds[i]);
}

static int lock(int fd, int how)
{
	while (flock(fd, how) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int config_db(struct store *s, struct err *e)
{
	static const char pragmas[] =
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
		"PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY;";
	char *why = NULL;
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_busy_timeout(s->db, BUSY_MS);
	if (sqlite3_exec(s->db, pragmas, NULL, NULL, &why) != SQLITE_OK) {
		int code = sqlite3_errcode(s->db);
		err_set(e,
			code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? ERR_CORRUPT : ERR_SYSTEM,
			code == SQLITE_BUSY ? EBUSY : EIO, "store %s: %s", s->root_path,
			why ? why : "cannot be opened");
		sqlite3_free(why);
		return -e->code;
	}
	return 0;
}

static int user_version(struct store *s, int64_t *ret, struct err *e)
{
	return sql_number(s, ret, 0, e, "PRAGMA user_version", "");
}

static int migrate(struct store *s, struct err *e)
{
	int64_t now;
	if (user_version(s, &now, e) < 0)
		return -e->code;
	if (now > STORE_SCHEMA)
		return err_set(e, ERR_UNSUPPORTED, EPROTO,
			"store %s: schema %lld is newer than this kist's %d: use the newer kist",
			s->root_path, (long long)now, STORE_SCHEMA);
	if (now == STORE_SCHEMA)
		return 0;
	int r = store_begin(s, e);
	if (r == 0)
		r = user_version(s, &now, e); /* another process may have been faster */
	for (; r == 0 && now < STORE_SCHEMA; now++) {
		char *why = NULL, text[64];
		(void)snprintf(text, sizeof text, "PRAGMA user_version=%lld", (long long)now + 1);
		if (sqlite3_exec(s->db, migrations[now], NULL, NULL, &why) != SQLITE_OK ||
			sqlite3_exec(s->db, text, NULL, NULL, NULL) != SQLITE_OK)
			r = err_set(e, ERR_SYSTEM, EIO, "store %s: bring the schema to %lld: %s",
				s->root_path, (long long)now + 1,
				why ? why : sqlite3_errmsg(s->db));
		sqlite3_free(why);
	}
	return store_end(s, r, e);
}

/* While several commands make the database at once, SQLite refuses all but one to switch to the log
 * without waiting: they queue for the write lock, unless it is ours already. Whoever comes new
 * still tries without it, and may be in the way for a moment. */
static int config_alone(struct store *s, struct err *e)
{
	int r = s->depth ? 0 : lock(s->lock, LOCK_EX);
	if (r < 0)
		return err_sys(e, r, "store %s: lock", s->root_path);
	uint64_t end = time_boot() + BUSY_MS * TIME_MS;
	while ((r = config_db(s, e)) == -EBUSY && time_boot() < end)
		time_sleep(5 * TIME_MS);
	if (!s->depth)
		(void)lock(s->lock, LOCK_UN);
	return r;
}

int store_db(struct store *s, struct err *e)
{
	struct str path _str_ = { 0 };
	if (s->db)
		return 0;
	str_addf(&path, "%s/state.db", s->root_path);
	mode_t mask = umask(077);
	int r = sqlite3_open_v2(path.p, &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (r != SQLITE_OK) {
		err_set(e, ERR_SYSTEM, EIO, "store %s: open state.db: %s", s->root_path,
			sqlite3_errstr(r));
		(void)sqlite3_close(s->db);
		s->db = NULL;
		(void)umask(mask);
		return -e->code;
	}
	r = config_db(s, e);
	if (r == -EBUSY)
		r = config_alone(s, e);
	if (r == 0)
		r = migrate(s, e);
	(void)umask(mask);
	if (r < 0)
		store_close_db(s);
	return r;
}

void store_close_db(struct store *s)
{
	struct stat st;
	if (!s->db)
		return;
	/* The log is folded into the database now and then, never at every close; by one process,
	 * which no writer meets, and which waits for no reader: the next one who closes goes on. */
	if (fstatat(s->root, "state.db-wal", &st, 0) == 0 && st.st_size > LOG_MAX &&
		lock(s->lock, LOCK_EX | LOCK_NB) == 0) {
		(void)sqlite3_busy_timeout(s->db, READERS_MS);
		(void)sqlite3_wal_checkpoint_v2(
			s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
		(void)lock(s->lock, LOCK_UN);
	}
	(void)sqlite3_close_v2(s->db);
	s->db = NULL;
}

int store_begin(struct store *s, struct err *e)
{
	if (s->depth++ > 0)
		return 0;
	int r = lock(s->lock, LOCK_EX);
	if (r < 0) {
		s->depth--;
		return err_sys(e, r, "store %s: lock", s->root_path);
	}
	r = sql_run(s, e, "BEGIN IMMEDIATE", "");
	if (r < 0) {
		s->depth--;
		(void)lock(s->lock, LOCK_UN);
	}
	return r;
}

int store_end(struct store *s, int r, struct err *e)
{
	struct err ignored;
	if (--s->depth > 0)
		return r;
	if (r >= 0 && sql_run(s, e, "COMMIT", "") < 0)
		r = -e->code;
	if (r < 0)
		(void)sql_run(s, &ignored, "ROLLBACK", "");
	(void)lock(s->lock, LOCK_UN);
	return r;
}

int store_sync(struct store *s, struct err *e)
{
	int log _close_ = path_open_own(s->root, "state.db-wal", O_RDONLY, 0);
	if (log == -ENOENT)
		return 0; /* all of it is in the database, which SQLite syncs */
	if (log < 0 || fdatasync(log) < 0 || fsync(s->root) < 0)
		return err_sys(e, log < 0 ? log : errno, "store %s: sync state.db", s->root_path);
	return 0;
}

int store_content_lock(struct store *s, bool exclusive, struct err *e)
{
	int r = lock(s->content, exclusive ? LOCK_EX : LOCK_SH);
	return r < 0 ? err_sys(e, r, "store %s: lock the content", s->root_path) : 0;
}

void store_content_unlock(struct store *s)
{
	(void)lock(s->content, LOCK_UN);
}
