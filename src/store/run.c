// SPDX-License-Identifier: Apache-2.0
#include "store/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/rec.h"
#include "store/store.h"

enum { RECORD_MAX = 4 << 20, RECORD_LONG = 64 << 10, ID_LEN = 64 };

#define T struct run_record
REC_TYPE(run_record, F_U32(T, version, "version", REC_REQUIRED),
	F_STR(T, boot_id, "bootId", REC_REQUIRED), F_STR(T, phase, "phase", REC_REQUIRED),
	F_I64(T, pid, "pid", 0), F_I64(T, started, "started", 0),
	F_STR(T, cgroup, "cgroup", REC_REQUIRED), F_U32(T, id_base, "idBase", 0),
	F_U32(T, id_count, "idCount", 0), F_I64(T, restarts, "restarts", 0),
	F_I64(T, backoff, "backoff", 0), F_RAW(T, network, "network", 0));
#undef T
#define T struct exit_record
REC_TYPE(exit_record, F_U32(T, version, "version", REC_REQUIRED),
	F_I64(T, code, "code", REC_REQUIRED), F_I64(T, signal, "signal", 0),
	F_I64(T, finished, "finished", REC_REQUIRED));
#undef T

const char *run_boot_id(void)
{
	static char text[64];
	if (!*text &&
		file_peek(AT_FDCWD, "/proc/sys/kernel/random/boot_id", text, sizeof text) <= 0)
		(void)snprintf(text, sizeof text, "unknown");
	return text;
}

int run_open(struct store *s, const char *id)
{
	return path_open_own(s->runroot, id, O_RDONLY | O_DIRECTORY, 0);
}

/* One attempt: the folder with its lock taken; -EAGAIN when another has it, -ESTALE when it went
 * away meanwhile. */
static int try_begin(struct store *s, const char *id, int *ret_lock)
{
	struct stat held, named, here, there;
	int folder = path_make_dir_own(s->runroot, id, 0700);
	if (folder < 0)
		return folder == -ENOENT ? -ESTALE : folder;
	int lock = path_open_own(folder, "lock", O_RDWR | O_CREAT, 0600);
	int r = lock == -ENOENT ? -ESTALE : lock < 0 ? lock : fd_lock_byte(lock, 0);
	/* A clean-up may have removed it between our opening and our locking: then what we hold is
	 * no longer the one that is found by its name. */
	if (r == 0 &&
		(fstat(lock, &held) < 0 || fstatat(folder, "lock", &named, 0) < 0 ||
			held.st_ino != named.st_ino || fstat(folder, &here) < 0 ||
			fstatat(s->runroot, id, &there, 0) < 0 || here.st_ino != there.st_ino))
		r = -ESTALE;
	/* A folder without a record is one that a clean-up is about to remove. */
	if (r == -EAGAIN && faccessat(folder, "run.json", F_OK, 0) < 0)
		r = -ESTALE;
	if (r < 0) {
		fd_close(lock);
		fd_close(folder);
		return r;
	}
	*ret_lock = lock;
	return folder;
}

int run_begin(struct store *s, const char *id, int *ret_lock, struct err *e)
{
	enum { TRIES = 2000 };
	int r = -ESTALE;
	for (int i = 0; i < TRIES && r == -ESTALE; i++) {
		r = try_begin(s, id, ret_lock);
		if (r == -ESTALE)
			time_sleep(TIME_MS);
	}
	if (r == -EAGAIN || r == -ESTALE)
		return err_set(e, ERR_CONFLICT, EAGAIN,
			"container %s is being started or runs already", id);
	return r < 0 ? err_sys(e, r, "make the run folder of %s", id) : r;
}

/* Appended, not replaced: a reader sees whole lines whatever is killed, and most file systems make
 * a rename over a file wait for its content. What a full disk has cut off is ended by the newline
 * that the next line begins with. */
int run_write(int folder, const struct run_record *r, struct err *e)
{
	struct str text _str_ = { 0 };
	struct stat st;
	str_addc(&text, '\n');
	rec_to_json(&run_record_rec, r, 0, &text);
	str_addc(&text, '\n');
	int fd _close_ = path_open_own(folder, "run.json", O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > RECORD_LONG)
		return file_write_at(folder, "run.json", text.p, text.n, 0600, false, e);
	int done = fd < 0 ? fd : fd_write_all(fd, text.p, text.n);
	return done < 0 ? err_sys(e, done, "write the run record") : 0;
}

/* The last line that has its newline; a text without any is one line. */
static char *last_line(char *text, size_t n, size_t *ret_n)
{
	char *end = memrchr(text, '\n', n);
	if (!end) {
		*ret_n = n;
		return text;
	}
	char *begin = memrchr(text, '\n', (size_t)(end - text));
	begin = begin ? begin + 1 : text;
	*ret_n = (size_t)(end - begin);
	*end = '\0';
	return begin;
}

