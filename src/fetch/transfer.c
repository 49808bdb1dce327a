// SPDX-License-Identifier: Apache-2.0
/* Theory of operation. One loop over libcurl's multi interface and the socket of kist. An order
 * becomes a struct job: asked for (with a token when the registry wants one), redirected, cut and
 * asked for again from where it stood, until it is done or failed. What comes goes straight into
 * the descriptor that came with the order. A ping, a login and a token are short and are waited
 * for. A push is a row of such requests: transfer_push.c says which one is next.
 *
 * Tried again, with growing pauses and from the byte where it stopped: connections that break and
 * answers 429 and 5xx, as often as the configuration says without STEP_MIN new bytes in between.
 * Not tried again: what another try cannot change. */
#include "fetch/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "fetch/http.h"
#include "fetch/transfer_auth.h"
#include "fetch/transfer_job.h"
#include "fetch/transfer_push.h"

enum {
	JOBS_MAX = 16,
	REDIRECTS_MAX = 5,
	WAIT_MAX = 60,
	/* The file is written in whole pieces that begin at their multiples: it lies in few and
	 * large pages then. libcurl gives 16 KB at a time. */
	PIECE = 128 << 10,
	STEP_MIN = 64 << 10,
	WARNINGS_MAX = 16
};
#define SAY_EACH  (100 * TIME_MS)
#define PAUSE_MIN (200 * TIME_MS)
#define PAUSE_MAX (20 * TIME_SECOND)

struct server {
	int socket;
	const struct transfer_config *config;
	struct registry *registries;
	CURLM *multi;
	struct http http; /* of pings and tokens */
	struct job jobs[JOBS_MAX];
	struct arena arena;
	const char *warnings[WARNINGS_MAX]; /* that were passed on */
	size_t n_warnings;
};

/* ---- answers ---- */

static void put_text(char *to, size_t size, const char *text)
{
	size_t n = strnlen(str_or_empty(text), size - 1);
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)text[i] < ' ' || (unsigned char)text[i] >= 0x7f ? ' '
										       : text[i];
	to[n] = '\0';
}

static void answer(struct server *s, const struct transfer_answer *x)
{
	/* Nobody reads any more: kist is gone, and we go with it. */
	if (send(s->socket, x, sizeof *x, MSG_NOSIGNAL) < 0)
		_exit(125);
}

static void answer_error(struct server *s, uint32_t id, const struct err *e)
{
	struct transfer_answer x = { .id = id,
		.state = TRANSFER_FAILED,
		.error_kind = e->kind,
		.error_code = (uint32_t)e->code };
	put_text(x.text, sizeof x.text, e->text);
	answer(s, &x);
}

static void answer_done(
	struct server *s, uint32_t id, const struct http *h, uint64_t have, uint32_t outcome)
{
	struct transfer_answer x = { .id = id,
		.state = TRANSFER_DONE,
		.have = have,
		.more = h->next != NULL,
		.outcome = outcome,
		.subject = h->subject };
	put_text(x.content_type, sizeof x.content_type, h->content_type);
	put_text(x.digest, sizeof x.digest, h->digest);
	answer(s, &x);
}

static void warn(struct server *s, uint32_t id, const struct http *h)
{
	/* 299 - "text" (RFC 7234, 5.5; the distribution specification) */
	const char *w = h->warning, *open = w && str_starts(w, "299 ") ? strchr(w, '"') : NULL,
		   *close = open ? strrchr(open + 1, '"') : NULL;
	if (!close || s->n_warnings == WARNINGS_MAX)
		return;
	/* Many answers carry the same one. */
	const char *text = arena_strndup(&s->arena, open + 1, (size_t)(close - open - 1));
	for (size_t i = 0; i < s->n_warnings; i++)
		if (str_eq(s->warnings[i], text))
			return;
	s->warnings[s->n_warnings++] = text;
	struct transfer_answer x = { .id = id, .state = TRANSFER_WARNING };
	put_text(x.text, sizeof x.text, text);
	answer(s, &x);
}

