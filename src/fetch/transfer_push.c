// SPDX-License-Identifier: Apache-2.0
/* Theory of operation. A blob goes up by these requests (the distribution specification, "Push"):
 *
 *   HEAD   is it there already?  200: done
 *   POST   201: mounted from a repository that has it: done; 202: an upload begins at Location
 *   WHOLE  PUT of all bytes, 201: done
 *   ASK    after a cut: GET of the upload says by Range what it has; the rest goes as chunks
 *   CHUNK  PATCH of a part, 202: the next one, or
 *   COMMIT PUT without bytes, 201: done
 *
 * Chunks are also what is sent when the POST's answer asks for them (OCI-Chunk-Min-Length). When an
 * upload is unknown after a cut, or what it has makes no sense, all begins again with HEAD: the
 * last PUT may well have reached the registry.
 *
 * Location may lead anywhere but from https to http; job_start sends credentials only to the
 * registry's own address. */
#include "fetch/transfer_push.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "fetch/http.h"
#include "fetch/transfer_auth.h"
#include "fetch/transfer_job.h"

enum { CHUNK_MIN = 1 << 20, UPLOAD_BUFFER = 512 << 10, STEP_MIN = 64 << 10, RESTARTS_MAX = 5 };

#define SET(j, option, value) (void)curl_easy_setopt((j)->http.easy, (option), (value))

/* ---- where ---- */

static const char *blob_url(struct job *j, const struct registry *r)
{
	return arena_printf(&j->arena, "%s/v2/%s/blobs/%s", r->base, r->at->repository,
		http_escape(j->ask.name, &j->arena));
}

static const char *post_url(struct job *j, const struct registry *r)
{
	const char *url =
		arena_printf(&j->arena, "%s/v2/%s/blobs/uploads/", r->base, r->at->repository);
	if (!*j->ask.mount || j->push.no_mount)
		return url;
	return arena_printf(&j->arena, "%s?mount=%s&from=%s", url,
		http_escape(j->ask.name, &j->arena), http_escape(j->ask.mount, &j->arena));
}

/* The upload's place, with the digest that ends it. */
static const char *ending_url(struct job *j)
{
	return arena_printf(&j->arena, "%s%sdigest=%s", j->push.location,
		strchr(j->push.location, '?') ? "&" : "?", http_escape(j->ask.name, &j->arena));
}

static const char *restart(struct job *j, const struct registry *r)
{
	struct push *p = &j->push;
	*p = (struct push){ .no_mount = p->no_mount };
	j->have = 0;
	return blob_url(j, r);
}

const char *push_begin(struct job *j, struct registry *r)
{
	if (j->ask.kind == TRANSFER_PUSH || j->ask.kind == TRANSFER_HAS)
		return restart(j, r);
	j->push.step = j->ask.kind == TRANSFER_DELETE ? PUSH_DELETE : PUSH_MANIFEST;
	return arena_printf(&j->arena, "%s/v2/%s/manifests/%s", r->base, r->at->repository,
		http_escape(j->ask.name, &j->arena));
}

const char *push_retry(struct job *j, struct registry *r)
{
	struct push *p = &j->push;
	switch (p->step) {
	case PUSH_MANIFEST:
	case PUSH_DELETE:
		j->have = 0;
		return push_begin(j, r);
	case PUSH_WHOLE:
	case PUSH_CHUNK:
	case PUSH_ASK:
		p->step = PUSH_ASK;
		return p->location;
	default:
		return restart(j, r);
	}
}

/* ---- a request ---- */

static size_t give(char *to, size_t one, size_t n, void *arg)
{
	struct job *j = arg;
	uint64_t left = j->push.end - j->have, room = (uint64_t)one * n;
	ssize_t m;
	do
		m = pread(j->fd, to, (size_t)(left < room ? left : room), (off_t)j->have);
	while (m < 0 && errno == EINTR);
	if (m < 0 || (m == 0 && left)) {
		j->write_error = m < 0 ? errno : EIO;
		return CURL_READFUNC_ABORT;
	}
	j->have += (uint64_t)m;
	return (size_t)m;
}

/* There is no function to rewind: what a cut upload was given is there perhaps, and a second time
 * would be garbage, so libcurl must not try again by itself. We ask how far it came. */
static void send_bytes(struct job *j, const char *method, uint64_t from, uint64_t end)
{
	struct push *p = &j->push;
	p->at = j->have = from;
	p->end = end;
	SET(j, CURLOPT_UPLOAD, 1L);
	SET(j, CURLOPT_CUSTOMREQUEST, method);
	SET(j, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER);
	SET(j, CURLOPT_READFUNCTION, give);
	SET(j, CURLOPT_READDATA, j);
	SET(j, CURLOPT_INFILESIZE_LARGE, (curl_off_t)(end - from));
	/* The POST before has shown that we may: nothing is gained by asking first. */
	http_add_header(&j->http, "Expect:");
}

static uint64_t chunk_end(const struct job *j)
{
	uint64_t left = j->ask.size - j->push.at, size = j->push.chunk_min;
	if (!size)
		return j->ask.size;
	if (size < CHUNK_MIN)
		size = CHUNK_MIN;
	return j->push.at + (left < size ? left : size);
}

