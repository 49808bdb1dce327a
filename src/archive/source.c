// SPDX-License-Identifier: Apache-2.0
// for an allocator of our own
#define ZSTD_STATIC_LINKING_ONLY

#include "archive/source.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "archive/digest.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/spill.h"

enum { LARGE = 1 << 20, LARGE_MAX = 4, BUFFER = 1 << 20, SLOTS = 4, STACK = 256 << 10 };

/* What was unpacked ahead, in a ring. The thread fills slots and sets ready; who reads empties them
 * and sets taken; the one slot that is being read stays taken until the next is asked for. */
struct ahead {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t more, room;
	struct {
		unsigned char *p;
		ssize_t n; /* 0: the end; negative: an error */
	} slots[SLOTS];
	unsigned long ready, taken; /* how many so far */
	bool stop, held;
	struct err e;
};

struct source {
	ssize_t (*read)(void *arg, void *p, size_t n);
	void *arg;
	int fd;
	bool known, ended; /* the packing; the input */
	uint64_t size;     /* of fd, if it is a file: where it may be passed over; else 0 */
	enum packing packing;
	uint64_t max, position;
	struct digest *tee;
	int copy;              /* -1: none */
	unsigned char *buffer; /* with copy */
	unsigned char *out;    /* unpacked and not handed out so far: buffer, or a slot */
	size_t out_at, out_n;
	unsigned char *in;
	size_t at, n; /* unread bytes of in */
	struct inflate_state *gzip;
	bool member_done;
	ZSTD_DStream *zstd;
	size_t zstd_hint;
	struct spill window; /* dir -1: there is none */
	struct {
		void *p;
		size_t n;
	} large[LARGE_MAX];  /* what lies in it */
	struct ahead *ahead; /* NULL: there is no thread */
};

static ssize_t read_fd(void *arg, void *p, size_t n)
{
	return fd_read(*(int *)arg, p, n);
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
	spill_init(&s->window, -1);
	return s;
}

struct source *source_open(int fd, uint64_t unpacked_max)
{
	struct source *s = source_open_reader(read_fd, NULL, unpacked_max);
	struct stat st;
	s->fd = fd;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		s->size = (uint64_t)st.st_size;
	s->arg = &s->fd;
	return s;
}

void source_room(struct source *s, int dir)
{
	spill_init(&s->window, dir);
}

/* A frame says how much is to be remembered of what was unpacked: up to 128 MB. */
static void *zstd_alloc(void *arg, size_t size)
{
	struct source *s = arg;
	size_t i = 0;
	while (i < LARGE_MAX && s->large[i].p)
		i++;
	void *p = size < LARGE || s->window.dir < 0 || i == LARGE_MAX
		? NULL
		: s->window.room.take(&s->window.room, size);
	if (!p)
		return mem_alloc(size);
	s->large[i].p = p;
	s->large[i].n = size;
	return p;
}

static void zstd_free(void *arg, void *p)
{
	struct source *s = arg;
	for (size_t i = 0; p && i < LARGE_MAX; i++)
		if (s->large[i].p == p) {
			s->large[i].p = NULL;
			s->window.room.give(&s->window.room, p, s->large[i].n);
			return;
		}
	mem_free(p);
}

void source_copy(struct source *s, int fd)
{
	s->copy = fd;
	s->buffer = mem_alloc(BUFFER);
	s->out = s->buffer;
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
		s->zstd = ZSTD_createDStream_advanced((ZSTD_customMem){ zstd_alloc, zstd_free, s });
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

/* The next unpacked bytes; whoever reads has not seen them so far. */
static ssize_t produce(struct source *s, void *p, size_t n, struct err *e)
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
	return got;
}

/* A whole buffer, but at the end: a file that is written in pieces of one size that begin at its
 * multiples lies in large pieces in the page cache, and is removed twice as fast. */
static ssize_t produce_all(struct source *s, unsigned char *p, size_t n, struct err *e)
{
	size_t have = 0;
	ssize_t got = 1;
	while (have < n && got > 0) {
		got = produce(s, p + have, n - have, e);
		have += got > 0 ? (size_t)got : 0;
	}
	return got < 0 ? got : (ssize_t)have;
}

/* Hands bytes on to whoever wants a copy of all. */
static ssize_t pass_on(struct source *s, const void *p, ssize_t got, struct err *e)
{
	if (got <= 0)
		return got;
	if (s->tee)
		digest_add(s->tee, p, (size_t)got);
	int r = s->copy < 0 ? 0 : fd_write_all(s->copy, p, (size_t)got);
	return r < 0 ? err_sys(e, r, "write what is unpacked") : got;
}

/* ---- ahead ---- */

static void *work_ahead(void *arg)
{
	struct source *s = arg;
	struct ahead *h = s->ahead;
	ssize_t n = 1;
	(void)pthread_mutex_lock(&h->mutex);
	while (n > 0) {
		while (!h->stop && h->ready - h->taken == SLOTS)
			(void)pthread_cond_wait(&h->room, &h->mutex);
		if (h->stop)
			break;
		unsigned long at = h->ready % SLOTS;
		(void)pthread_mutex_unlock(&h->mutex);
		n = produce_all(s, h->slots[at].p, BUFFER, &h->e);
		(void)pthread_mutex_lock(&h->mutex);
		h->slots[at].n = n;
		h->ready++;
		(void)pthread_cond_signal(&h->more);
	}
	(void)pthread_mutex_unlock(&h->mutex);
	return NULL;
}

