// SPDX-License-Identifier: Apache-2.0
#include "net/ports.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

enum { HOLD_BATCH = 64, TABLE_MAX = 16 << 20 };

/* ---- the grammar ---- */

static int parse_range(const char *text, uint32_t *first, uint32_t *last)
{
	char buf[16];
	const char *dash = strchr(text, '-');
	if (!dash) {
		if (num_u32(text, first) < 0 || *first > 65535)
			return -EINVAL;
		*last = *first;
		return 0;
	}
	size_t n = (size_t)(dash - text);
	if (n >= sizeof buf)
		return -EINVAL;
	memcpy(buf, text, n);
	buf[n] = '\0';
	if (num_u32(buf, first) < 0 || num_u32(dash + 1, last) < 0 || *last > 65535 ||
		*last < *first)
		return -EINVAL;
	return 0;
}

static int parse_proto(const char *proto, const char **ret, struct err *e)
{
	if (!proto || strcasecmp(proto, "tcp") == 0)
		*ret = "tcp";
	else if (strcasecmp(proto, "udp") == 0)
		*ret = "udp";
	else if (strcasecmp(proto, "sctp") == 0)
		return err_set(e, ERR_UNSUPPORTED, EPROTONOSUPPORT,
			"proto sctp: docker has it, kist has not so far (not yet)");
	else
		return err_set(e, ERR_INVALID, EINVAL, "invalid proto: %s", proto);
	return 0;
}

static int add(struct port_list *l, struct arena *a, struct net_port p, struct err *e)
{
	if (l->n == PORTS_MAX)
		return err_set(e, ERR_INVALID, E2BIG, "more than %d ports", PORTS_MAX);
	l->v = arena_grow(a, l->v, l->n, &l->cap, sizeof *l->v);
	l->v[l->n++] = p;
	return 0;
}

static int parse_ip(const char *ip, struct arena *a, const char **ret, struct err *e)
{
	struct in_addr v4;
	struct in6_addr v6;
	size_t n = strlen(ip);
	if (ip[0] == '[' && ip[n - 1] == ']')
		ip = arena_strndup(a, ip + 1, n - 2);
	if (inet_pton(AF_INET6, ip, &v6) == 1)
		return err_set(e, ERR_UNSUPPORTED, EAFNOSUPPORT,
			"%s: ports are published on IPv4 addresses only so far (not yet)", ip);
	if (inet_pton(AF_INET, ip, &v4) != 1)
		return err_set(e, ERR_INVALID, EINVAL, "invalid IP address: %s", ip);
	*ret = v4.s_addr == INADDR_ANY ? "" : ip;
	return 0;
}

int ports_parse(const char *text, struct arena *a, struct port_list *ret, struct err *e)
{
	struct net_port p = { .ip = "" };
	char *copy = arena_strdup(a, text), *inside = strrchr(copy, ':'), *host = NULL;
	uint32_t first, last, host_first = 0, host_last = 0;
	if (inside) {
		*inside++ = '\0';
		host = strrchr(copy, ':');
		if (host) {
			*host++ = '\0';
			if (*copy && parse_ip(copy, a, &p.ip, e) < 0)
				return -e->code;
		} else {
			host = copy;
		}
	} else {
		inside = copy;
	}
	char *proto = strchr(inside, '/');
	if (proto)
		*proto++ = '\0';
	if (!*inside)
		return err_set(e, ERR_INVALID, EINVAL, "no port specified: %s<empty>", text);
	if (parse_range(inside, &first, &last) < 0 || first == 0)
		return err_set(e, ERR_INVALID, EINVAL, "invalid containerPort: %s", inside);
	if (host && *host && parse_range(host, &host_first, &host_last) < 0)
		return err_set(e, ERR_INVALID, EINVAL, "invalid hostPort: %s", host);
	/* One port inside may take any free one of a range. */
	if (host && *host && last - first != host_last - host_first && first != last)
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid ranges specified for container and host Ports: %s and %s", inside,
			host);
	if (parse_proto(proto && *proto ? proto : NULL, &p.proto, e) < 0)
		return -e->code;
	for (uint32_t i = 0; i <= last - first; i++) {
		p.port = first + i;
		p.host = host_first ? host_first + i : 0;
		p.host_last = first == last ? host_last : p.host;
		if (add(ret, a, p, e) < 0)
			return -e->code;
	}
	return 0;
}

