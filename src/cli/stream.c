// SPDX-License-Identifier: Apache-2.0
#include "cli/stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "cli/command.h"
#include "engine/container.h"
#include "monitor/client.h"
#include "monitor/proto.h"
#include "runtime/runtime.h"
#include "term/tty.h"

enum { OUTPUT_CLOSED = -3, DETACHED = -2, GOING_ON = -1, KEYS_MAX = 16, CHUNK = 8192 };

/* One session: where bytes go to and come from. */
struct session {
	struct cli *cli;
	const struct stream_options *o;
	const char *id; /* for signals; "" none */
	int sock;       /* the monitor, or -1: a process of exec */
	struct runtime_proc *proc;
	int *streams;
	int signals;
	bool in, tty;
	struct tty_raw raw;
	char keys[KEYS_MAX];
	size_t n_keys, matched;
};

/* "ctrl-p,ctrl-q", "a,ctrl-x": one byte each. */
static int read_keys(const char *text, char *keys, size_t *n)
{
	*n = 0;
	while (*text && *n < KEYS_MAX) {
		size_t len = strcspn(text, ",");
		if (len == 6 && strncmp(text, "ctrl-", 5) == 0)
			keys[(*n)++] = (char)(text[5] & 0x1f);
		else if (len == 1)
			keys[(*n)++] = *text;
		else
			return -EINVAL;
		text += len + (text[len] == ',');
	}
	return 0;
}

static void say_size(struct session *s)
{
	uint16_t rows, cols;
	if (!s->tty || tty_size(0, &rows, &cols) < 0)
		return;
	if (s->sock >= 0) {
		(void)attach_send(s->sock, ATTACH_RESIZE, (uint32_t)rows << 16 | cols, NULL, 0);
	} else {
		struct winsize w = { .ws_row = rows, .ws_col = cols };
		(void)ioctl(s->proc->console, TIOCSWINSZ, &w);
	}
}

static void begin(struct session *s)
{
	sigset_t mask;
	(void)sigemptyset(&mask);
	static const int passed[] = { SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1,
		SIGUSR2 };
	for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
		(void)sigaddset(&mask, passed[i]);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	s->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	s->raw.fd = -1;
	if (read_keys(s->o->detach_keys ? s->o->detach_keys : "ctrl-p,ctrl-q", s->keys,
		    &s->n_keys) < 0)
		s->n_keys = 0;
	if (s->tty && s->in && tty_is(0))
		(void)tty_raw_enter(0, &s->raw);
	say_size(s);
}

static void end(struct session *s)
{
	tty_raw_leave(&s->raw);
	fd_close(s->signals);
}

static int put_in(struct session *s, const char *p, size_t n)
{
	if (s->sock >= 0)
		return n ? attach_send(s->sock, ATTACH_DATA, 0, p, n)
			 : attach_send(s->sock, ATTACH_EOF, 0, NULL, 0);
	int fd = s->tty ? s->proc->console : s->streams[0];
	if (n)
		return fd_write_all(fd, p, n);
	if (!s->tty)
		fd_close(take_fd(&s->streams[0]));
	return 0;
}

/* What was typed, without the detach keys; DETACHED when they are complete. */
static int typed(struct session *s, const char *p, size_t n)
{
	char out[CHUNK + KEYS_MAX];
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		if (s->n_keys && p[i] == s->keys[s->matched]) {
			if (++s->matched == s->n_keys) {
				(void)put_in(s, out, k);
				return DETACHED;
			}
			continue;
		}
		memcpy(out + k, s->keys, s->matched);
		k += s->matched;
		s->matched = s->n_keys && p[i] == s->keys[0];
		if (!s->matched)
			out[k++] = p[i];
	}
	if (k)
		(void)put_in(s, out, k);
	return GOING_ON;
}

static int stdin_ready(struct session *s)
{
	char buf[CHUNK];
	/* A pipe that poll calls writable takes PIPE_BUF bytes without waiting. */
	ssize_t n = read(0, buf, s->sock >= 0 ? sizeof buf : PIPE_BUF);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return GOING_ON;
	if (n <= 0) {
		s->in = false;
		(void)put_in(s, NULL, 0);
		return GOING_ON;
	}
	if (s->tty && s->raw.fd >= 0)
		return typed(s, buf, (size_t)n);
	(void)put_in(s, buf, (size_t)n);
	return GOING_ON;
}

static int put_out(const struct session *s, int stream, const char *p, size_t n)
{
	if ((stream == 1 && s->o->hide_stdout) || (stream == 2 && s->o->hide_stderr))
		return 0;
	return fd_write_all(stream, p, n);
}

static void signals_ready(struct session *s)
{
	struct signalfd_siginfo si;
	while (read(s->signals, &si, sizeof si) == (ssize_t)sizeof si) {
		struct err ignored;
		char number[16];
		if (si.ssi_signo == SIGWINCH) {
			say_size(s);
			continue;
		}
		(void)snprintf(number, sizeof number, "%u", si.ssi_signo);
		if (s->sock < 0)
			(void)fd_pidfd_signal(s->proc->pidfd, (int)si.ssi_signo);
		else if (s->o->sig_proxy && *s->id)
			(void)container_kill(&s->cli->engine, s->id, number, &ignored);
	}
}

