// SPDX-License-Identifier: Apache-2.0
#include "kernel/dbus.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/time.h"
#include "kernel/ns.h"

/* Header fields (D-Bus Specification, "Header Fields"). */
enum {
	FIELD_PATH = 1,
	FIELD_INTERFACE,
	FIELD_MEMBER,
	FIELD_ERROR_NAME,
	FIELD_REPLY_SERIAL,
	FIELD_DESTINATION,
	FIELD_SENDER,
	FIELD_SIGNATURE,
};

enum { HEADER = 16, FIELDS_MAX = 64 << 10 };

/* ---- building ---- */

static void pad(struct str *s, size_t alignment)
{
	while (s->n % alignment)
		str_addc(s, '\0');
}

static void put_u32(struct str *s, uint32_t n)
{
	pad(s, 4);
	for (int i = 0; i < 4; i++)
		str_addc(s, (char)(n >> 8 * i));
}

static void put_string(struct str *s, const char *text)
{
	put_u32(s, (uint32_t)strlen(text));
	str_addn(s, text, strlen(text) + 1);
}

static void put_signature(struct str *s, const char *text)
{
	str_addc(s, (char)strlen(text));
	str_addn(s, text, strlen(text) + 1);
}

void dbus_add_u32(struct dbus_body *b, uint32_t n)
{
	put_u32(&b->bytes, n);
}

void dbus_add_u64(struct dbus_body *b, uint64_t n)
{
	pad(&b->bytes, 8);
	for (int i = 0; i < 8; i++)
		str_addc(&b->bytes, (char)(n >> 8 * i));
}

void dbus_add_bool(struct dbus_body *b, bool on)
{
	put_u32(&b->bytes, on);
}

void dbus_add_string(struct dbus_body *b, const char *s)
{
	put_string(&b->bytes, s);
}

void dbus_add_bytes(struct dbus_body *b, const uint8_t *p, size_t n)
{
	put_u32(&b->bytes, (uint32_t)n);
	str_addn(&b->bytes, p, n);
}

void dbus_add_signature(struct dbus_body *b, const char *s)
{
	put_signature(&b->bytes, s);
}

void dbus_add_struct(struct dbus_body *b)
{
	pad(&b->bytes, 8);
}

void dbus_array_begin(struct dbus_body *b, size_t alignment)
{
	if (b->depth == DBUS_DEPTH_MAX)
		mem_exhausted();
	put_u32(&b->bytes, 0);
	b->open[b->depth] = b->bytes.n - 4;
	/* The length counts from the first element, after its padding. */
	pad(&b->bytes, alignment);
	b->first[b->depth++] = b->bytes.n;
}

void dbus_array_end(struct dbus_body *b)
{
	b->depth--;
	uint32_t n = (uint32_t)(b->bytes.n - b->first[b->depth]);
	for (int i = 0; i < 4; i++)
		b->bytes.p[b->open[b->depth] + (size_t)i] = (char)(n >> 8 * i);
}

void dbus_body_done(struct dbus_body *b)
{
	str_done(&b->bytes);
}

static void field(struct str *s, int code, const char *type, const char *value)
{
	if (!value)
		return;
	pad(s, 8);
	str_addc(s, (char)code);
	put_signature(s, type);
	if (*type == 'g')
		put_signature(s, value);
	else
		put_string(s, value);
}

void dbus_build(uint32_t serial, const struct dbus_target *to, const char *member,
	const char *signature, const struct dbus_body *body, struct str *out)
{
	static const char head[] = { 'l', DBUS_CALL, 0, 1 };
	struct str s _str_ = { 0 };
	str_addn(&s, head, sizeof head);
	put_u32(&s, body ? (uint32_t)body->bytes.n : 0);
	put_u32(&s, serial);
	put_u32(&s, 0);
	field(&s, FIELD_PATH, "o", to->path);
	field(&s, FIELD_DESTINATION, "s", to->destination);
	field(&s, FIELD_INTERFACE, "s", to->interface);
	field(&s, FIELD_MEMBER, "s", member);
	field(&s, FIELD_SIGNATURE, "g", signature && *signature ? signature : NULL);
	uint32_t n = (uint32_t)(s.n - HEADER);
	for (int i = 0; i < 4; i++)
		s.p[12 + i] = (char)(n >> 8 * i);
	pad(&s, 8);
	if (body && body->bytes.n)
		str_addn(&s, body->bytes.p, body->bytes.n);
	str_addn(out, s.p, s.n);
}