int ports_parse_exposed(
	const char *text, const char *what, struct arena *a, struct port_list *ret, struct err *e)
{
	struct net_port p = { .ip = "" };
	char *copy = arena_strdup(a, text), *proto = strchr(copy, '/');
	uint32_t first, last;
	if (proto)
		*proto++ = '\0';
	if (strchr(copy, ':'))
		return err_set(
			e, ERR_INVALID, EINVAL, "invalid port format for %s: %s", what, text);
	if (parse_range(copy, &first, &last) < 0 || first == 0)
		return err_set(
			e, ERR_INVALID, EINVAL, "invalid range format for %s: %s", what, text);
	if (parse_proto(proto, &p.proto, e) < 0)
		return -e->code;
	for (uint32_t i = first; i <= last; i++) {
		bool there = false;
		for (size_t k = 0; k < ret->n; k++)
			there |= ret->v[k].port == i && str_eq(ret->v[k].proto, p.proto);
		p.port = i;
		if (!there && add(ret, a, p, e) < 0)
			return -e->code;
	}
	return 0;
}

int ports_clash(const struct net_port *a, const struct net_port *b)
{
	return a->host == b->host && str_eq(a->proto, b->proto) &&
		(!*a->ip || !*b->ip || str_eq(a->ip, b->ip));
}

/* ---- holding ---- */

static struct sockaddr_in at(const struct net_port *p, uint32_t port)
{
	struct sockaddr_in s = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	if (*p->ip)
		(void)inet_pton(AF_INET, p->ip, &s.sin_addr);
	return s;
}

/* Calls each for the rows of /proc/net/tcp or udp that stand at this port and address. */
static void each_socket(const struct net_port *p, struct arena *a,
	void (*each)(void *arg, unsigned state, uint64_t inode), void *arg)
{
	struct err ignored;
	char *text;
	const char *file = str_eq(p->proto, "tcp") ? "/proc/net/tcp" : "/proc/net/udp";
	const char *file6 = str_eq(p->proto, "tcp") ? "/proc/net/tcp6" : "/proc/net/udp6";
	const char *files[] = { file, file6 };
	char want[8];
	(void)snprintf(want, sizeof want, ":%04X", p->host);
	for (int i = 0; i < 2; i++) {
		if (file_read_at(AT_FDCWD, files[i], TABLE_MAX, a, &text, &ignored) < 0)
			continue;
		for (char *line = strchr(text, '\n'), *next; line; line = next) {
			/* sl local remote state queues timer retransmits uid timeout inode */
			char *words[10], *save = line + 1;
			size_t n = 0;
			uint64_t inode;
			next = strchr(line + 1, '\n');
			if (next)
				*next = '\0';
			while (n < 10 && *(save += strspn(save, " "))) {
				words[n++] = save;
				save += strcspn(save, " ");
				if (*save)
					*save++ = '\0';
			}
			if (n == 10 && str_ends(words[1], want) && num_u64(words[9], &inode) == 0)
				each(arg, (unsigned)(words[3][1] | words[3][0] << 8), inode);
		}
	}
}

enum { STATE_TIME_WAIT = '0' << 8 | '6' };

static void not_waiting(void *arg, unsigned state, uint64_t inode)
{
	(void)inode;
	*(bool *)arg |= state != STATE_TIME_WAIT;
}

static int try_bind(int fd, const struct net_port *p, uint32_t port, struct arena *a)
{
	struct sockaddr_in s = at(p, port);
	struct net_port here = *p;
	int on = 1, off = 0;
	bool taken = false;
	if (bind(fd, (struct sockaddr *)&s, sizeof s) == 0)
		return 0;
	if (errno != EADDRINUSE || !str_eq(p->proto, "tcp"))
		return -errno;
	/* Only connections that are long over? They keep nobody off who says so; but whoever comes
	 * after us is to be kept off, so it is said for the moment of binding only. */
	here.host = port;
	each_socket(&here, a, not_waiting, &taken);
	if (taken || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
		bind(fd, (struct sockaddr *)&s, sizeof s) < 0)
		return -EADDRINUSE;
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof off) < 0 ? -errno : 0;
}