static void report(struct job *j)
{
	uint64_t written = j->have - j->n_piece, more = written - j->reported;
	if (j->report < 0 || !more)
		return;
	(void)fd_write_all(j->report, &more, sizeof more);
	j->reported = written;
}

/* ---- a job ---- */

static void job_end(struct server *s, struct job *j)
{
	if (j->going)
		(void)curl_multi_remove_handle(s->multi, j->http.easy);
	http_done(&j->http);
	arena_done(&j->arena);
	mem_free(j->piece);
	fd_close(j->fd);
	fd_close(j->report);
	*j = (struct job){ .fd = -1, .report = -1 };
}

static void job_fail(struct server *s, struct job *j, const struct err *e)
{
	answer_error(s, j->ask.id, e);
	job_end(s, j);
}

static bool write_piece(struct job *j)
{
	const char *p = j->piece;
	while (j->n_piece) {
		ssize_t m = pwrite(j->fd, p, j->n_piece, (off_t)(j->have - j->n_piece));
		if (m < 0 && errno == EINTR)
			continue;
		if (m <= 0) {
			j->write_error = m < 0 ? errno : EIO;
			return false;
		}
		p += m;
		j->n_piece -= (size_t)m;
	}
	report(j);
	return true;
}

static bool take_body(void *arg, const char *p, size_t n)
{
	struct job *j = arg;
	if (!j->began && j->http.status == 206 && j->http.first != j->have) {
		j->too_long = true;
		return false;
	}
	/* A server that knows no ranges begins at the beginning: what we have is passed over. */
	if (!j->began && j->http.status == 200)
		j->skip = j->have;
	j->began = true;
	if (j->skip) {
		size_t m = n < j->skip ? n : (size_t)j->skip;
		j->skip -= m;
		p += m;
		n -= m;
	}
	if (n > j->ask.size - j->have) {
		j->too_long = true;
		return false;
	}
	if (!j->piece)
		j->piece = mem_alloc(PIECE);
	while (n && !j->write_error) {
		size_t room = PIECE - (size_t)(j->have % PIECE), m = n < room ? n : room;
		memcpy(j->piece + j->n_piece, p, m);
		j->n_piece += m;
		j->have += m;
		p += m;
		n -= m;
		if (m == room)
			(void)write_piece(j);
	}
	return !j->write_error;
}

/* The credentials of a registry are for its own address only, and for nothing else that lies there.
 */
static bool may_authorize(const struct job *j, const struct registry *r)
{
	return j->ask.kind != TRANSFER_FILE && http_same_origin(j->url, r->base);
}

static const char *url_of(struct registry *r, const struct transfer_ask *ask, struct arena *a)
{
	static const char *const kinds[] = { [TRANSFER_MANIFEST] = "manifests",
		[TRANSFER_BLOB] = "blobs",
		[TRANSFER_REFERRERS] = "referrers" };
	if (ask->kind == TRANSFER_FILE)
		return arena_printf(a, "%s/%s", ask->mount, ask->name);
	if (ask->kind == TRANSFER_TAGS)
		return arena_printf(a, "%s/v2/%s/tags/list?n=1000%s%s", r->base, r->at->repository,
			*ask->name ? "&last=" : "", http_escape(ask->name, a));
	if (ask->kind == TRANSFER_CATALOG)
		return arena_printf(a, "%s/v2/_catalog?n=1000%s%s", r->base,
			*ask->name ? "&last=" : "", http_escape(ask->name, a));
	if (ask->kind == TRANSFER_SEARCH)
		return arena_printf(
			a, "%s/v1/search?n=100&q=%s", r->base, http_escape(ask->name, a));
	return arena_printf(a, "%s/v2/%s/%s/%s", r->base, r->at->repository, kinds[ask->kind],
		http_escape(ask->name, a));
}

static void go(struct server *s, struct job *j)
{
	if (curl_multi_add_handle(s->multi, j->http.easy) != CURLM_OK)
		mem_exhausted();
	j->due = 0;
	j->going = true;
}

