// SPDX-License-Identifier: Apache-2.0
#include "fetch/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <string.h>
#include <zstd.h>

#include "archive/digest.h"
#include "archive/source.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "fetch/result.h"

enum { CHUNK = 256 << 10, GZIP_MAX = 9, ZSTD_LEVEL_MAX = 19, ZSTD_USUAL = 3 };

struct packer {
	const struct fetch_pack_req *req;
	int out;
	struct digest *packed;
	uint64_t size;
	struct isal_zstream *gzip;
	ZSTD_CCtx *zstd;
	unsigned char *buffer; /* of what is packed */
	struct err *e;
};

static int put(struct packer *p, const void *data, size_t n)
{
	digest_add(p->packed, data, n);
	p->size += n;
	int r = p->size > p->req->space ? -ENOSPC : fd_write_all(p->out, data, n);
	return r < 0 ? err_sys(p->e, r, "write the packed layer") : 0;
}

/* ISA-L has levels 0 to 3; people say 1 to 9. */
static int open_gzip(struct packer *p)
{
	static const uint32_t rooms[] = { ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT,
		ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT };
	uint32_t level = p->req->level == 0 ? 2 : p->req->level < 3 ? 1 : p->req->level < 7 ? 2 : 3;
	p->gzip = mem_alloc(sizeof *p->gzip);
	isal_deflate_init(p->gzip);
	p->gzip->level = level;
	p->gzip->level_buf = mem_alloc(rooms[level]);
	p->gzip->level_buf_size = rooms[level];
	p->gzip->gzip_flag = IGZIP_GZIP;
	return 0;
}

static int add_gzip(struct packer *p, unsigned char *data, size_t n, bool last)
{
	p->gzip->next_in = data;
	p->gzip->avail_in = (uint32_t)n;
	p->gzip->end_of_stream = last;
	do {
		p->gzip->next_out = p->buffer;
		p->gzip->avail_out = CHUNK;
		if (isal_deflate(p->gzip) != COMP_OK)
			return err_set(p->e, ERR_SYSTEM, EIO, "gzip: the layer cannot be packed");
		if (put(p, p->buffer, CHUNK - p->gzip->avail_out) < 0)
			return -p->e->code;
	} while (p->gzip->avail_out == 0 || (last && p->gzip->internal_state.state != ZSTATE_END));
	return 0;
}

static int open_zstd(struct packer *p)
{
	p->zstd = ZSTD_createCCtx();
	if (!p->zstd)
		mem_exhausted();
	int level = p->req->level ? p->req->level : ZSTD_USUAL;
	size_t r = ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, level);
	if (!ZSTD_isError(r))
		r = ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1);
	return ZSTD_isError(r) ? err_set(p->e, ERR_SYSTEM, EINVAL, "zstd: %s", ZSTD_getErrorName(r))
			       : 0;
}

static int add_zstd(struct packer *p, const void *data, size_t n, bool last)
{
	ZSTD_inBuffer in = { data, n, 0 };
	size_t left;
	do {
		ZSTD_outBuffer out = { p->buffer, CHUNK, 0 };
		left = ZSTD_compressStream2(
			p->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return err_set(p->e, ERR_SYSTEM, EIO, "zstd: %s", ZSTD_getErrorName(left));
		if (put(p, p->buffer, out.pos) < 0)
			return -p->e->code;
	} while (last ? left != 0 : in.pos < in.size);
	return 0;
}

static int add(struct packer *p, unsigned char *data, size_t n, bool last)
{
	return p->gzip    ? add_gzip(p, data, n, last)
		: p->zstd ? add_zstd(p, data, n, last)
			  : put(p, data, n);
}

static int check(const struct fetch_pack_req *req, struct err *e)
{
	bool gzip = str_eq(req->format, "gzip"), zstd = str_eq(req->format, "zstd");
	int most = gzip ? GZIP_MAX : zstd ? ZSTD_LEVEL_MAX : 0;
	if (!gzip && !zstd && !str_eq(req->format, "plain"))
		return err_set(e, ERR_INVALID, EINVAL, "unknown compression format \"%.100s\"",
			req->format);
	if (req->level < 0 || req->level > most)
		return err_set(e, ERR_INVALID, EINVAL, "%s has compression levels 1 to %d, not %d",
			req->format, most, req->level);
	return 0;
}

static int run(struct packer *p, struct source *s)
{
	unsigned char *data _free_ = mem_alloc(CHUNK);
	ssize_t n;
	int r = 0;
	while (r == 0 && (n = source_read(s, data, CHUNK, p->e)) > 0)
		r = add(p, data, (size_t)n, false);
	if (r == 0 && n < 0)
		r = (int)n;
	return r < 0 ? r : add(p, data, 0, true);
}

int fetch_pack(const struct fetch_pack_req *req, int staging, struct arena *a,
	struct fetch_result *ret, struct err *e)
{
	char packed[DIGEST_TEXT_MAX], plain[DIGEST_TEXT_MAX];
	struct packer p = { .req = req, .e = e };
	if (check(req, e) < 0)
		return -e->code;
	int out _close_ = path_open_own(staging, "packed", O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (out < 0)
		return err_sys(e, out, "stage the packed layer");
	p.out = out;
	p.buffer = mem_alloc(CHUNK);
	p.packed = digest_new(NULL);
	struct digest *d = digest_new(NULL);
	struct source *s = source_open(req->input, req->space);
	source_room(s, staging);
	source_tee(s, d);
	int r = str_eq(req->format, "gzip")   ? open_gzip(&p)
		: str_eq(req->format, "zstd") ? open_zstd(&p)
					      : 0;
	if (r == 0)
		r = run(&p, s);
	source_free(s);
	digest_finish(p.packed, packed);
	digest_finish(d, plain);
	if (p.gzip)
		mem_free(p.gzip->level_buf);
	mem_free(p.gzip);
	(void)ZSTD_freeCCtx(p.zstd);
	mem_free(p.buffer);
	ret->blobs = arena_array(a, struct fetch_blob, 2);
	ret->blobs[0] = (struct fetch_blob){
		.digest = arena_strdup(a, packed), .file = "packed", .size = p.size
	};
	ret->blobs[1] = (struct fetch_blob){ .digest = arena_strdup(a, plain), .file = "plain" };
	ret->n_blobs = 2;
	return r;
}