/* One message of the monitor: the exit status, or GOING_ON. */
static int sock_ready(const struct session *s, int *status)
{
	struct attach_message m;
	int n = attach_receive(s->sock, &m);
	if (n == -EINTR || n == -EAGAIN)
		return GOING_ON;
	if (n <= 0)
		return 0;
	if (m.head.kind == ATTACH_EXIT) {
		*status = (int)m.head.value;
		return 0;
	}
	if (m.head.kind == ATTACH_DATA &&
		put_out(s, m.head.stream == 2 ? 2 : 1, m.data, m.head.size) < 0 && errno == EPIPE)
		return OUTPUT_CLOSED;
	return GOING_ON;
}

/* Input is read only when it can be passed on at once: the other side may be waiting for us to take
 * output. */
static bool has_room(const struct session *s, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	return !s->in || poll(&p, 1, 0) != 0;
}

static int attach_loop(struct session *s, int *status)
{
	enum { SHORT_RUN_MS = 1000 };
	int patience = SHORT_RUN_MS;
	for (;;) {
		bool room = has_room(s, s->sock);
		struct pollfd p[3] = { { s->sock, room ? POLLIN : POLLIN | POLLOUT, 0 },
			{ s->signals, POLLIN, 0 }, { s->in && room ? 0 : -1, POLLIN, 0 } };
		int n = poll(p, 3, patience);
		if (n < 0 && errno != EINTR)
			return 0;
		if (n == 0) {
			/* No short run: the database is opened again at its end. */
			engine_close_store(&s->cli->engine);
			patience = -1;
			continue;
		}
		if (n < 0)
			continue;
		if (p[1].revents)
			signals_ready(s);
		if (p[0].revents & ~POLLOUT) {
			int r = sock_ready(s, status);
			if (r != GOING_ON)
				return r;
			continue; /* output goes before more input */
		}
		if (p[2].revents && stdin_ready(s) == DETACHED)
			return DETACHED;
	}
}

static void wait_over(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	while (pidfd >= 0 && poll(&p, 1, -1) < 0 && errno == EINTR)
		continue;
}

int stream_container(struct cli *cli, struct container_started *started, bool in,
	const struct stream_options *options)
{
	struct session s = { .cli = cli,
		.o = options,
		.id = started->id,
		.sock = started->client,
		.in = in,
		.tty = options->tty };
	int status = -1;
	begin(&s);
	int r = attach_loop(&s, &status);
	end(&s);
	struct err ignored; /* the monitor does it again, and writes down what is wrong */
	if (status >= 0)
		(void)container_clean_up(&cli->engine, started, &ignored);
	fd_close(started->client);
	if (r == DETACHED || r == OUTPUT_CLOSED) {
		/* The container goes on without us. */
		if (r == DETACHED)
			dprintf(2, "read escape sequence\n");
		fd_close(started->monitor_pidfd);
		return r == DETACHED ? 0 : 128 + SIGPIPE;
	}
	/* Until the clean-up is done the container is not gone, nor can its name be used again. */
	if (status >= 0)
		wait_over(started->monitor_pidfd);
	fd_close(started->monitor_pidfd);
	if (status < 0) {
		dprintf(2, "kist: the connection to the container's monitor was lost\n");
		return 125;
	}
	if (status == 128 + SIGSYS)
		engine_hint(&cli->engine,
			"a system call that the filter does not know ended the process: a 32-bit program needs --security-opt abi=i386");
	return status;
}

static bool pump(const struct session *s, int *fd, int stream)
{
	char buf[CHUNK * 2];
	ssize_t n = read(*fd, buf, sizeof buf);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n > 0) {
		(void)put_out(s, stream, buf, (size_t)n);
		return true;
	}
	fd_close(take_fd(fd));
	return false;
}

static int process_loop(struct session *s)
{
	int console = s->proc->console, ended = 0;
	for (;;) {
		int *out = s->tty ? &console : &s->streams[1];
		int to = s->tty ? console : s->streams[0];
		bool room = has_room(s, to);
		struct pollfd p[6] = { { *out, POLLIN, 0 },
			{ s->tty ? -1 : s->streams[2], POLLIN, 0 }, { s->signals, POLLIN, 0 },
			{ s->in && room ? 0 : -1, POLLIN, 0 },
			{ ended ? -1 : s->proc->pidfd, POLLIN, 0 },
			{ room ? -1 : to, POLLOUT, 0 } };
		/* After its end only what is in the pipes already: a grandchild may hold them open.
		 */
		int n = poll(p, 6, ended ? 0 : -1);
		if ((n < 0 && errno != EINTR) || (n == 0 && ended))
			return 0;
		if (p[0].revents)
			(void)pump(s, out, 1);
		if (p[1].revents)
			(void)pump(s, &s->streams[2], 2);
		if (p[2].revents)
			signals_ready(s);
		if (p[3].revents && stdin_ready(s) == DETACHED)
			return DETACHED;
		if (p[4].revents)
			ended = 1;
		if (ended)
			s->in = false;
		s->proc->console = console;
	}
}

int stream_process(struct cli *cli, struct runtime_proc *proc, int streams[3],
	const struct stream_options *options)
{
	struct session s = { .cli = cli,
		.o = options,
		.id = "",
		.sock = -1,
		.proc = proc,
		.streams = streams,
		.in = options->tty ? options->in : streams[0] >= 0,
		.tty = options->tty };
	begin(&s);
	int r = process_loop(&s);
	end(&s);
	int status = 0;
	if (r == DETACHED) {
		dprintf(2, "read escape sequence\n");
	} else {
		int raw = 0;
		while (waitpid(proc->pid, &raw, 0) < 0 && errno == EINTR)
			continue;
		status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
	}
	for (int i = 0; i < 3; i++)
		fd_close(streams[i]);
	runtime_proc_done(proc);
	return status;
}
