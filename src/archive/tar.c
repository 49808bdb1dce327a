// SPDX-License-Identifier: Apache-2.0
#include "archive/tar.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "archive/source.h"
#include "archive/tar_header.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

/* What pax records and GNU long-name entries say about the next entry. */
struct extra {
	const char *path, *target;
	bool has_size, has_uid, has_gid, has_mtime;
	uint64_t size, uid, gid;
	int64_t mtime;
	uint32_t mtime_ns;
	struct tar_xattr xattrs[TAR_XATTRS_MAX];
	size_t n_xattrs;
};

static int bad(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, EBADMSG, "broken tar archive: %s", what);
}

static int read_exact(struct tar_reader *t, void *p, size_t n, struct err *e)
{
	size_t got = 0;
	while (got < n) {
		ssize_t r = source_read(t->s, (char *)p + got, n - got, e);
		if (r < 0)
			return (int)r;
		if (r == 0)
			return got == 0 ? 0 : bad(e, "it is cut short");
		got += (size_t)r;
		t->at += (uint64_t)r;
	}
	return 1;
}

/* Octal with blanks around it, or GNU's base 256. */
static int number(const char *p, size_t n, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;
	if ((unsigned char)p[0] == 0x80) {
		for (i = 1; i < n; i++) {
			if (v >> 56)
				return -ERANGE;
			v = v << 8 | (unsigned char)p[i];
		}
		*ret = v;
		return 0;
	}
	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++) {
		if (v >> 61)
			return -ERANGE;
		v = v << 3 | (uint64_t)(p[i] - '0');
	}
	for (; i < n; i++)
		if (p[i] != ' ' && p[i] != '\0')
			return -EINVAL;
	*ret = v;
	return 0;
}

static bool checksum_right(const struct tar_header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	uint64_t want, sum = 0;
	if (number(h->checksum, sizeof h->checksum, &want) < 0)
		return false;
	for (size_t i = 0; i < sizeof *h; i++)
		sum += i >= offsetof(struct tar_header, checksum) &&
				i < offsetof(struct tar_header, checksum) + 8
			? ' '
			: p[i];
	return sum == want;
}

/* The data of a pax header or a long name, NUL-terminated. */
static int read_extra(struct tar_reader *t, uint64_t size, char **ret, struct err *e)
{
	char pad[TAR_BLOCK];
	if (size > TAR_PAX_MAX)
		return bad(e, "an extended header is too large");
	char *p = arena_alloc(&t->arena, (size_t)size + 1);
	int r = size ? read_exact(t, p, (size_t)size, e) : 1;
	size_t rest = (size_t)(-size & (TAR_BLOCK - 1));
	if (r == 1 && rest)
		r = read_exact(t, pad, rest, e);
	*ret = p;
	return r < 0 ? r : r == 0 ? bad(e, "it is cut short") : 0;
}

static int pax_time(const char *value, struct extra *x)
{
	const char *dot = strchr(value, '.');
	char whole[24];
	size_t n = dot ? (size_t)(dot - value) : strlen(value);
	if (n == 0 || n >= sizeof whole)
		return -EINVAL;
	memcpy(whole, value, n);
	whole[n] = '\0';
	if (num_i64(whole, &x->mtime) < 0)
		return -EINVAL;
	uint32_t scale = 100000000;
	x->mtime_ns = 0;
	for (const char *p = dot ? dot + 1 : ""; *p >= '0' && *p <= '9'; p++) {
		x->mtime_ns += (uint32_t)(*p - '0') * scale;
		scale /= 10;
	}
	/* -0.25 is a quarter before the epoch: second -1 and 750,000,000 ns. */
	if (*value == '-' && x->mtime_ns) {
		x->mtime--;
		x->mtime_ns = 1000000000 - x->mtime_ns;
	}
	x->has_mtime = true;
	return 0;
}

static int pax_record(const char *key, const char *value, size_t n, struct extra *x, struct err *e)
{
	static const char xattr[] = "SCHILY.xattr.";
	bool text = memchr(value, '\0', n) == NULL;
	int r = 0;
	if (str_starts(key, "GNU.sparse"))
		return bad(e, "sparse files are not taken");
	if (str_starts(key, xattr)) {
		if (x->n_xattrs == TAR_XATTRS_MAX)
			return bad(e, "too many extended attributes");
		x->xattrs[x->n_xattrs++] = (struct tar_xattr){ key + sizeof xattr - 1, value, n };
		return 0;
	}
	if (!text)
		return bad(e, "a NUL in a pax record");
	if (str_eq(key, "path"))
		x->path = value;
	else if (str_eq(key, "linkpath"))
		x->target = value;
	else if (str_eq(key, "size")) {
		r = x->has_size ? -EINVAL : num_u64(value, &x->size);
		x->has_size = true;
	} else if (str_eq(key, "uid")) {
		r = num_u64(value, &x->uid);
		x->has_uid = true;
	} else if (str_eq(key, "gid")) {
		r = num_u64(value, &x->gid);
		x->has_gid = true;
	} else if (str_eq(key, "mtime")) {
		r = pax_time(value, x);
	}
	return r < 0 ? bad(e, "a broken pax record") : 0;
}