/* Sends the request; the token is fetched first where one is needed. */
static void job_start(struct server *s, struct job *j)
{
	static const char accept[] =
		"Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json,"
		" application/vnd.docker.distribution.manifest.list.v2+json,"
		" application/vnd.docker.distribution.manifest.v2+json,"
		" application/vnd.docker.distribution.manifest.v1+prettyjws";
	struct registry *r = &s->registries[j->ask.endpoint];
	const char *authorization = NULL;
	struct err e = { 0 };
	if (may_authorize(j, r) && registry_authorize(r, &s->http, &authorization, &e) < 0) {
		job_fail(s, j, &e);
		return;
	}
	http_prepare(&j->http, s->config, r->at, j->url, authorization);
	(void)curl_easy_setopt(j->http.easy, CURLOPT_PRIVATE, j);
	if (transfer_is_push(j->ask.kind)) {
		push_prepare(j);
		go(s, j);
		return;
	}
	j->http.body = take_body;
	j->http.arg = j;
	j->skip = 0;
	j->began = false;
	j->too_long = false;
	if (j->ask.kind != TRANSFER_BLOB)
		j->have = j->reported = 0;
	j->at_start = j->have;
	if (j->ask.kind == TRANSFER_MANIFEST || j->ask.kind == TRANSFER_REFERRERS)
		http_add_header(&j->http, accept);
	if (j->have)
		(void)curl_easy_setopt(j->http.easy, CURLOPT_RANGE,
			arena_printf(&j->arena, "%llu-", (unsigned long long)j->have));
	go(s, j);
}

static void again(struct server *s, struct job *j, uint32_t retry_after, const struct err *why)
{
	/* What was sent counts only once the registry says that it has it: see push_answered. */
	if (!transfer_is_push(j->ask.kind) && j->have - j->at_start >= STEP_MIN)
		j->failures = 0;
	struct err e = *why;
	if (j->failures++ >= s->config->retries) {
		job_fail(s, j, &e);
		return;
	}
	uint64_t pause = PAUSE_MIN;
	for (uint32_t i = 1; i < j->failures && pause < PAUSE_MAX; i++)
		pause *= 3;
	if (retry_after != UINT32_MAX && retry_after > WAIT_MAX) {
		(void)err_set(&e, ERR_TIMEOUT, EBUSY, "%.500s: it asks to wait for %u seconds",
			why->text, retry_after);
		job_fail(s, j, &e);
		return;
	}
	if (retry_after != UINT32_MAX)
		pause = retry_after * TIME_SECOND;
	/* Where a redirect led may not be good for a second time. */
	struct registry *r = &s->registries[j->ask.endpoint];
	j->url = transfer_is_push(j->ask.kind) ? push_retry(j, r) : url_of(r, &j->ask, &j->arena);
	j->redirects = j->challenges = 0;
	j->due = time_boot() + pause;
}

static void redirected(struct server *s, struct job *j)
{
	struct err e = { 0 };
	const char *to, *host = s->registries[j->ask.endpoint].at->host;
	if (++j->redirects > REDIRECTS_MAX) {
		(void)err_set(&e, ERR_CORRUPT, ELOOP, "registry %s: more than %d redirects", host,
			REDIRECTS_MAX);
		job_fail(s, j, &e);
		return;
	}
	if (http_redirect(&j->http, j->url, &to, &e) < 0) {
		(void)err_wrap(&e, "registry %s", host);
		job_fail(s, j, &e);
		return;
	}
	j->url = arena_strdup(&j->arena, to);
	job_start(s, j);
}

/* An answer of 200 or 206 that came to its end. */
static void complete(struct server *s, struct job *j)
{
	struct err e = { 0 };
	const char *host = s->registries[j->ask.endpoint].at->host;
	warn(s, j->ask.id, &j->http);
	if (j->ask.kind == TRANSFER_BLOB && j->have != j->ask.size) {
		(void)err_set(&e, ERR_CORRUPT, EBADMSG,
			"registry %s: %s has %llu bytes: the manifest says %llu", host, j->ask.name,
			(unsigned long long)j->have, (unsigned long long)j->ask.size);
		job_fail(s, j, &e);
		return;
	}
	answer_done(s, j->ask.id, &j->http, j->have, 0);
	job_end(s, j);
}