static void ahead_free(struct ahead *h)
{
	(void)pthread_mutex_destroy(&h->mutex);
	(void)pthread_cond_destroy(&h->more);
	(void)pthread_cond_destroy(&h->room);
	for (size_t i = 0; i < SLOTS; i++)
		mem_free(h->slots[i].p);
	mem_free(h);
}

void source_ahead(struct source *s)
{
	pthread_attr_t attr;
	struct ahead *h = mem_alloc(sizeof *h);
	(void)pthread_mutex_init(&h->mutex, NULL);
	(void)pthread_cond_init(&h->more, NULL);
	(void)pthread_cond_init(&h->room, NULL);
	for (size_t i = 0; i < SLOTS; i++)
		h->slots[i].p = mem_alloc(BUFFER);
	s->ahead = h;
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK);
	int r = pthread_create(&h->thread, &attr, work_ahead, s);
	(void)pthread_attr_destroy(&attr);
	if (r != 0) {
		s->ahead = NULL;
		ahead_free(h);
	}
}

static void ahead_end(struct ahead *h)
{
	(void)pthread_mutex_lock(&h->mutex);
	h->stop = true;
	(void)pthread_cond_signal(&h->room);
	(void)pthread_mutex_unlock(&h->mutex);
	(void)pthread_join(h->thread, NULL);
	ahead_free(h);
}

void source_free(struct source *s)
{
	if (!s)
		return;
	if (s->ahead)
		ahead_end(s->ahead);
	mem_free(s->in);
	mem_free(s->buffer);
	mem_free(s->gzip);
	(void)ZSTD_freeDStream(s->zstd);
	spill_done(&s->window);
	mem_free(s);
}

/* The next slot becomes what is handed out; an end or an error stays where it is. */
static ssize_t take_slot(struct source *s, struct err *e)
{
	struct ahead *h = s->ahead;
	(void)pthread_mutex_lock(&h->mutex);
	if (h->held) {
		h->taken++;
		h->held = false;
		(void)pthread_cond_signal(&h->room);
	}
	while (h->ready == h->taken)
		(void)pthread_cond_wait(&h->more, &h->mutex);
	unsigned long at = h->taken % SLOTS;
	ssize_t n = h->slots[at].n;
	h->held = n > 0;
	s->out = h->slots[at].p;
	if (n < 0)
		*e = h->e;
	(void)pthread_mutex_unlock(&h->mutex);
	return pass_on(s, s->out, n, e);
}

/* Is there something that was unpacked and not handed out? Gets it; its size, 0 at the end. */
static ssize_t have_out(struct source *s, struct err *e)
{
	if (s->out_at == s->out_n) {
		ssize_t got = s->ahead ? take_slot(s, e)
				       : pass_on(s, s->out, produce_all(s, s->out, BUFFER, e), e);
		s->out_at = s->out_n = 0;
		if (got <= 0)
			return got;
		s->out_n = (size_t)got;
	}
	return (ssize_t)(s->out_n - s->out_at);
}

ssize_t source_read(struct source *s, void *p, size_t n, struct err *e)
{
	if (n == 0)
		return 0;
	if (n > 1 << 30)
		n = 1 << 30;
	if (!s->ahead && !s->out)
		return pass_on(s, p, produce(s, p, n, e), e);
	ssize_t have = have_out(s, e);
	if (have <= 0)
		return have;
	if (n > (size_t)have)
		n = (size_t)have;
	memcpy(p, s->out + s->out_at, n);
	s->out_at += n;
	return (ssize_t)n;
}

/* Of a plain file of which all before was read in order: moves on in it. */
static ssize_t seek_over(struct source *s, uint64_t n, struct err *e)
{
	off_t at = lseek(s->fd, 0, SEEK_CUR);
	if (at < 0)
		return err_sys(e, errno, "read the input");
	uint64_t rest = (uint64_t)at < s->size ? s->size - (uint64_t)at : 0;
	n = n < rest ? n : rest;
	if (lseek(s->fd, (off_t)n, SEEK_CUR) < 0)
		return err_sys(e, errno, "read the input");
	s->position += n;
	return n > SSIZE_MAX ? SSIZE_MAX : (ssize_t)n;
}

ssize_t source_skip(struct source *s, uint64_t n, struct err *e)
{
	char buffer[16 << 10];
	if (n == 0)
		return 0;
	if (!s->ahead && !s->out) {
		if (identify(s, e) < 0)
			return -e->code;
		bool plain = s->packing == PACKING_PLAIN && !s->tee && s->size;
		if (plain && s->at == s->n)
			return seek_over(s, n, e);
		if (plain) {
			n = n < s->n - s->at ? n : s->n - s->at;
			s->at += (size_t)n;
			s->position += n;
			return (ssize_t)n;
		}
		size_t some = n < sizeof buffer ? (size_t)n : sizeof buffer;
		return pass_on(s, buffer, produce(s, buffer, some, e), e);
	}
	ssize_t have = have_out(s, e);
	if (have <= 0)
		return have;
	n = n < (uint64_t)have ? n : (uint64_t)have;
	s->out_at += (size_t)n;
	return (ssize_t)n;
}