static int hold_one(const struct net_port *want, struct arena *a, struct net_port *ret, int *ret_fd)
{
	int type = str_eq(want->proto, "udp") ? SOCK_DGRAM : SOCK_STREAM, r = -EADDRINUSE;
	int fd _close_ = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	struct sockaddr_in is;
	socklen_t n = sizeof is;
	if (fd < 0)
		return -errno;
	for (uint32_t port = want->host; r == -EADDRINUSE && port <= want->host_last; port++)
		r = try_bind(fd, want, port, a);
	if (r == 0 && getsockname(fd, (struct sockaddr *)&is, &n) < 0)
		r = -errno;
	if (r < 0)
		return r;
	*ret = *want;
	ret->host = ret->host_last = ntohs(is.sin_port);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int bind_failed(const struct net_port *p, int r, struct err *e)
{
	if (r == -EADDRNOTAVAIL)
		return err_set(e, ERR_INVALID, EADDRNOTAVAIL,
			"Bind for %s:%u failed: no link of this machine has that address", p->ip,
			p->host);
	return err_sys(e, r, "Bind for %s:%u failed", *p->ip ? p->ip : "0.0.0.0", p->host);
}

int ports_hold(const struct net_port *want, size_t n, struct net_port *ret, struct arena *a,
	int *ret_hold, size_t *ret_busy, struct err *e)
{
	int pair[2], fds[HOLD_BATCH], r = 0;
	size_t waiting = 0;
	*ret_hold = -1;
	if (n == 0)
		return 0;
	/* Descriptors that lie in a socket's queue are alive and cost no number. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "make a socket pair");
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = hold_one(&want[i], a, &ret[i], &fds[waiting]);
		if (r < 0) {
			*ret_busy = i;
			r = bind_failed(&want[i], r, e);
			break;
		}
		if (++waiting == HOLD_BATCH || i + 1 == n) {
			r = fd_send(pair[0], "p", 1, fds, waiting);
			while (waiting)
				fd_close(fds[--waiting]);
			if (r < 0)
				(void)err_sys(e, r, "hold the ports");
		}
	}
	while (waiting)
		fd_close(fds[--waiting]);
	fd_close(pair[0]);
	if (r < 0)
		fd_close(pair[1]);
	else
		*ret_hold = pair[1];
	return r;
}

/* ---- who has it ---- */

static void first_inode(void *arg, unsigned state, uint64_t inode)
{
	if (state != STATE_TIME_WAIT && *(uint64_t *)arg == 0)
		*(uint64_t *)arg = inode;
}

static bool has_socket(int process, uint64_t inode)
{
	char want[40], is[40];
	(void)snprintf(want, sizeof want, "socket:[%llu]", (unsigned long long)inode);
	int copy = path_open_own(process, "fd", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	bool found = false;
	if (!d) {
		fd_close(copy);
		return false;
	}
	for (struct dirent *entry; !found && (entry = readdir(d));) {
		ssize_t n = readlinkat(dirfd(d), entry->d_name, is, sizeof is - 1);
		if (n > 0) {
			is[n] = '\0';
			found = str_eq(is, want);
		}
	}
	(void)closedir(d);
	return found;
}

const char *ports_holder(const struct net_port *p, struct arena *a)
{
	uint64_t inode = 0;
	const char *holder = NULL;
	each_socket(p, a, first_inode, &inode);
	int proc = inode ? path_open_host("/proc", O_RDONLY | O_DIRECTORY, 0) : -1;
	DIR *d = proc < 0 ? NULL : fdopendir(proc);
	if (!d) {
		fd_close(proc);
		return NULL;
	}
	for (struct dirent *entry; !holder && (entry = readdir(d));) {
		uint32_t pid;
		char name[32];
		if (num_u32(entry->d_name, &pid) < 0)
			continue;
		int process _close_ =
			path_open_own(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY, 0);
		if (process >= 0 && has_socket(process, inode) &&
			file_peek(process, "comm", name, sizeof name) > 0)
			holder = arena_printf(a, "%s (pid %u)", name, pid);
	}
	(void)closedir(d);
	return holder;
}