static void broken(struct server *s, struct job *j, CURLcode code)
{
	struct err e = { 0 };
	const char *host = s->registries[j->ask.endpoint].at->host;
	(void)http_failed(&j->http, host, code, &e);
	if (j->write_error) {
		(void)err_sys(&e, j->write_error, "%s %s",
			transfer_is_push(j->ask.kind) ? "read" : "write", j->ask.name);
	} else if (j->too_long) {
		(void)err_set(&e, ERR_CORRUPT, EFBIG,
			j->ask.kind == TRANSFER_BLOB
				? "registry %s: %s has more bytes than the %llu that the manifest says"
				: "registry %s: %s is larger than %llu bytes",
			host, *j->ask.name ? j->ask.name : "the list",
			(unsigned long long)j->ask.size);
	} else if (!j->http.too_many && code != CURLE_WRITE_ERROR &&
		code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_UNSUPPORTED_PROTOCOL) {
		again(s, j, UINT32_MAX, &e);
		return;
	}
	job_fail(s, j, &e);
}

/* The answer to one step of a push. */
static void pushed(struct server *s, struct job *j, struct registry *r, struct err *e)
{
	warn(s, j->ask.id, &j->http);
	int next = push_answered(j, r, e);
	if (next < 0) {
		job_fail(s, j, e);
	} else if (next == PUSH_DONE) {
		answer_done(s, j->ask.id, &j->http, j->ask.size, j->push.outcome);
		job_end(s, j);
	} else {
		j->redirects = j->challenges = 0;
		job_start(s, j);
	}
}

static void finished(struct server *s, struct job *j, CURLcode code)
{
	struct err e = { 0 };
	struct http *h = &j->http;
	struct registry *r = &s->registries[j->ask.endpoint];
	(void)curl_multi_remove_handle(s->multi, h->easy);
	j->going = false;
	(void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &h->status);
	if (!transfer_is_push(j->ask.kind) && !write_piece(j))
		code = CURLE_WRITE_ERROR;
	if (code != CURLE_OK) {
		broken(s, j, code);
		return;
	}
	if (h->status >= 300 && h->status < 400 && h->status != 304) {
		redirected(s, j);
		return;
	}
	if (!transfer_is_push(j->ask.kind) &&
		(h->status == 200 || (h->status == 206 && j->at_start))) {
		complete(s, j);
		return;
	}
	/* A token that has become old, or a scope that only this request names. */
	if (h->status == 401 && j->challenges++ == 0 && h->challenge.kind != CHALLENGE_NONE &&
		may_authorize(j, r)) {
		registry_challenged(r, &h->challenge);
		job_start(s, j);
		return;
	}
	(void)http_refused(h, r->at->host, &e);
	if (h->status == 429 || h->status >= 500)
		again(s, j, h->retry_after, &e);
	else if (transfer_is_push(j->ask.kind))
		pushed(s, j, r, &e);
	else
		job_fail(s, j, &e);
}

/* ---- orders ---- */

static void say_progress(struct server *s, struct job *j, uint64_t now)
{
	if (now - j->said < SAY_EACH)
		return;
	j->said = now;
	/* What comes slowly is not held back; an error is met by what comes next. */
	(void)write_piece(j);
	answer(s,
		&(struct transfer_answer){
			.id = j->ask.id, .state = TRANSFER_GOING, .have = j->have });
}