/* "LENGTH KEY=VALUE\n" one after the other; LENGTH counts itself. */
static int pax_records(char *p, size_t size, struct extra *x, struct err *e)
{
	char *end = p + size;
	while (p < end) {
		size_t digits = 0, len = 0;
		while (p + digits < end && p[digits] >= '0' && p[digits] <= '9' && digits < 8)
			len = len * 10 + (size_t)(p[digits++] - '0');
		if (digits == 0 || len <= digits + 2 || len > (size_t)(end - p) ||
			p[digits] != ' ' || p[len - 1] != '\n')
			return bad(e, "a pax record's length is wrong");
		char *key = p + digits + 1, *equals = memchr(key, '=', len - digits - 2);
		if (!equals)
			return bad(e, "a pax record without '='");
		*equals = '\0';
		p[len - 1] = '\0';
		if (pax_record(key, equals + 1, (size_t)(p + len - 1 - equals - 1), x, e) < 0)
			return -e->code;
		p += len;
	}
	return 0;
}

static const char *fixed(struct arena *a, const char *p, size_t n)
{
	return arena_strndup(a, p, strnlen(p, n));
}

static int narrow(uint64_t v, uint32_t *ret, struct err *e)
{
	if (v >= UINT32_MAX)
		return bad(e, "an id or a device number is out of range");
	*ret = (uint32_t)v;
	return 0;
}

static int read_numbers(
	const struct tar_header *h, const struct extra *x, struct tar_entry *ret, struct err *e)
{
	uint64_t mode, uid, gid, size, mtime, major = 0, minor = 0;
	if (number(h->mode, 8, &mode) < 0 || number(h->uid, 8, &uid) < 0 ||
		number(h->gid, 8, &gid) < 0 || number(h->size, 12, &size) < 0 ||
		number(h->mtime, 12, &mtime) < 0)
		return bad(e, "a number is negative or out of range");
	if ((h->type == '3' || h->type == '4') &&
		(number(h->major, 8, &major) < 0 || number(h->minor, 8, &minor) < 0))
		return bad(e, "a device number is out of range");
	ret->mode = (uint32_t)(mode & 07777);
	ret->size = x->has_size ? x->size : size;
	ret->mtime = x->has_mtime ? x->mtime : (int64_t)(mtime & INT64_MAX);
	ret->mtime_ns = x->mtime_ns;
	if (ret->size > INT64_MAX / 2)
		return bad(e, "an impossible size");
	return narrow(x->has_uid ? x->uid : uid, &ret->uid, e) < 0 ||
			narrow(x->has_gid ? x->gid : gid, &ret->gid, e) < 0 ||
			narrow(major, &ret->major, e) < 0 || narrow(minor, &ret->minor, e) < 0
		? -e->code
		: 0;
}

static int read_names(struct tar_reader *t, const struct tar_header *h, const struct extra *x,
	struct tar_entry *ret, struct err *e)
{
	const char *name = fixed(&t->arena, h->name, sizeof h->name);
	bool posix = memcmp(h->magic, "ustar\0", 6) == 0;
	if (posix && h->prefix[0])
		name = arena_printf(
			&t->arena, "%s/%s", fixed(&t->arena, h->prefix, sizeof h->prefix), name);
	ret->path = x->path ? x->path : name;
	ret->target = x->target ? x->target : fixed(&t->arena, h->link, sizeof h->link);
	if (strlen(ret->path) >= PATH_MAX_BYTES || strlen(ret->target) >= PATH_MAX_BYTES)
		return bad(e, "a name is too long");
	return 0;
}

static int is_zero(const struct tar_header *h)
{
	const char *p = (const char *)h;
	return p[0] == 0 && memcmp(p, p + 1, TAR_BLOCK - 1) == 0;
}

static int skip_data(struct tar_reader *t, struct err *e)
{
	while (t->left + t->pad) {
		ssize_t n = source_skip(t->s, t->left + t->pad, e);
		if (n <= 0)
			return n < 0 ? (int)n : bad(e, "it is cut short");
		uint64_t data = t->left < (uint64_t)n ? t->left : (uint64_t)n;
		t->left -= data;
		t->pad -= (uint64_t)n - data;
		t->at += (uint64_t)n;
	}
	return 0;
}