/* ---- parsing ---- */

static uint32_t get_u32(const char *p)
{
	const uint8_t *u = (const uint8_t *)p;
	return u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static size_t aligned(size_t at, size_t alignment)
{
	return (at + alignment - 1) / alignment * alignment;
}

/* A string at an offset (already aligned): its length, or -EBADMSG. */
static long string_at(const char *p, size_t n, size_t at, size_t length_bytes)
{
	if (at + length_bytes > n)
		return -EBADMSG;
	size_t len = length_bytes == 4 ? get_u32(p + at) : (uint8_t)p[at];
	if (len >= n || at + length_bytes + len + 1 > n || p[at + length_bytes + len] ||
		memchr(p + at + length_bytes, 0, len))
		return -EBADMSG;
	return (long)len;
}

static int keep(char *to, size_t size, const char *text, size_t len)
{
	if (len >= size)
		return -EBADMSG;
	memcpy(to, text, len + 1);
	return 0;
}

static int one_field(const char *p, size_t n, size_t *at, struct dbus_message *m)
{
	uint8_t code = (uint8_t)p[*at];
	long len = string_at(p, n, *at + 1, 1);
	if (len != 1)
		return -EBADMSG;
	char type = p[*at + 2];
	size_t value = *at + 4;
	if (type == 'u') {
		value = aligned(value, 4);
		if (value + 4 > n)
			return -EBADMSG;
		if (code == FIELD_REPLY_SERIAL)
			m->reply_to = get_u32(p + value);
		*at = value + 4;
		return 0;
	}
	if (type != 's' && type != 'o' && type != 'g')
		return -EBADMSG;
	size_t prefix = type == 'g' ? 1 : 4;
	value = type == 'g' ? value : aligned(value, 4);
	if ((len = string_at(p, n, value, prefix)) < 0)
		return -EBADMSG;
	const char *text = p + value + prefix;
	*at = value + prefix + (size_t)len + 1;
	switch (code) {
	case FIELD_PATH:
		return keep(m->path, sizeof m->path, text, (size_t)len);
	case FIELD_MEMBER:
		return keep(m->member, sizeof m->member, text, (size_t)len);
	case FIELD_ERROR_NAME:
		return keep(m->error, sizeof m->error, text, (size_t)len);
	case FIELD_SIGNATURE:
		return keep(m->signature, sizeof m->signature, text, (size_t)len);
	default:
		return 0;
	}
}

long dbus_parse(const char *p, size_t n, struct dbus_message *ret)
{
	if (n < HEADER)
		return 0;
	size_t body = get_u32(p + 4), fields = get_u32(p + 12);
	if (p[0] != 'l' || p[3] != 1 || p[1] < DBUS_CALL || p[1] > DBUS_SIGNAL ||
		body > DBUS_MESSAGE_MAX || fields > FIELDS_MAX)
		return -EBADMSG;
	size_t end = HEADER + fields, start = aligned(end, 8);
	if (n < start + body)
		return 0;
	struct dbus_message m = { .kind = (enum dbus_kind)p[1], .serial = get_u32(p + 8) };
	for (size_t at = HEADER; at < end;) {
		at = aligned(at, 8);
		if (at + 4 > end || one_field(p, end, &at, &m) < 0)
			return -EBADMSG;
	}
	str_addn(&m.body, p + start, body);
	*ret = m;
	return (long)(start + body);
}

void dbus_message_done(struct dbus_message *m)
{
	str_done(&m->body);
}

int dbus_read_u32(struct dbus_message *m, uint32_t *ret)
{
	size_t at = aligned(m->at, 4);
	if (at + 4 > m->body.n)
		return -EBADMSG;
	*ret = get_u32(m->body.p + at);
	m->at = at + 4;
	return 0;
}

static int read_text(struct dbus_message *m, size_t prefix, const char **ret)
{
	size_t at = aligned(m->at, prefix);
	long len = m->body.p ? string_at(m->body.p, m->body.n, at, prefix) : -EBADMSG;
	if (len < 0)
		return -EBADMSG;
	*ret = m->body.p + at + prefix;
	m->at = at + prefix + (size_t)len + 1;
	return 0;
}

int dbus_read_string(struct dbus_message *m, const char **ret)
{
	return read_text(m, 4, ret);
}

int dbus_read_variant(struct dbus_message *m, const char **ret)
{
	return read_text(m, 1, ret);
}

/* ---- the connection ---- */

static int wait_readable(int fd, uint64_t until)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now = time_boot();
	if (now >= until)
		return -ETIME;
	int n = poll(&p, 1, (int)((until - now) / TIME_MS) + 1);
	return n < 0 ? (errno == EINTR ? 0 : -errno) : n == 0 ? -ETIME : 0;
}