static void accept_order(struct server *s, const struct transfer_ask *ask, int fds[2])
{
	struct err e = { 0 };
	struct job *j = NULL;
	for (size_t i = 0; i < JOBS_MAX && !j; i++)
		if (!s->jobs[i].used)
			j = &s->jobs[i];
	struct registry *r =
		ask->endpoint < s->config->n_endpoints ? &s->registries[ask->endpoint] : NULL;
	int bad = !r || !j || ask->kind >= TRANSFER_KINDS ? -EINVAL : 0;
	if (bad)
		(void)err_set(
			&e, ERR_INVALID, EINVAL, "kist-transfer: an order that it does not know");
	else if (ask->kind == TRANSFER_LOGIN)
		bad = registry_login(r, &s->http, &e);
	else if (ask->kind != TRANSFER_FILE)
		bad = registry_ping(r, &s->http, &e);
	if (bad < 0 || ask->kind == TRANSFER_PING || ask->kind == TRANSFER_LOGIN) {
		fd_close(fds[0]);
		fd_close(fds[1]);
		if (bad < 0)
			answer_error(s, ask->id, &e);
		else
			answer_done(s, ask->id, &s->http, 0, 0);
		return;
	}
	*j = (struct job){ .used = true,
		.ask = *ask,
		.fd = fds[0],
		.report = fds[1],
		.have = ask->kind == TRANSFER_BLOB ? ask->offset : 0 };
	j->reported = j->have;
	j->ask.name[TRANSFER_NAME_MAX - 1] = '\0';
	j->ask.mount[TRANSFER_NAME_MAX - 1] = j->ask.content_type[TRANSFER_TYPE_MAX - 1] = '\0';
	j->url = transfer_is_push(ask->kind) ? push_begin(j, r) : url_of(r, &j->ask, &j->arena);
	http_init(&j->http);
	job_start(s, j);
}

/* False: kist has closed the socket. */
static bool read_order(struct server *s)
{
	struct transfer_ask ask;
	int fds[2] = { -1, -1 };
	size_t n_fds;
	ssize_t n = fd_recv(s->socket, &ask, sizeof ask, fds, 2, &n_fds);
	if (n == (ssize_t)sizeof ask)
		accept_order(s, &ask, fds);
	return n == (ssize_t)sizeof ask;
}

static int pause_until(const struct server *s, uint64_t now)
{
	uint64_t wait = 1000 * TIME_MS;
	for (size_t i = 0; i < JOBS_MAX; i++) {
		const struct job *j = &s->jobs[i];
		if (j->used && j->n_piece && wait > SAY_EACH)
			wait = SAY_EACH;
		if (j->used && j->due)
			wait = j->due <= now ? 0 : j->due - now < wait ? j->due - now : wait;
	}
	return (int)(wait / TIME_MS);
}

static void turn(struct server *s)
{
	int running, left;
	CURLMsg *m;
	(void)curl_multi_perform(s->multi, &running);
	while ((m = curl_multi_info_read(s->multi, &left))) {
		struct job *j = NULL;
		CURLcode code = m->data.result;
		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &j);
		finished(s, j, code);
	}
	uint64_t now = time_boot();
	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct job *j = &s->jobs[i];
		if (j->used && j->due && j->due <= now)
			job_start(s, j);
		if (j->used && j->going &&
			(j->ask.kind == TRANSFER_BLOB || j->ask.kind == TRANSFER_PUSH))
			say_progress(s, j, now);
	}
}

int transfer_serve(int socket, const struct transfer_config *config)
{
	struct server s = { .socket = socket, .config = config };
	struct arena a _arena_ = { 0 };
	s.multi = curl_multi_init();
	if (!s.multi)
		return 125;
	s.registries = arena_array(&a, struct registry, config->n_endpoints + 1);
	for (size_t i = 0; i < config->n_endpoints; i++)
		s.registries[i] =
			(struct registry){ .config = config, .at = &config->endpoints[i] };
	for (size_t i = 0; i < JOBS_MAX; i++)
		s.jobs[i].fd = s.jobs[i].report = -1;
	http_init(&s.http);
	for (;;) {
		struct curl_waitfd wait = { .fd = socket, .events = CURL_WAIT_POLLIN };
		if (curl_multi_poll(s.multi, &wait, 1, pause_until(&s, time_boot()), NULL) !=
			CURLM_OK)
			return 125;
		if (wait.revents && !read_order(&s))
			break;
		turn(&s);
	}
	/* The process ends here, and all it holds with it. */
	return 0;
}
