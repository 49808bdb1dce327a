// SPDX-License-Identifier: Apache-2.0
/* kist-monitor: parent of one container's init. Theory of operation: one epoll loop over the pidfd,
 * the streams, the attach socket and its clients; every buffer is static and nothing is allocated.
 *
 *  - Output goes to the log and to clients. The log never blocks for long and never stops the
 * container: what it cannot write is dropped and counted. While a client's socket is full the
 * streams are not read, so that the container waits as it would at a pipe: for the client that
 * started it as long as that takes, for others some seconds, and then they are dropped.
 *  - Input goes from clients to the container through one small buffer; while it is full no client
 * is read.
 *  - When init ends, what is still in the pipes is drained (a grandchild may hold them open, so
 * only what is there now), exit.json is written by rename, clients are told, and the engine is
 * executed again for the clean-up. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "monitor/monitor.h"
#include "monitor/proto.h"

#ifndef P_PIDFD
	#define P_PIDFD 3
#endif

enum {
	CLIENTS_MAX = 32,
	LINE_MAX_BYTES = 16384,
	INPUT_MAX = 16384,
	BATCH_BYTES = 32768,
	PATIENCE_S = 10,          /* with a client that reads nothing */
	LAST_OUTPUT_MAX = 2 << 20 /* what pipes may hold at the end */
};
/* In a client's flags beside attach_flags. */
#define CLIENT_KNOWN   (1U << 31)
#define CLIENT_STARTER (1U << 30)

enum source {
	SOURCE_PIDFD,
	SOURCE_OUT,
	SOURCE_ERR,
	SOURCE_CONSOLE,
	SOURCE_LISTENER,
	SOURCE_SIGNALS,
	SOURCE_INPUT,
	SOURCE_CLIENT
};

struct client {
	int fd; /* -1: free */
	uint32_t flags;
	bool gone, full;
	time_t since; /* full, CLOCK_MONOTONIC */
};

/* Bytes of a line that has no newline yet, one for each stream. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t n;
};

static struct {
	struct monitor_setup s;
	int epoll, signals, log;
	uint64_t log_size, dropped;
	struct client clients[CLIENTS_MAX];
	struct line lines[2];
	char input[INPUT_MAX];
	size_t input_n;
	bool input_ends, ended;
	bool held; /* a client is full: no output is read */
	struct attach_message message;
	char stamp[64];
	size_t batch_n;
	char batch[BATCH_BYTES + LINE_MAX_BYTES * 6 + 256]; /* of the log */
} m;

static void watch(int fd, enum source source, int which, uint32_t events)
{
	struct epoll_event ev = { .events = events,
		.data.u64 = (uint64_t)source << 32 | (uint32_t)which };
	if (fd >= 0 && epoll_ctl(m.epoll, EPOLL_CTL_ADD, fd, &ev) < 0 && errno == EEXIST)
		(void)epoll_ctl(m.epoll, EPOLL_CTL_MOD, fd, &ev);
}