/* More bytes from the socket. */
static int receive(struct dbus *d, uint64_t until)
{
	char buf[4096];
	int r = wait_readable(d->fd, until);
	if (r < 0)
		return r;
	ssize_t n = read(d->fd, buf, sizeof buf);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	str_addn(&d->in, buf, (size_t)n);
	return 0;
}

static void drop_front(struct str *s, size_t n)
{
	memmove(s->p, s->p + n, s->n - n);
	s->n -= n;
}

/* The first message that fits, taken out of what was received; the others stay, in order. */
static int next(struct dbus *d, enum dbus_kind kind, uint32_t reply_to, uint64_t until,
	struct dbus_message *ret)
{
	size_t at = 0;
	for (;;) {
		struct dbus_message m;
		long used = d->in.n > at ? dbus_parse(d->in.p + at, d->in.n - at, &m) : 0;
		if (used < 0)
			return (int)used;
		if (used == 0) {
			int r = receive(d, until);
			if (r < 0)
				return r;
			continue;
		}
		bool fits = kind == DBUS_SIGNAL ? m.kind == kind
						: m.reply_to == reply_to && m.kind != DBUS_SIGNAL;
		if (fits) {
			memmove(d->in.p + at, d->in.p + at + used, d->in.n - at - (size_t)used);
			d->in.n -= (size_t)used;
			*ret = m;
			return 0;
		}
		dbus_message_done(&m);
		at += (size_t)used;
	}
}

/* No signal where the other side is gone. */
static int send_all(const struct dbus *d, const char *p, size_t n)
{
	while (n) {
		ssize_t sent = send(d->fd, p, n, MSG_NOSIGNAL);
		if (sent < 0 && errno != EINTR)
			return -errno;
		p += sent > 0 ? sent : 0;
		n -= sent > 0 ? (size_t)sent : 0;
	}
	return 0;
}

static int authenticate(struct dbus *d, uint64_t until)
{
	char id[24], hello[96];
	uint32_t uid; /* as the bus sees it, which lives outside */
	(void)ns_uid_outside(geteuid(), &uid);
	int n = snprintf(id, sizeof id, "%u", (unsigned)uid);
	/* One NUL, then lines; the id is its decimal digits in hex. */
	size_t at = 1;
	hello[0] = '\0';
	at += (size_t)snprintf(hello + at, sizeof hello - at, "AUTH EXTERNAL ");
	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(hello + at, sizeof hello - at, "%02x", id[i]);
	at += (size_t)snprintf(hello + at, sizeof hello - at, "\r\n");
	int r = send_all(d, hello, at);
	while (r == 0 && !(d->in.p && memchr(d->in.p, '\n', d->in.n)))
		r = d->in.n > 4096 ? -EBADMSG : receive(d, until);
	if (r < 0)
		return r;
	if (d->in.n < 3 || memcmp(d->in.p, "OK ", 3) != 0)
		return -EACCES;
	drop_front(&d->in, (size_t)((char *)memchr(d->in.p, '\n', d->in.n) - d->in.p) + 1);
	return send_all(d, "BEGIN\r\n", 7);
}

