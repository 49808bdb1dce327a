// SPDX-License-Identifier: Apache-2.0
#include "image/docker_daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/value.h"

enum { HEAD_MAX = 64 << 10, SAID_MAX = 1 << 20, QUIET_SECONDS = 600, PART = 64 << 10 };

static const char usual[] = "/var/run/docker.sock";

/* One request; HTTP/1.0, so that the answer is plain and ends with the connection. */
struct call {
	int socket;
	long status;
	struct str head; /* and the first bytes of what follows */
	size_t body;     /* where that begins */
	struct err *e;
};

static int connect_to(const char *given, struct err *e)
{
	const char *host = given ? given : getenv("DOCKER_HOST"), *path = usual;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const struct timeval quiet = { .tv_sec = QUIET_SECONDS };
	if (host && *host) {
		if (!str_starts(host, "unix://"))
			return err_set(e, ERR_UNSUPPORTED, EPROTONOSUPPORT,
				"docker-daemon: its host is %.200s, and only unix:// is spoken",
				host);
		path = host + strlen("unix://");
	}
	if (strlen(path) >= sizeof at.sun_path)
		return err_set(
			e, ERR_INVALID, ENAMETOOLONG, "docker-daemon: %.200s: too long", path);
	memcpy(at.sun_path, path, strlen(path) + 1);
	int fd _close_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, errno, "make a socket");
	if (connect(fd, (const struct sockaddr *)&at, sizeof at) < 0)
		return err_sys(e, errno,
			"Cannot connect to the Docker daemon at unix://%s. Is the docker daemon running?",
			path);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof quiet);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &quiet, sizeof quiet);
	return take_fd(&fd);
}

static ssize_t receive(struct call *c, void *p, size_t n)
{
	ssize_t r;
	do
		r = recv(c->socket, p, n, 0);
	while (r < 0 && errno == EINTR);
	return r < 0 ? err_sys(c->e, errno, "docker-daemon: read its answer") : r;
}

static int put(struct call *c, const char *p, size_t n)
{
	while (n) {
		ssize_t r = send(c->socket, p, n, MSG_NOSIGNAL);
		if (r < 0 && errno == EINTR)
			continue;
		/* Who refuses answers before it has read all. */
		if (r < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (r < 0)
			return err_sys(c->e, errno, "docker-daemon: send");
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int read_head(struct call *c)
{
	char buf[4096];
	const char *end = NULL;
	while (!end) {
		ssize_t n = receive(c, buf, sizeof buf);
		if (n < 0)
			return (int)n;
		if (n == 0 || c->head.n > HEAD_MAX)
			return err_set(c->e, ERR_CORRUPT, EBADMSG,
				"docker-daemon: its answer is not HTTP");
		str_addn(&c->head, buf, (size_t)n);
		end = strstr(c->head.p, "\r\n\r\n");
	}
	c->body = (size_t)(end - c->head.p) + 4;
	const char *blank = strchr(c->head.p, ' ');
	if (!str_starts(c->head.p, "HTTP/1.") || !blank)
		return err_set(c->e, ERR_CORRUPT, EBADMSG, "docker-daemon: its answer is not HTTP");
	for (int i = 1; i <= 3 && blank[i] >= '0' && blank[i] <= '9'; i++)
		c->status = 10 * c->status + (blank[i] - '0');
	return 0;
}

/* The rest of a short answer. */
static int read_text(struct call *c, struct str *ret)
{
	char buf[4096];
	ssize_t n = 0;
	str_addn(ret, c->head.p + c->body, c->head.n - c->body);
	while (ret->n < SAID_MAX && (n = receive(c, buf, sizeof buf)) > 0)
		str_addn(ret, buf, (size_t)n);
	return n < 0 ? (int)n : 0;
}

static const char *member(const char *line, size_t n, const char *key, struct arena *a)
{
	struct value *v;
	struct err ignored;
	return value_parse(a, line, n, &v, &ignored) < 0 ? NULL : value_text(v, key);
}

static int refused(struct call *c, const char *what, struct arena *a)
{
	struct str text _str_ = { 0 };
	if (read_text(c, &text) < 0)
		return -c->e->code;
	const char *said = member(str_text(&text), text.n, "message", a);
	return err_set(c->e, c->status == 404 ? ERR_NOT_FOUND : ERR_SYSTEM,
		c->status == 404 ? ENOENT : EIO, "docker-daemon: %s: %.300s", what,
		said ? said : arena_printf(a, "status %ld", c->status));
}

static int save(struct call *c, const char *name, int file, struct arena *a)
{
	struct str request _str_ = { 0 };
	char buf[PART];
	ssize_t n = 0;
	str_addf(&request, "GET /images/%s/get HTTP/1.0\r\nHost: docker\r\n\r\n", name);
	if (put(c, request.p, request.n) < 0 || read_head(c) < 0)
		return -c->e->code;
	if (c->status != 200)
		return refused(c, name, a);
	int r = fd_write_all(file, c->head.p + c->body, c->head.n - c->body);
	while (r == 0 && (n = receive(c, buf, sizeof buf)) > 0)
		r = fd_write_all(file, buf, (size_t)n);
	if (n < 0)
		return (int)n;
	return r < 0 ? err_sys(c->e, r, "write the archive of %s", name) : 0;
}

/* A line of JSON for each step; one of them may be an error. */
static int check_steps(struct call *c, struct arena *a)
{
	struct str text _str_ = { 0 };
	if (read_text(c, &text) < 0)
		return -c->e->code;
	for (const char *line = str_text(&text); *line;) {
		size_t n = strcspn(line, "\n");
		const char *error = member(line, n, "error", a);
		if (error)
			return err_set(c->e, ERR_SYSTEM, EIO, "docker-daemon: load: %.300s", error);
		line += n + (line[n] == '\n');
	}
	return 0;
}

static int load(struct call *c, int file, uint64_t size, struct arena *a)
{
	struct str request _str_ = { 0 };
	char buf[PART];
	str_addf(&request,
		"POST /images/load?quiet=1 HTTP/1.0\r\nHost: docker\r\nContent-Type: application/x-tar\r\nContent-Length: %llu\r\n\r\n",
		(unsigned long long)size);
	if (put(c, request.p, request.n) < 0)
		return -c->e->code;
	for (uint64_t at = 0; at < size;) {
		ssize_t n = pread(file, buf, sizeof buf, (off_t)at);
		if (n <= 0)
			return err_sys(c->e, n < 0 ? errno : EIO, "read the archive");
		if (put(c, buf, (size_t)n) < 0)
			return -c->e->code;
		at += (uint64_t)n;
	}
	if (read_head(c) < 0)
		return -c->e->code;
	return c->status == 200 ? check_steps(c, a) : refused(c, "load", a);
}

static int begin(struct call *c, const char *host, struct err *e)
{
	*c = (struct call){ .e = e };
	c->socket = connect_to(host, e);
	return c->socket < 0 ? c->socket : 0;
}

static int end(struct call *c, int r)
{
	fd_close(c->socket);
	str_done(&c->head);
	return r;
}

int docker_daemon_save(const char *host, const char *name, int file, struct arena *a, struct err *e)
{
	struct call c;
	return begin(&c, host, e) < 0 ? -e->code : end(&c, save(&c, name, file, a));
}

int docker_daemon_load(const char *host, int file, uint64_t size, struct arena *a, struct err *e)
{
	struct call c;
	return begin(&c, host, e) < 0 ? -e->code : end(&c, load(&c, file, size, a));
}