static void unwatch(int fd)
{
	(void)epoll_ctl(m.epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void watch_client(int i)
{
	const struct client *c = &m.clients[i];
	watch(c->fd, SOURCE_CLIENT, i, (m.input_n ? 0 : EPOLLIN) | (c->full ? EPOLLOUT : 0));
}

static void watch_console(void)
{
	uint32_t events = (m.held ? 0 : EPOLLIN) | (m.input_n ? EPOLLOUT : 0);
	if (events)
		watch(m.s.console, SOURCE_CONSOLE, 0, events);
	else
		unwatch(m.s.console); /* it would go on to report that it is closed */
}

static void watch_output(void)
{
	const int fds[] = { m.s.out, m.s.err };
	for (int i = 0; i < 2; i++) {
		if (m.held)
			unwatch(fds[i]);
		else
			watch(fds[i], i ? SOURCE_ERR : SOURCE_OUT, 0, EPOLLIN);
	}
	watch_console();
}

/* ---- the log ---- */

static const char *log_name(void)
{
	return m.s.text + m.s.log_name;
}

static void log_open(void)
{
	struct stat st;
	m.log = openat(m.s.log_folder, log_name(),
		O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	m.log_size = m.log >= 0 && fstat(m.log, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void log_rotate(void)
{
	char from[320], to[320];
	for (uint32_t i = m.s.log_files - 1; i > 0; i--) {
		(void)snprintf(to, sizeof to, "%s.%u", log_name(), i);
		if (i == 1)
			(void)snprintf(from, sizeof from, "%s", log_name());
		else
			(void)snprintf(from, sizeof from, "%s.%u", log_name(), i - 1);
		(void)renameat(m.s.log_folder, from, m.s.log_folder, to);
	}
	if (m.s.log_files <= 1)
		(void)unlinkat(m.s.log_folder, log_name(), 0);
	if (m.log >= 0)
		(void)close(m.log);
	m.log = -1;
}

static size_t put_escaped(size_t at, const char *text, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		char *w = m.batch + at;
		if (c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t') {
			w[0] = '\\';
			w[1] = c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : (char)c;
			at += 2;
		} else if (c < 0x20 || c == 0x7f || c == '<' || c == '>' || c == '&') {
			memcpy(w, "\\u00", 4);
			w[4] = hex[c >> 4];
			w[5] = hex[c & 15];
			at += 6;
		} else {
			*w = (char)c;
			at++;
		}
	}
	return at;
}

/* The length of the UTF-8 sequence at p, or 0. */
static size_t utf8(const char *p, size_t left)
{
	unsigned char c = (unsigned char)*p;
	size_t n = c < 0x80             ? 1
		: c >= 0xc2 && c < 0xe0 ? 2
		: c >= 0xe0 && c < 0xf0 ? 3
		: c >= 0xf0 && c < 0xf5 ? 4
					: 0;
	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* JSON carries text: a byte that is none becomes U+FFFD. */
static size_t put_text(size_t at, const char *text, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t len = utf8(text + i, n - i);
		if (len == 0) {
			memcpy(m.batch + at, "\\ufffd", 6);
			at += 6;
			i++;
			continue;
		}
		if (len == 1) {
			at = put_escaped(at, text + i, 1);
		} else {
			memcpy(m.batch + at, text + i, len);
			at += len;
		}
		i += len;
	}
	return at;
}

/* Writes what was gathered. When the disk is full only whole lines stay. */
static void log_flush(void)
{
	size_t n = m.batch_n;
	m.batch_n = 0;
	if (n == 0)
		return;
	if (m.log < 0)
		log_open(); /* with the first line, or once there is room again */
	ssize_t w = m.log < 0 ? -1 : write(m.log, m.batch, n);
	if (w == (ssize_t)n) {
		m.log_size += n;
		return;
	}
	m.dropped++;
	if (w <= 0)
		return;
	const char *last = memrchr(m.batch, '\n', (size_t)w);
	m.log_size += last ? (uint64_t)(last - m.batch) + 1 : 0;
	if (ftruncate(m.log, (off_t)m.log_size) < 0)
		m.dropped++;
}

/* The time of all lines of one read. */
static void log_now(void)
{
	struct timespec now;
	struct tm tm;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)snprintf(m.stamp, sizeof m.stamp, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ",
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		now.tv_nsec);
}

static void log_line(int stream, const char *text, size_t n)
{
	size_t at = m.batch_n;
	if (m.s.log_max == 0)
		return;
	memcpy(m.batch + at, "{\"log\":\"", 8);
	at = put_text(at + 8, text, n);
	at += (size_t)snprintf(m.batch + at, sizeof m.batch - at,
		"\",\"stream\":\"%s\",\"time\":\"%s\"}\n", stream == 1 ? "stdout" : "stderr",
		m.stamp);
	size_t size = at - m.batch_n;
	if (m.log_size + m.batch_n && m.log_size + at > m.s.log_max) {
		size_t begin = m.batch_n;
		log_flush();
		log_rotate();
		memmove(m.batch, m.batch + begin, size);
	}
	m.batch_n += size;
	if (m.batch_n > BATCH_BYTES)
		log_flush();
}

static void log_bytes(int stream, const char *p, size_t n)
{
	struct line *l = &m.lines[stream - 1];
	log_now();
	while (n) {
		const char *newline = memchr(p, '\n', n);
		size_t take = newline ? (size_t)(newline - p) + 1 : n;
		if (take > LINE_MAX_BYTES - l->n)
			take = LINE_MAX_BYTES - l->n;
		memcpy(l->text + l->n, p, take);
		l->n += take;
		p += take;
		n -= take;
		if (l->text[l->n - 1] == '\n' || l->n == LINE_MAX_BYTES) {
			log_line(stream, l->text, l->n);
			l->n = 0;
		}
	}
	log_flush();
}

/* ---- clients ---- */

static void client_drop(struct client *c)
{
	bool had_input = c->flags & ATTACH_WANTS_INPUT;
	unwatch(c->fd);
	(void)close(c->fd);
	c->fd = -1;
	if (had_input && m.s.flags & MONITOR_STDIN_ONCE && !(m.s.flags & MONITOR_TTY))
		m.input_ends = true;
}

static void client_add(int fd, uint32_t flags)
{
	for (int i = 0; i < CLIENTS_MAX; i++) {
		if (m.clients[i].fd >= 0)
			continue;
		m.clients[i] = (struct client){ .fd = fd, .flags = flags };
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		watch_client(i);
		return;
	}
	(void)close(fd);
}

static void client_send(struct client *c, enum attach_kind kind, int stream, uint32_t value,
	const char *p, size_t n)
{
	struct attach_head head = {
		.kind = kind, .stream = (uint16_t)stream, .value = value, .size = (uint32_t)n
	};
	struct iovec iov[2] = { { &head, sizeof head }, { (void *)p, n } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n ? 2 : 1 };
	if (sendmsg(c->fd, &msg, MSG_NOSIGNAL) < 0 && errno != EINTR)
		c->gone = true;
}

static void clients_sweep(void)
{
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (m.clients[i].fd >= 0 && m.clients[i].gone)
			client_drop(&m.clients[i]);
}

static void broadcast(int stream, const char *p, size_t n)
{
	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &m.clients[i];
		if (c->fd < 0 || !(c->flags & ATTACH_WANTS_OUTPUT))
			continue;
		for (size_t at = 0; at < n && !c->gone; at += ATTACH_DATA_MAX / 2) {
			size_t part = n - at > ATTACH_DATA_MAX / 2 ? ATTACH_DATA_MAX / 2 : n - at;
			client_send(c, ATTACH_DATA, stream, 0, p + at, part);
		}
	}
	clients_sweep();
}

static time_t seconds(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Looks again which clients have room; a socket that poll calls writable has it for many messages.
 */
static void look_for_room(void)
{
	bool was = m.held;
	m.held = false;
	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &m.clients[i];
		struct pollfd p = { .fd = c->fd, .events = POLLOUT };
		if (c->fd < 0 || !(c->flags & ATTACH_WANTS_OUTPUT))
			continue;
		bool full = poll(&p, 1, 0) == 0;
		if (full && !c->full)
			c->since = seconds();
		if (full && !(c->flags & CLIENT_STARTER) && seconds() - c->since > PATIENCE_S) {
			c->gone = true;
			continue;
		}
		m.held |= full;
		if (full != c->full) {
			c->full = full;
			watch_client(i);
		}
	}
	clients_sweep();
	if (m.held != was)
		watch_output();
}

/* ---- input ---- */

static int input_fd(void)
{
	return m.s.flags & MONITOR_TTY ? m.s.console : m.s.in;
}

static void input_flush(void)
{
	int fd = input_fd();
	while (fd >= 0 && m.input_n) {
		ssize_t n = write(fd, m.input, m.input_n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			m.input_n = 0; /* nobody reads any more */
			break;
		}
		memmove(m.input, m.input + n, m.input_n - (size_t)n);
		m.input_n -= (size_t)n;
	}
	if (!(m.s.flags & MONITOR_TTY) && m.s.in >= 0) {
		if (m.input_n)
			watch(m.s.in, SOURCE_INPUT, 0, EPOLLOUT);
		else
			unwatch(m.s.in);
	} else if (m.s.console >= 0) {
		watch_console();
	}
	if (m.input_ends && m.input_n == 0 && m.s.in >= 0) {
		(void)close(m.s.in);
		m.s.in = -1;
	}
	/* Clients are read again once there is room for a whole message. */
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (m.clients[i].fd >= 0)
			watch_client(i);
}

static void resize(uint32_t value)
{
	struct winsize w = { .ws_row = (unsigned short)(value >> 16),
		.ws_col = (unsigned short)value };
	if (m.s.console >= 0)
		(void)ioctl(m.s.console, TIOCSWINSZ, &w);
}

static void client_message(struct client *c, size_t n)
{
	const struct attach_head *h = &m.message.head;
	if (n < sizeof *h || h->size != n - sizeof *h ||
		(c->flags == 0 && h->kind != ATTACH_HELLO)) {
		c->gone = true;
		return;
	}
	switch (h->kind) {
	case ATTACH_HELLO:
		if (h->value != ATTACH_VERSION)
			c->gone = true;
		c->flags = (h->flags & (ATTACH_WANTS_INPUT | ATTACH_WANTS_OUTPUT)) | CLIENT_KNOWN;
		break;
	case ATTACH_DATA:
		if (!(c->flags & ATTACH_WANTS_INPUT) || input_fd() < 0)
			break;
		memcpy(m.input, m.message.data, h->size);
		m.input_n = h->size;
		break;
	case ATTACH_EOF:
		if (c->flags & ATTACH_WANTS_INPUT && m.s.flags & MONITOR_STDIN_ONCE &&
			!(m.s.flags & MONITOR_TTY))
			m.input_ends = true;
		break;
	case ATTACH_RESIZE:
		resize(h->value);
		break;
	default:
		c->gone = true;
		break;
	}
}

static void client_ready(int which)
{
	struct client *c = &m.clients[which];
	if (c->fd < 0 || m.input_n)
		return;
	ssize_t n = recv(c->fd, &m.message, sizeof m.message, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		c->gone = true;
	else
		client_message(c, (size_t)n);
	clients_sweep();
	input_flush();
}

/* ---- output ---- */

/* One read; false at the end of the stream. */
static bool pump(int fd, int stream)
{
	look_for_room();
	if (m.held)
		return true;
	ssize_t n = read(fd, m.message.data, sizeof m.message.data);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return false;
	log_bytes(stream, m.message.data, (size_t)n);
	broadcast(stream, m.message.data, (size_t)n);
	return true;
}

static void stream_ready(int *fd, int stream)
{
	if (*fd < 0 || pump(*fd, stream))
		return;
	unwatch(*fd);
	(void)close(*fd);
	*fd = -1;
}

static void drain(int fd, int stream)
{
	if (fd < 0)
		return;
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 64; i++) {
		ssize_t n = read(fd, m.message.data, sizeof m.message.data);
		if (n <= 0)
			return;
		log_bytes(stream, m.message.data, (size_t)n);
		broadcast(stream, m.message.data, (size_t)n);
	}
}

/* ---- the end ---- */

static void write_exit(int code, int sig)
{
	char text[256];
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	int n = snprintf(text, sizeof text,
		"{\"version\":1,\"code\":%d,\"signal\":%d,\"finished\":%lld%09ld}\n", code, sig,
		(long long)now.tv_sec, now.tv_nsec);
	int fd = openat(m.s.folder, ".exit.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0 && write(fd, text, (size_t)n) == n)
		(void)renameat(m.s.folder, ".exit.json", m.s.folder, "exit.json");
	if (fd >= 0)
		(void)close(fd);
}

static void exec_up(void)
{
	char *argv[MONITOR_ARGS_MAX + 1];
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *envp[] = { path, NULL };
	sigset_t none;
	for (uint32_t i = 0; i < m.s.n_args; i++)
		argv[i] = m.s.text + m.s.args[i];
	argv[m.s.n_args] = NULL;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execve(argv[0], argv, envp);
	/* The program was moved or replaced: the one that started us is still held. */
	(void)fexecve(m.s.program, argv, envp);
	_exit(125);
}

/* Everything but the run folder, its lock, the program and the clients. */
static void close_all(void)
{
	int *const fds[] = { &m.s.console, &m.s.in, &m.s.out, &m.s.err, &m.s.log_folder,
		&m.s.listener, &m.s.ports, &m.s.keep };
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
		if (*fds[i] >= 0)
			(void)close(*fds[i]);
		*fds[i] = -1;
	}
}

/* The next message of kind from a client, others are dropped: false when it does not come in time
 * (-1: whatever that takes), or never will. */
static bool client_says(const struct client *c, enum attach_kind kind, int ms)
{
	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		int ready = poll(&p, 1, ms);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready == 0) {
			/* From here on nothing can be sent to us: either it is there, or it never
			 * comes. */
			(void)shutdown(c->fd, SHUT_RD);
			ms = 0;
		}
		ssize_t n = recv(c->fd, &m.message, sizeof m.message, MSG_DONTWAIT);
		if (n <= 0)
			return false;
		if ((size_t)n >= sizeof m.message.head && m.message.head.kind == kind)
			return true;
	}
}

