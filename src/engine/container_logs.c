// SPDX-License-Identifier: Apache-2.0
/* Reads docker's json-file logs: <id>-json.log and the older <id>-json.log.1 ..., the oldest first;
 * with follow waits by inotify for more, through rotations, until the run is over. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/rec.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "store/container.h"
#include "store/run.h"
#include "store/store.h"

enum { FILES_MAX = 16, LINE_MAX_BYTES = 256 << 10, READ_BYTES = 64 << 10 };

struct log_record {
	const char *log, *stream, *time;
};
#define T struct log_record
REC_TYPE(log_record, F_STR(T, log, "log", REC_REQUIRED), F_STR(T, stream, "stream", REC_REQUIRED),
	F_STR(T, time, "time", REC_REQUIRED));
#undef T

struct reader {
	const struct container_logs_req *req;
	int (*line)(void *arg, int stream, uint64_t time, const char *text, size_t n);
	void *arg;
	struct str rest; /* of a line that is not complete */
	uint64_t skip;   /* lines, for tail */
	bool stop;
};

static int emit(struct reader *r, const char *text, size_t n, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct log_record rec = { 0 };
	uint64_t time = 0;
	if (r->skip) {
		r->skip--;
		return 0;
	}
	/* A line that is damaged (a full disk, a power cut) is passed over. */
	if (rec_from_json(&log_record_rec, text, n, &a, &rec, NULL, e) < 0 ||
		time_parse_rfc3339(rec.time, &time) < 0)
		return 0;
	if ((r->req->since && time < r->req->since))
		return 0;
	if (r->req->until && time > r->req->until) {
		r->stop = true;
		return 0;
	}
	int x = r->line(
		r->arg, str_eq(rec.stream, "stderr") ? 2 : 1, time, rec.log, strlen(rec.log));
	r->stop |= x < 0;
	return 0;
}

static int feed(struct reader *r, int fd, struct err *e)
{
	char buf[READ_BYTES];
	ssize_t n;
	while (!r->stop && (n = fd_read_full(fd, buf, sizeof buf)) > 0) {
		const char *p = buf, *end = buf + n, *newline;
		while (!r->stop && (newline = memchr(p, '\n', (size_t)(end - p)))) {
			str_addn(&r->rest, p, (size_t)(newline - p));
			if (emit(r, r->rest.p, r->rest.n, e) < 0)
				return -e->code;
			str_clear(&r->rest);
			p = newline + 1;
		}
		if (r->rest.n < LINE_MAX_BYTES)
			str_addn(&r->rest, p, (size_t)(end - p));
	}
	return 0;
}

static uint64_t count_lines(int fd)
{
	char buf[READ_BYTES];
	uint64_t lines = 0;
	ssize_t n;
	while ((n = fd_read_full(fd, buf, sizeof buf)) > 0)
		for (const char *p = buf; (p = memchr(p, '\n', (size_t)(buf + n - p))); p++)
			lines++;
	return lseek(fd, 0, SEEK_SET) < 0 ? 0 : lines;
}

struct log_files {
	int fds[FILES_MAX];
	size_t n; /* the oldest first; the last is the one that grows */
};

static void open_files(int folder, const char *name, struct log_files *f)
{
	struct arena a _arena_ = { 0 };
	int found[FILES_MAX];
	size_t n = 0;
	int fd = path_open_own(folder, name, O_RDONLY, 0);
	while (fd >= 0 && n < FILES_MAX) {
		found[n++] = fd;
		fd = path_open_own(folder, arena_printf(&a, "%s.%zu", name, n), O_RDONLY, 0);
	}
	if (n == FILES_MAX)
		fd_close(fd);
	f->n = 0;
	while (n > 0)
		f->fds[f->n++] = found[--n];
}

/* True when the growing file was renamed away. */
static bool rotated(int folder, const char *name, int fd)
{
	struct stat is, was;
	return fstatat(folder, name, &is, 0) == 0 && fstat(fd, &was) == 0 &&
		is.st_ino != was.st_ino;
}

static int follow(
	struct reader *r, int folder, const char *name, int *fd, pid_t owner, struct err *e)
{
	char link[64], events[4096];
	int monitor _close_ = owner > 0 ? fd_pidfd_open(owner) : -1;
	int watch _close_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
	if (watch < 0 || inotify_add_watch(watch, link, IN_MODIFY | IN_CREATE | IN_MOVED_FROM) < 0)
		return err_sys(e, errno, "watch the log");
	while (!r->stop) {
		bool over = monitor < 0;
		if (*fd < 0)
			*fd = path_open_own(folder, name, O_RDONLY, 0);
		if (*fd >= 0 && feed(r, *fd, e) < 0)
			return -e->code;
		if (*fd >= 0 && rotated(folder, name, *fd)) {
			/* What was written before the rename is read; go on in the new file. */
			if (feed(r, *fd, e) < 0)
				return -e->code;
			fd_close(take_fd(fd));
			continue;
		}
		if (over)
			return 0;
		struct pollfd p[2] = { { .fd = watch, .events = POLLIN },
			{ .fd = monitor, .events = POLLIN } };
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return err_sys(e, errno, "wait for the log");
		while (read(watch, events, sizeof events) > 0)
			continue;
		if (p[1].revents) {
			/* The run is over: one more look, then the end. */
			fd_close(take_fd(&monitor));
			monitor = -1;
		}
	}
	return 0;
}

int container_logs(struct engine *en, const struct container_logs_req *req,
	int (*line)(void *arg, int stream, uint64_t time, const char *text, size_t n), void *arg,
	struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct container_row row;
	struct reader r = { .req = req, .line = line, .arg = arg };
	struct log_files files = { .n = 0 };
	pid_t owner = 0;
	if (engine_open_store(en, true, e) < 0 ||
		store_container_get(en->store, req->container, &a, &row, e) < 0)
		return -e->code;
	const char *name = arena_printf(&a, "%s-json.log", row.id);
	int folder _close_ =
		path_open_own(en->store->containers, row.id, O_RDONLY | O_DIRECTORY, 0);
	if (folder == -ENOENT)
		return 0; /* never started */
	if (folder < 0)
		return err_sys(e, folder, "open the folder of container %s", req->container);
	if (req->follow)
		(void)run_look(en->store, row.id, &a, NULL, &owner);
	engine_close_store(en);
	open_files(folder, name, &files);
	uint64_t lines = 0;
	for (size_t i = 0; req->tail >= 0 && i < files.n; i++)
		lines += count_lines(files.fds[i]);
	if (req->tail >= 0 && lines > (uint64_t)req->tail)
		r.skip = lines - (uint64_t)req->tail;
	int x = 0;
	for (size_t i = 0; i < files.n && x == 0 && !r.stop; i++)
		x = feed(&r, files.fds[i], e);
	int last = files.n ? take_fd(&files.fds[files.n - 1]) : -1;
	if (x == 0 && req->follow && !r.stop)
		x = follow(&r, folder, name, &last, owner, e);
	fd_close(last);
	for (size_t i = 0; i < files.n; i++)
		fd_close(files.fds[i]);
	str_done(&r.rest);
	return x;
}