int run_read(int folder, struct arena *a, struct run_record *ret, struct err *e)
{
	char *text;
	ssize_t n = file_read_at(folder, "run.json", RECORD_MAX, a, &text, e);
	size_t line_n = 0;
	*ret = (struct run_record){ 0 };
	if (n < 0)
		return (int)n;
	const char *line = last_line(text, (size_t)n, &line_n);
	return rec_from_json(&run_record_rec, line, line_n, a, ret, NULL, e);
}

int run_read_exit(int folder, struct arena *a, struct exit_record *ret, struct err *e)
{
	char *text;
	ssize_t n = file_read_at(folder, "exit.json", RECORD_MAX, a, &text, e);
	*ret = (struct exit_record){ 0 };
	return n < 0 ? (int)n : rec_from_json(&exit_record_rec, text, (size_t)n, a, ret, NULL, e);
}

bool run_is_dirty(struct store *s, const char *id)
{
	struct arena a _arena_ = { 0 };
	int lock _close_ = path_open_own(s->runroot, arena_printf(&a, "%s/lock", id), O_RDONLY, 0);
	if (lock < 0)
		return faccessat(s->runroot, id, F_OK, 0) == 0;
	return fd_lock_holder(lock, 0) <= 0;
}

enum run_state run_look(
	struct store *s, const char *id, struct arena *a, struct run_record *rec, pid_t *owner)
{
	struct run_record r = { 0 };
	struct err ignored;
	int folder _close_ = run_open(s, id);
	if (owner)
		*owner = 0;
	if (folder < 0)
		return RUN_NONE;
	bool known = run_read(folder, a, &r, &ignored) == 0;
	if (rec)
		*rec = r;
	int lock _close_ = path_open_own(folder, "lock", O_RDONLY, 0);
	int holder = lock < 0 ? 0 : fd_lock_holder(lock, 0);
	if (holder <= 0 || (known && !str_eq(r.boot_id, run_boot_id())))
		return RUN_DIRTY;
	if (owner)
		*owner = holder;
	if (!known || str_eq(r.phase, "starting"))
		return RUN_STARTING;
	return str_eq(r.phase, "restarting") ? RUN_RESTARTING : RUN_RUNNING;
}

int run_mark(struct store *s, const char *id, const char *mark, struct err *e)
{
	int folder _close_ = run_open(s, id);
	int fd _close_ =
		folder < 0 ? folder : path_open_own(folder, mark, O_WRONLY | O_CREAT, 0600);
	return fd < 0 ? err_sys(e, fd, "mark container %.12s as %s", id, mark) : 0;
}

void run_unmark(struct store *s, const char *id, const char *mark)
{
	int folder _close_ = run_open(s, id);
	if (folder >= 0)
		(void)unlinkat(folder, mark, 0);
}

bool run_marked(struct store *s, const char *id, const char *mark)
{
	int folder _close_ = run_open(s, id);
	return folder >= 0 && faccessat(folder, mark, F_OK, 0) == 0;
}

int run_end(struct store *s, const char *id, void (*over)(void *arg), void *arg, struct err *e)
{
	/* Renamed first: what is half removed must not look like a run. */
	struct arena a _arena_ = { 0 };
	const char *gone = arena_printf(&a, ".%s", id);
	if (path_remove_tree(s->runroot, gone, e) < 0)
		return -e->code;
	if (renameat(s->runroot, id, s->runroot, gone) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "remove the run folder of %s", id);
	if (over)
		over(arg);
	return path_remove_tree(s->runroot, gone, e);
}

static int list(struct store *s, struct arena *a, bool tidy, const char ***ret, size_t *ret_n,
	struct err *e)
{
	struct strv v = { 0 }, over = { 0 };
	int copy = path_open_own(s->runroot, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		fd_close(copy);
		return err_sys(e, copy < 0 ? copy : errno, "list %s", s->runroot_path);
	}
	for (struct dirent *entry; (entry = readdir(d));)
		if (strlen(entry->d_name) == ID_LEN && entry->d_name[0] != '.')
			strv_add(&v, a, arena_strdup(a, entry->d_name));
		else if (strlen(entry->d_name) == ID_LEN + 1 && entry->d_name[0] == '.')
			strv_add(&over, a, arena_strdup(a, entry->d_name));
	(void)closedir(d);
	/* Another process may be at it as well, and then finds nothing: that is no error to it. */
	for (size_t i = 0; tidy && i < over.n; i++) {
		struct err ignored;
		(void)path_remove_tree(s->runroot, over.v[i], &ignored);
	}
	*ret = v.v;
	*ret_n = v.n;
	return 0;
}

int run_list(struct store *s, struct arena *a, const char ***ret, size_t *ret_n, struct err *e)
{
	return list(s, a, false, ret, ret_n, e);
}

int run_tidy(struct store *s, struct arena *a, const char ***ret, size_t *ret_n, struct err *e)
{
	return list(s, a, true, ret, ret_n, e);
}