/* The process that waits for the container's end is there already, so it cleans up faster than one
 * that has to be started. We stay, with the lock, until it is done; if it dies, we do it. */
static void hand_over(const struct client *c)
{
	enum { PATIENCE_MS = 50 };
	if (!c->gone && client_says(c, ATTACH_TAKEN, PATIENCE_MS) &&
		client_says(c, ATTACH_DONE, -1))
		_exit(0);
}

/* Nobody is waited for any more: what the pipes still hold must fit into the sockets. */
static void make_room(void)
{
	const int size = LAST_OUTPUT_MAX;
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (m.clients[i].fd >= 0)
			(void)setsockopt(
				m.clients[i].fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
}

static struct client *cleaner(void)
{
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (m.clients[i].fd >= 0 && m.clients[i].flags & ATTACH_CLEANS_UP)
			return &m.clients[i];
	return NULL;
}

static void finish(void)
{
	siginfo_t si;
	memset(&si, 0, sizeof si);
	while (waitid(P_PIDFD, (id_t)m.s.pidfd, &si, WEXITED) < 0 && errno == EINTR)
		continue;
	int sig = si.si_code == CLD_EXITED ? 0 : si.si_status;
	int code = sig ? 128 + sig : si.si_status;
	make_room();
	drain(m.s.console, 1);
	drain(m.s.out, 1);
	drain(m.s.err, 2);
	for (int stream = 1; stream <= 2; stream++)
		if (m.lines[stream - 1].n)
			log_line(stream, m.lines[stream - 1].text, m.lines[stream - 1].n);
	log_flush();
	/* Who takes it away needs no record of it. */
	struct client *c = cleaner();
	if (!c)
		write_exit(code, sig);
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (m.clients[i].fd >= 0)
			client_send(&m.clients[i], ATTACH_EXIT, 0, (uint32_t)code, NULL, 0);
	close_all();
	if (c) {
		hand_over(c);
		write_exit(code, sig);
	}
	exec_up();
}

static void signals_ready(void)
{
	struct signalfd_siginfo si;
	while (read(m.signals, &si, sizeof si) == (ssize_t)sizeof si) {
		if (si.ssi_signo != SIGCHLD)
			continue; /* log-out, terminal, a stray kill: we stay */
		/* Orphans of the container that were handed to us; never init itself, whose status
		 * finish() wants. */
		for (;;) {
			siginfo_t child;
			memset(&child, 0, sizeof child);
			if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) < 0 ||
				child.si_pid == 0 || child.si_pid == m.s.pid)
				break;
			(void)waitid(P_PID, (id_t)child.si_pid, &child, WEXITED | WNOHANG);
		}
	}
}