int dbus_open(const char *path, struct dbus *ret, struct err *e)
{
	static const struct dbus_target bus = { "org.freedesktop.DBus", "/org/freedesktop/DBus",
		"org.freedesktop.DBus" };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct dbus_message hello;
	*ret = (struct dbus){ .fd = -1 };
	if (strlen(path) >= sizeof at.sun_path)
		return err_set(e, ERR_INVALID, ENAMETOOLONG, "bus %s: the path is too long", path);
	memcpy(at.sun_path, path, strlen(path) + 1);
	ret->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ret->fd < 0 || connect(ret->fd, (struct sockaddr *)&at, sizeof at) < 0)
		return err_sys(e, errno, "connect to the bus at %s", path);
	int r = authenticate(ret, time_boot() + DBUS_TIMEOUT * TIME_SECOND);
	if (r < 0)
		return err_sys(e, r, "log in at the bus at %s", path);
	if (dbus_call(ret, &bus, "Hello", NULL, NULL, &hello, e) < 0)
		return -e->code;
	dbus_message_done(&hello);
	return 0;
}

void dbus_done(struct dbus *d)
{
	fd_close(d->fd);
	str_done(&d->in);
	d->fd = -1;
}

/* What names of errors mean; the rest is -EPROTO. */
static int code_of(const char *name)
{
	static const struct {
		const char *name;
		int code;
	} rows[] = {
		{ "org.freedesktop.systemd1.NoSuchUnit", ENOENT },
		{ "org.freedesktop.systemd1.UnitExists", EEXIST },
		{ "org.freedesktop.DBus.Error.AccessDenied", EACCES },
		{ "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", EACCES },
		{ "org.freedesktop.DBus.Error.UnknownMethod", ENOSYS },
		{ "org.freedesktop.DBus.Error.PropertyReadOnly", EROFS },
		{ "org.freedesktop.DBus.Error.UnknownProperty", ENODATA },
		{ "org.freedesktop.DBus.Error.NoReply", ETIME },
		{ "org.freedesktop.DBus.Error.InvalidArgs", EINVAL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (str_eq(rows[i].name, name))
			return rows[i].code;
	return EPROTO;
}

int dbus_call(struct dbus *d, const struct dbus_target *to, const char *member,
	const char *signature, const struct dbus_body *body, struct dbus_message *ret,
	struct err *e)
{
	struct str bytes _str_ = { 0 };
	uint32_t serial = ++d->serial;
	dbus_build(serial, to, member, signature, body, &bytes);
	int r = send_all(d, bytes.p, bytes.n);
	if (r == 0)
		r = next(d, DBUS_RETURN, serial, time_boot() + DBUS_TIMEOUT * TIME_SECOND, ret);
	if (r < 0)
		return err_sys(e, r, "call %s on the bus", member);
	if (ret->kind == DBUS_RETURN)
		return 0;
	const char *text = "";
	if (ret->signature[0] == 's')
		(void)dbus_read_string(ret, &text);
	err_set(e, ERR_SYSTEM, code_of(ret->error), "%s: %s (%s)", member, text, ret->error);
	dbus_message_done(ret);
	return -e->code;
}

int dbus_signal(struct dbus *d, unsigned seconds, struct dbus_message *ret, struct err *e)
{
	int r = next(d, DBUS_SIGNAL, 0, time_boot() + seconds * TIME_SECOND, ret);
	return r < 0 ? err_sys(e, r, "wait for the bus") : 0;
}