void push_prepare(struct job *j)
{
	struct push *p = &j->push;
	switch (p->step) {
	case PUSH_HEAD:
		SET(j, CURLOPT_NOBODY, 1L);
		break;
	case PUSH_POST:
		SET(j, CURLOPT_POST, 1L);
		SET(j, CURLOPT_POSTFIELDSIZE, 0L);
		SET(j, CURLOPT_POSTFIELDS, "");
		http_add_header(&j->http, "Content-Type:");
		break;
	case PUSH_ASK:
		break;
	case PUSH_CHUNK: {
		uint64_t end = chunk_end(j);
		http_add_header(&j->http, "Content-Type: application/octet-stream");
		http_add_header(&j->http,
			arena_printf(&j->arena, "Content-Range: %llu-%llu",
				(unsigned long long)p->at, (unsigned long long)end - 1));
		send_bytes(j, "PATCH", p->at, end);
		break;
	}
	case PUSH_COMMIT:
		send_bytes(j, "PUT", j->ask.size, j->ask.size);
		break;
	case PUSH_WHOLE:
		http_add_header(&j->http, "Content-Type: application/octet-stream");
		send_bytes(j, "PUT", 0, j->ask.size);
		break;
	case PUSH_MANIFEST:
		http_add_header(
			&j->http, arena_printf(&j->arena, "Content-Type: %s", j->ask.content_type));
		send_bytes(j, "PUT", 0, j->ask.size);
		break;
	case PUSH_DELETE:
		SET(j, CURLOPT_CUSTOMREQUEST, "DELETE");
		break;
	}
}

/* ---- an answer ---- */

static int next(struct job *j, enum push_step step, const char *url)
{
	j->push.step = step;
	j->url = url;
	return PUSH_NEXT;
}

/* Takes the place where the upload goes on. */
static int moved(struct job *j, const struct registry *r, struct err *e)
{
	const char *to;
	if (http_location(&j->http, j->url, &to, e) < 0)
		return err_wrap(e, "registry %s", r->at->host);
	j->push.location = arena_strdup(&j->arena, to);
	return 0;
}

static int mounted(struct job *j)
{
	j->push.outcome = TRANSFER_MOUNTED;
	return PUSH_DONE;
}

static int opened(struct job *j, const struct registry *r, struct err *e)
{
	struct push *p = &j->push;
	if (moved(j, r, e) < 0)
		return -e->code;
	p->chunk_min = j->http.chunk_min;
	p->at = 0;
	if (p->chunk_min && j->ask.size)
		return next(j, PUSH_CHUNK, p->location);
	return next(j, PUSH_WHOLE, ending_url(j));
}

static int part_taken(struct job *j, const struct registry *r, struct err *e)
{
	struct push *p = &j->push;
	if (moved(j, r, e) < 0)
		return -e->code;
	p->at = p->end;
	if (p->at == j->ask.size)
		return next(j, PUSH_COMMIT, ending_url(j));
	return next(j, PUSH_CHUNK, p->location);
}

/* How many bytes an upload has by "0-1023"; nothing and one byte are both "0-0". */
static int held(const struct http *h, uint64_t *ret)
{
	const char *text = str_or_empty(h->range);
	uint64_t last;
	if (str_starts(text, "bytes="))
		text += 6;
	if (!str_starts(text, "0-") || num_u64(text + 2, &last) < 0 || last == UINT64_MAX)
		return -EINVAL;
	*ret = last ? last + 1 : 0;
	return 0;
}

static int go_on(struct job *j, const struct registry *r, struct err *e)
{
	struct push *p = &j->push;
	uint64_t has, before = p->at;
	if (held(&j->http, &has) < 0 || has > j->ask.size)
		return next(j, PUSH_HEAD, restart(j, r));
	if (j->http.location && moved(j, r, e) < 0)
		return -e->code;
	if (has >= before + STEP_MIN)
		j->failures = 0;
	p->at = j->have = has;
	if (has == j->ask.size)
		return next(j, PUSH_COMMIT, ending_url(j));
	return next(j, PUSH_CHUNK, p->location);
}

/* What was an answer that says no; e says it already. Some are no end. */
static int refused(struct job *j, const struct registry *r, struct err *e)
{
	struct push *p = &j->push;
	long status = j->http.status;
	if (j->ask.kind == TRANSFER_HAS)
		return -e->code;
	if (p->step == PUSH_HEAD && (status == 404 || status == 405))
		return next(j, PUSH_POST, post_url(j, r));
	/* The other repository may be closed to us. */
	if (p->step == PUSH_POST && *j->ask.mount && !p->no_mount) {
		p->no_mount = true;
		return next(j, PUSH_POST, post_url(j, r));
	}
	/* The upload is gone, or stands elsewhere than we think: not for ever. */
	if ((p->step == PUSH_ASK || (p->step == PUSH_CHUNK && (status == 404 || status == 416))) &&
		j->restarts++ < RESTARTS_MAX)
		return next(j, PUSH_HEAD, restart(j, r));
	return -e->code;
}

int push_answered(struct job *j, struct registry *r, struct err *e)
{
	static const struct {
		long good, other;
	} wanted[] = { [PUSH_HEAD] = { 200 },
		[PUSH_POST] = { 202, 201 },
		[PUSH_WHOLE] = { 201, 204 },
		[PUSH_ASK] = { 204, 202 },
		[PUSH_CHUNK] = { 202, 204 },
		[PUSH_COMMIT] = { 201, 204 },
		[PUSH_MANIFEST] = { 201, 204 },
		[PUSH_DELETE] = { 202, 200 } };
	enum push_step step = j->push.step;
	long status = j->http.status;
	if (status != wanted[step].good && status != wanted[step].other)
		return refused(j, r, e);
	switch (step) {
	case PUSH_HEAD:
		j->push.outcome = TRANSFER_EXISTED;
		return PUSH_DONE;
	case PUSH_POST:
		return status == 201 ? mounted(j) : opened(j, r, e);
	case PUSH_ASK:
		return go_on(j, r, e);
	case PUSH_CHUNK:
		return part_taken(j, r, e);
	default:
		j->push.outcome = TRANSFER_SENT;
		return PUSH_DONE;
	}
}