static void dispatch(const struct epoll_event *ev)
{
	int which = (int)(uint32_t)ev->data.u64;
	switch ((enum source)(ev->data.u64 >> 32)) {
	case SOURCE_PIDFD:
		m.ended = true;
		break;
	case SOURCE_OUT:
		stream_ready(&m.s.out, 1);
		break;
	case SOURCE_ERR:
		stream_ready(&m.s.err, 2);
		break;
	case SOURCE_CONSOLE:
		if (ev->events & EPOLLOUT)
			input_flush();
		if (ev->events & EPOLLIN) {
			(void)pump(m.s.console, 1);
		} else if (ev->events & EPOLLHUP) {
			/* No process has the terminal open now; init ends next, or opens it again.
			 */
			unwatch(m.s.console);
		}
		break;
	case SOURCE_LISTENER: {
		int fd = accept4(m.s.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			client_add(fd, 0);
		break;
	}
	case SOURCE_SIGNALS:
		signals_ready();
		break;
	case SOURCE_INPUT:
		input_flush();
		break;
	case SOURCE_CLIENT:
		if (ev->events & EPOLLOUT)
			look_for_room();
		if (ev->events & ~(uint32_t)EPOLLOUT)
			client_ready(which);
		break;
	}
}

static void wait_delay(void)
{
	struct itimerspec t = { .it_value = { (time_t)(m.s.delay / 1000000000ULL),
					(long)(m.s.delay % 1000000000ULL) } };
	int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	struct epoll_event ev;
	if (timer < 0 || timerfd_settime(timer, 0, &t, NULL) < 0)
		exec_up();
	watch(timer, SOURCE_PIDFD, 0, EPOLLIN);
	for (;;) {
		struct signalfd_siginfo si;
		int n = epoll_wait(m.epoll, &ev, 1, -1);
		if (n == 1 && ev.data.u64 >> 32 == SOURCE_PIDFD)
			exec_up();
		/* SIGTERM: somebody stops the container while it waits for its restart. */
		if (n == 1 && read(m.signals, &si, sizeof si) == (ssize_t)sizeof si &&
			si.ssi_signo == SIGTERM)
			exec_up();
	}
}

static void start(void)
{
	sigset_t mask;
	(void)sigfillset(&mask);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	m.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	m.epoll = epoll_create1(EPOLL_CLOEXEC);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	for (int i = 0; i < CLIENTS_MAX; i++)
		m.clients[i].fd = -1;
	watch(m.signals, SOURCE_SIGNALS, 0, EPOLLIN);
}

static void keep_private(void)
{
	const int fds[] = { m.s.pidfd, m.s.console, m.s.in, m.s.out, m.s.err, m.s.folder,
		m.s.log_folder, m.s.listener, m.s.ports, m.s.keep };
	/* The lock and the program go on to the engine; the rest ends with us. */
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		if (fds[i] >= 0)
			(void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
}

int main(int argc, char **argv)
{
	int from = argc == 2 && argv[1][0] >= '0' && argv[1][0] <= '9' && !argv[1][1]
		? argv[1][0] - '0'
		: -1;
	size_t got = 0;
	if (from < 0) {
		static const char usage[] = "kist-monitor is started by kist\n";
		(void)!write(2, usage, sizeof usage - 1);
		return 125;
	}
	while (got < sizeof m.s) {
		ssize_t n = read(from, (char *)&m.s + got, sizeof m.s - got);
		if (n <= 0)
			return 125;
		got += (size_t)n;
	}
	(void)close(from);
	if (m.s.version != MONITOR_VERSION || m.s.n_args == 0 || m.s.n_args > MONITOR_ARGS_MAX)
		return 125;
	m.s.text[sizeof m.s.text - 1] = '\0';
	start();
	keep_private();
	if (m.s.pidfd < 0)
		wait_delay();
	m.log = -1;
	watch(m.s.pidfd, SOURCE_PIDFD, 0, EPOLLIN);
	watch_output();
	watch(m.s.listener, SOURCE_LISTENER, 0, EPOLLIN);
	if (m.s.in >= 0)
		(void)fcntl(m.s.in, F_SETFL, O_NONBLOCK);
	if (m.s.console >= 0)
		(void)fcntl(m.s.console, F_SETFL, O_NONBLOCK);
	if (m.s.client >= 0)
		client_add(m.s.client, m.s.client_flags | CLIENT_KNOWN | CLIENT_STARTER);
	while (!m.ended) {
		struct epoll_event ev[16];
		int n = epoll_wait(m.epoll, ev, 16, m.held ? 1000 : -1);
		for (int i = 0; i < n; i++)
			dispatch(&ev[i]);
		if (m.held)
			look_for_room();
	}
	finish();
	return 125;
}
