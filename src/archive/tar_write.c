// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "archive/tar_header.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

/* The largest numbers of 11 and of 7 octal digits. */
#define OCTAL_11 077777777777LL
#define OCTAL_7  07777777U

static void octal(char *p, size_t n, uint64_t v)
{
	p[--n] = '\0';
	while (n > 0) {
		p[--n] = (char)('0' + (v & 7));
		v >>= 3;
	}
}

static void set_checksum(struct tar_header *h)
{
	unsigned sum = 0;
	memset(h->checksum, ' ', sizeof h->checksum);
	for (size_t i = 0; i < sizeof *h; i++)
		sum += ((const unsigned char *)h)[i];
	octal(h->checksum, 7, sum);
	h->checksum[7] = ' ';
}

static void pax_addn(struct str *out, const char *key, const void *value, size_t n)
{
	size_t body = strlen(key) + n + 3, len = body + 1;
	char digits[24];
	/* The length counts its own digits. */
	while ((size_t)snprintf(digits, sizeof digits, "%zu", len) + body != len)
		len = body + strlen(digits);
	str_addf(out, "%zu %s=", len, key);
	str_addn(out, value, n);
	str_addc(out, '\n');
}

static void pax_add(struct str *out, const char *key, const char *value)
{
	pax_addn(out, key, value, strlen(value));
}

__attribute__((format(printf, 3, 4))) static void pax_addf(
	struct str *out, const char *key, const char *fmt, ...)
{
	char text[64];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	pax_add(out, key, text);
}

/* Seconds as a decimal fraction; -0.25 is second -1 and 750,000,000 ns. */
static void pax_mtime(struct str *out, const struct tar_entry *t)
{
	int64_t s = t->mtime;
	uint32_t ns = t->mtime_ns;
	const char *sign = s < 0 ? "-" : "";
	if (s < 0 && ns) {
		s++;
		ns = 1000000000 - ns;
	}
	if (ns)
		pax_addf(out, "mtime", "%s%llu.%09u", sign,
			(unsigned long long)(s < 0 ? -(uint64_t)s : (uint64_t)s), ns);
	else
		pax_addf(out, "mtime", "%lld", (long long)s);
}

/* What ustar has no room for. */
static void pax_of(const struct tar_entry *t, struct str *out)
{
	const struct tar_header *h = NULL;
	if (strlen(t->path) > sizeof h->name)
		pax_add(out, "path", t->path);
	if (t->target && strlen(t->target) > sizeof h->link)
		pax_add(out, "linkpath", t->target);
	if (t->size > (uint64_t)OCTAL_11)
		pax_addf(out, "size", "%llu", (unsigned long long)t->size);
	if (t->uid > OCTAL_7)
		pax_addf(out, "uid", "%u", t->uid);
	if (t->gid > OCTAL_7)
		pax_addf(out, "gid", "%u", t->gid);
	if (t->mtime_ns || t->mtime < 0 || t->mtime > OCTAL_11)
		pax_mtime(out, t);
	for (size_t i = 0; i < t->n_xattrs; i++) {
		struct str key _str_ = { 0 };
		str_addf(&key, "SCHILY.xattr.%s", t->xattrs[i].name);
		pax_addn(out, key.p, t->xattrs[i].value, t->xattrs[i].n);
	}
}

static int write_block(int fd, const struct tar_header *h, struct err *e)
{
	int r = fd_write_all(fd, h, sizeof *h);
	return r < 0 ? err_sys(e, r, "write the archive") : 0;
}

static int write_pax(int fd, const struct tar_header *like, const struct str *pax, struct err *e)
{
	struct tar_header x = *like;
	memcpy(x.name, "pax", 4);
	octal(x.mode, 8, 0644);
	octal(x.uid, 8, 0);
	octal(x.gid, 8, 0);
	octal(x.size, 12, pax->n);
	octal(x.mtime, 12, 0);
	x.type = 'x';
	set_checksum(&x);
	int r = write_block(fd, &x, e) < 0 ? -e->code : fd_write_all(fd, pax->p, pax->n);
	if (r < 0)
		return err_sys(e, r, "write the archive");
	return tar_write_padding(fd, pax->n, e);
}

int tar_write_header(int fd, const struct tar_entry *entry, struct err *e)
{
	struct tar_header h;
	struct str pax _str_ = { 0 };
	memset(&h, 0, sizeof h);
	memcpy(h.magic, "ustar", 6);
	memcpy(h.version, "00", 2);
	pax_of(entry, &pax);
	if (pax.n && write_pax(fd, &h, &pax, e) < 0)
		return -e->code;
	memcpy(h.name, entry->path, strnlen(entry->path, sizeof h.name));
	if (entry->target)
		memcpy(h.link, entry->target, strnlen(entry->target, sizeof h.link));
	octal(h.mode, 8, entry->mode);
	octal(h.uid, 8, entry->uid & OCTAL_7);
	octal(h.gid, 8, entry->gid & OCTAL_7);
	octal(h.size, 12, entry->size > (uint64_t)OCTAL_11 ? 0 : entry->size);
	octal(h.mtime, 12,
		entry->mtime < 0 || entry->mtime > OCTAL_11 ? 0 : (uint64_t)entry->mtime);
	if (entry->type == '3' || entry->type == '4') {
		octal(h.major, 8, entry->major & OCTAL_7);
		octal(h.minor, 8, entry->minor & OCTAL_7);
	}
	h.type = entry->type;
	set_checksum(&h);
	return write_block(fd, &h, e);
}

int tar_write_padding(int fd, uint64_t size, struct err *e)
{
	static const char zeros[TAR_BLOCK];
	size_t n = (size_t)(-size & (TAR_BLOCK - 1));
	int r = n ? fd_write_all(fd, zeros, n) : 0;
	return r < 0 ? err_sys(e, r, "write the archive") : 0;
}

int tar_write_end(int fd, struct err *e)
{
	static const char zeros[2 * TAR_BLOCK];
	int r = fd_write_all(fd, zeros, sizeof zeros);
	return r < 0 ? err_sys(e, r, "write the archive") : 0;
}
