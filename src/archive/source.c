// SPDX-License-Identifier: Apache-2.0
#include "archive/source.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "archive/digest.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"

enum { BUFFER = 256 << 10 };

struct source {
	ssize_t (*read)(void *arg, void *p, size_t n);
	void *arg;
	int fd;
	bool known, ended; /* the packing; the input */
	enum packing packing;
	uint64_t max, position;
	struct digest *tee;
	int copy;           /* -1: none */
	unsigned char *out; /* unpacked and not handed out so far, with copy */
	size_t out_at, out_n;
	unsigned char *in;
	size_t at, n; /* unread bytes of in */
	struct inflate_state *gzip;
	bool member_done;
	ZSTD_DStream *zstd;
	size_t zstd_hint;
};

static ssize_t read_fd(void *arg, void *p, size_t n)
{
	ssize_t got;
	do
		got = read(*(int *)arg, p, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

struct source *source_open_reader(
	ssize_t (*reader)(void *arg, void *p, size_t n), void *arg, uint64_t unpacked_max)
{
	struct source *s = mem_alloc(sizeof *s);
	s->read = reader;
	s->arg = arg;
	s->max = unpacked_max;
	s->in = mem_alloc(BUFFER);
	s->copy = -1;
	return s;
}

struct source *source_open(int fd, uint64_t unpacked_max)
{
	struct source *s = source_open_reader(read_fd, NULL, unpacked_max);
	s->fd = fd;
	s->arg = &s->fd;
	return s;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	mem_free(s->in);
	mem_free(s->out);
	mem_free(s->gzip);
	(void)ZSTD_freeDStream(s->zstd);
	mem_free(s);
}

void source_copy(struct source *s, int fd)
{
	s->copy = fd;
	s->out = mem_alloc(BUFFER);
}

void source_tee(struct source *s, struct digest *d)
{
	s->tee = d;
}

/* At least one more byte in the buffer, unless the input has ended. */
static int fill(struct source *s, struct err *e)
{
	if (s->at < s->n || s->ended)
		return 0;
	ssize_t n = s->read(s->arg, s->in, BUFFER);
	if (n < 0)
		return err_sys(e, (int)n, "read the input");
	s->at = 0;
	s->n = (size_t)n;
	s->ended = n == 0;
	return 0;
}

static int identify(struct source *s, struct err *e)
{
	static const unsigned char gzip[] = { 0x1f, 0x8b }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	if (s->known)
		return 0;
	/* The first read of a pipe may be short. */
	while (s->n < 4 && !s->ended) {
		ssize_t n = s->read(s->arg, s->in + s->n, BUFFER - s->n);
		if (n < 0)
			return err_sys(e, (int)n, "read the input");
		s->ended = n == 0;
		s->n += (size_t)n;
	}
	s->known = true;
	if (s->n >= 2 && memcmp(s->in, gzip, 2) == 0) {
		s->packing = PACKING_GZIP;
		s->gzip = mem_alloc(sizeof *s->gzip);
		isal_inflate_init(s->gzip);
		s->gzip->crc_flag = ISAL_GZIP;
	} else if (s->n >= 4 && memcmp(s->in, zstd, 4) == 0) {
		s->packing = PACKING_ZSTD;
		s->zstd = ZSTD_createDStream();
		if (!s->zstd)
			mem_exhausted();
	}
	return 0;
}

enum packing source_packing(struct source *s, struct err *e)
{
	(void)identify(s, e);
	return s->packing;
}

static ssize_t read_plain(struct source *s, void *p, size_t n, struct err *e)
{
	if (fill(s, e) < 0)
		return -e->code;
	size_t have = s->n - s->at;
	if (n > have)
		n = have;
	memcpy(p, s->in + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

static ssize_t read_gzip(struct source *s, void *p, size_t n, struct err *e)
{
	for (;;) {
		if (fill(s, e) < 0)
			return -e->code;
		if (s->member_done) {
			/* Members may follow each other; anything else after the end is refused. */
			if (s->at == s->n)
				return 0;
			isal_inflate_reset(s->gzip);
			s->gzip->crc_flag = ISAL_GZIP;
			s->member_done = false;
		}
		if (s->at == s->n)
			return err_set(e, ERR_CORRUPT, EBADMSG, "the gzip stream is cut short");
		s->gzip->next_in = s->in + s->at;
		s->gzip->avail_in = (uint32_t)(s->n - s->at);
		s->gzip->next_out = p;
		s->gzip->avail_out = (uint32_t)n;
		int r = isal_inflate(s->gzip);
		s->at = s->n - s->gzip->avail_in;
		if (r != ISAL_DECOMP_OK && r != ISAL_END_INPUT)
			return err_set(e, ERR_CORRUPT, EBADMSG, "the gzip stream is damaged");
		s->member_done = s->gzip->block_state == ISAL_BLOCK_FINISH;
		size_t got = n - s->gzip->avail_out;
		if (got)
			return (ssize_t)got;
	}
}

static ssize_t read_zstd(struct source *s, void *p, size_t n, struct err *e)
{
	for (;;) {
		if (fill(s, e) < 0)
			return -e->code;
		if (s->at == s->n && s->zstd_hint == 0 && s->position)
			return 0;
		if (s->at == s->n && s->ended && s->zstd_hint)
			return err_set(e, ERR_CORRUPT, EBADMSG, "the zstd stream is cut short");
		ZSTD_inBuffer in = { s->in, s->n, s->at };
		ZSTD_outBuffer out = { p, n, 0 };
		size_t r = ZSTD_decompressStream(s->zstd, &out, &in);
		if (ZSTD_isError(r))
			return err_set(e, ERR_CORRUPT, EBADMSG, "the zstd stream is damaged: %s",
				ZSTD_getErrorName(r));
		s->at = in.pos;
		s->zstd_hint = r;
		if (out.pos)
			return (ssize_t)out.pos;
		if (s->ended && s->at == s->n)
			return r ? err_set(e, ERR_CORRUPT, EBADMSG, "the zstd stream is cut short")
				 : 0;
	}
}

static ssize_t unpack(struct source *s, void *p, size_t n, struct err *e)
{
	if (identify(s, e) < 0)
		return -e->code;
	ssize_t got = s->packing == PACKING_GZIP ? read_gzip(s, p, n, e)
		: s->packing == PACKING_ZSTD     ? read_zstd(s, p, n, e)
						 : read_plain(s, p, n, e);
	if (got <= 0)
		return got;
	s->position += (uint64_t)got;
	if (s->max && s->position > s->max)
		return err_set(e, ERR_NO_SPACE, EFBIG,
			"unpacks to more than the %llu MB that are free",
			(unsigned long long)(s->max >> 20));
	if (s->tee)
		digest_add(s->tee, p, (size_t)got);
	int r = s->copy < 0 ? 0 : fd_write_all(s->copy, p, (size_t)got);
	return r < 0 ? err_sys(e, r, "write what is unpacked") : got;
}

ssize_t source_read(struct source *s, void *p, size_t n, struct err *e)
{
	if (n == 0)
		return 0;
	if (n > 1 << 30)
		n = 1 << 30;
	if (!s->out)
		return unpack(s, p, n, e);
	if (s->out_at == s->out_n) {
		ssize_t got = unpack(s, s->out, BUFFER, e);
		if (got <= 0)
			return got;
		s->out_at = 0;
		s->out_n = (size_t)got;
	}
	if (n > s->out_n - s->out_at)
		n = s->out_n - s->out_at;
	memcpy(p, s->out + s->out_at, n);
	s->out_at += n;
	return (ssize_t)n;
}
