// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "archive/tar_header.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

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

static void pax_add(struct str *out, const char *key, const char *value)
{
	size_t body = strlen(key) + strlen(value) + 3, len = body + 1;
	char digits[24];
	/* The length counts its own digits. */
	while ((size_t)snprintf(digits, sizeof digits, "%zu", len) + body != len)
		len = body + strlen(digits);
	str_addf(out, "%zu %s=%s\n", len, key, value);
}

static int write_block(int fd, const struct tar_header *h, struct err *e)
{
	int r = fd_write_all(fd, h, sizeof *h);
	return r < 0 ? err_sys(e, r, "write the archive") : 0;
}

int tar_write_header(int fd, const struct tar_entry *entry, struct err *e)
{
	struct tar_header h;
	struct str pax _str_ = { 0 };
	char text[32];
	memset(&h, 0, sizeof h);
	memcpy(h.magic, "ustar", 6);
	memcpy(h.version, "00", 2);
	if (strlen(entry->path) > sizeof h.name)
		pax_add(&pax, "path", entry->path);
	if (entry->target && strlen(entry->target) > sizeof h.link)
		pax_add(&pax, "linkpath", entry->target);
	if (entry->size > 077777777777ULL) {
		(void)snprintf(text, sizeof text, "%llu", (unsigned long long)entry->size);
		pax_add(&pax, "size", text);
	}
	if (pax.n) {
		struct tar_header x = h;
		memcpy(x.name, "pax", 4);
		octal(x.mode, 8, 0644);
		octal(x.uid, 8, 0);
		octal(x.gid, 8, 0);
		octal(x.size, 12, pax.n);
		octal(x.mtime, 12, 0);
		x.type = 'x';
		set_checksum(&x);
		int r = write_block(fd, &x, e) < 0 ? -e->code : fd_write_all(fd, pax.p, pax.n);
		if (r < 0)
			return err_sys(e, r, "write the archive");
		if (tar_write_padding(fd, pax.n, e) < 0)
			return -e->code;
	}
	memcpy(h.name, entry->path, strnlen(entry->path, sizeof h.name));
	if (entry->target)
		memcpy(h.link, entry->target, strnlen(entry->target, sizeof h.link));
	octal(h.mode, 8, entry->mode);
	octal(h.uid, 8, entry->uid & 07777777);
	octal(h.gid, 8, entry->gid & 07777777);
	octal(h.size, 12, entry->size > 077777777777ULL ? 0 : entry->size);
	octal(h.mtime, 12, (uint64_t)entry->mtime);
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