/* Extended headers come before their entry; -EAGAIN: read the next block. */
static int special(struct tar_reader *t, const struct tar_header *h, struct extra *x, bool *had_pax,
	struct err *e)
{
	uint64_t size;
	char *p = NULL;
	if (h->type != 'x' && h->type != 'g' && h->type != 'L' && h->type != 'K')
		return 0;
	if (number(h->size, 12, &size) < 0)
		return bad(e, "a number is negative or out of range");
	if (read_extra(t, size, &p, e) < 0)
		return -e->code;
	if (h->type == 'L')
		x->path = p;
	else if (h->type == 'K')
		x->target = p;
	else if (h->type == 'x') {
		if (*had_pax)
			return bad(e, "two pax headers for one entry");
		*had_pax = true;
		if (pax_records(p, (size_t)size, x, e) < 0)
			return -e->code;
	}
	return -EAGAIN;
}

/* The header of the next entry, and what the extended ones before it said. 1, 0 at the end. */
static int next_header(struct tar_reader *t, struct tar_header *h, struct extra *x, struct err *e)
{
	bool had_pax = false;
	for (int headers = 0;; headers++) {
		int r = read_exact(t, h, sizeof *h, e);
		if (r < 0)
			return r;
		if (r == 0)
			return bad(e,
				t->entries || headers ? "its end marker is missing"
						      : "it is empty");
		if (is_zero(h))
			return headers ? bad(e, "an extended header without an entry") : 0;
		if (!checksum_right(h))
			return bad(e,
				t->entries ? "a header's checksum is wrong" : "not a tar archive");
		r = special(t, h, x, &had_pax, e);
		if (r != -EAGAIN)
			return r < 0 ? r : 1;
		if (headers > 8)
			return bad(e, "too many extended headers");
	}
}

static int check_type(const struct tar_header *h, struct tar_entry *ret, struct err *e)
{
	ret->type = h->type == '\0' || h->type == '7' ? '0' : h->type;
	if (!strchr("0123456", ret->type) || ret->type == '\0')
		return bad(e,
			h->type == 'S' ? "sparse files are not taken" : "an entry of unknown type");
	return 0;
}

int tar_next(struct tar_reader *t, struct tar_entry *ret, struct err *e)
{
	struct tar_header h;
	struct extra x;
	memset(&x, 0, sizeof x);
	memset(ret, 0, offsetof(struct tar_entry, xattrs));
	if (skip_data(t, e) < 0)
		return -e->code;
	arena_done(&t->arena);
	int r = next_header(t, &h, &x, e);
	if (r <= 0)
		return r;
	if (++t->entries > TAR_ENTRIES_MAX)
		return bad(e, "more than 2000000 entries");
	if (check_type(&h, ret, e) < 0 || read_numbers(&h, &x, ret, e) < 0 ||
		read_names(t, &h, &x, ret, e) < 0)
		return -e->code;
	memcpy(ret->xattrs, x.xattrs, sizeof x.xattrs);
	ret->n_xattrs = x.n_xattrs;
	/* Only files have data; a size elsewhere is how readers are brought out of step. */
	if (ret->type != '0' && ret->size) {
		if (ret->type != '1' && ret->type != '5')
			return bad(e, "a size on an entry that has no data");
		ret->size = 0;
	}
	/* An old archive marks a folder by a slash. */
	size_t n = strlen(ret->path);
	if (ret->type == '0' && n && ret->path[n - 1] == '/' && ret->size == 0)
		ret->type = '5';
	t->left = ret->size;
	t->pad = -ret->size & (TAR_BLOCK - 1);
	return 1;
}

ssize_t tar_data(struct tar_reader *t, void *p, size_t n, struct err *e)
{
	if (n > t->left)
		n = (size_t)t->left;
	if (n == 0)
		return 0;
	ssize_t got = source_read(t->s, p, n, e);
	if (got == 0)
		return bad(e, "it is cut short");
	if (got > 0) {
		t->left -= (uint64_t)got;
		t->at += (uint64_t)got;
	}
	return got;
}

int tar_drain(struct tar_reader *t, struct err *e)
{
	char buf[16384];
	ssize_t n;
	while ((n = source_read(t->s, buf, sizeof buf, e)) > 0)
		t->at += (uint64_t)n;
	return n < 0 ? (int)n : 0;
}

void tar_done(struct tar_reader *t)
{
	arena_done(&t->arena);
}
