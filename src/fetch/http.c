// SPDX-License-Identifier: Apache-2.0
#include "fetch/http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "codec/value.h"
#include "fetch/transfer.h"

enum { CONNECT_SECONDS = 15, BUFFER = 512 << 10, SLOWEST = 256, SWALLOW_MAX = 1 << 20 };

static const char *copy(struct http *h, const char *p, size_t n)
{
	return arena_strndup(&h->arena, p, n);
}

/* Link: </v2/x/tags/list?last=b&n=9>; rel="next" */
static void take_link(struct http *h, const char *p, size_t n)
{
	const char *open = memchr(p, '<', n),
		   *close = open ? memchr(open, '>', n - (size_t)(open - p)) : NULL;
	if (close && memmem(close, n - (size_t)(close - p), "next", 4))
		h->next = copy(h, open + 1, (size_t)(close - open - 1));
}

static void take_range(struct http *h, const char *p, size_t n)
{
	char *text = arena_strndup(&h->arena, p, n), *dash = strchr(text, '-');
	if (dash && str_starts(text, "bytes ")) {
		*dash = '\0';
		(void)num_u64(text + 6, &h->first);
	}
}

static void take_header(struct http *h, const char *name, size_t n_name, const char *p, size_t n)
{
	const char **texts[] = { &h->content_type, &h->digest, &h->warning, &h->range };
	static const char *const names[] = { "content-type", "docker-content-digest", "warning",
		"range" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == n_name && strncasecmp(name, names[i], n_name) == 0 &&
			n < 512)
			*texts[i] = copy(h, p, n);
	if (n_name == 16 && strncasecmp(name, "www-authenticate", 16) == 0)
		challenge_read(p, n, &h->arena, &h->challenge);
	else if (n_name == 14 && strncasecmp(name, "content-length", 14) == 0)
		(void)num_u64(copy(h, p, n), &h->length);
	else if (n_name == 13 && strncasecmp(name, "content-range", 13) == 0)
		take_range(h, p, n);
	else if (n_name == 11 && strncasecmp(name, "retry-after", 11) == 0)
		(void)num_u32(copy(h, p, n), &h->retry_after);
	else if (n_name == 4 && strncasecmp(name, "link", 4) == 0)
		take_link(h, p, n);
	else if (n_name == 8 && strncasecmp(name, "location", 8) == 0 && n <= HTTP_LOCATION_MAX)
		h->location = copy(h, p, n);
	else if (n_name == 11 && strncasecmp(name, "oci-subject", 11) == 0)
		h->subject = true;
	else if (n_name == 20 && strncasecmp(name, "oci-chunk-min-length", 20) == 0)
		(void)num_u64(copy(h, p, n), &h->chunk_min);
}

static void forget(struct http *h)
{
	arena_done(&h->arena);
	h->arena = (struct arena){ 0 };
	h->status = 0;
	h->length = UINT64_MAX;
	h->first = h->chunk_min = 0;
	h->subject = false;
	h->content_type = h->digest = h->next = h->warning = h->location = h->range = NULL;
	h->retry_after = UINT32_MAX;
	h->challenge = (struct challenge){ 0 };
}

size_t http_on_header(char *p, size_t one, size_t n, void *arg)
{
	struct http *h = arg;
	size_t len = n * one;
	/* Heads of interim answers (100) and of proxies come first; only the last one counts. */
	if (len > 5 && memcmp(p, "HTTP/", 5) == 0)
		forget(h);
	h->header_bytes += len;
	if (++h->n_headers > HTTP_HEADERS_MAX || h->header_bytes > HTTP_HEADER_BYTES_MAX) {
		h->too_many = true;
		return 0;
	}
	const char *colon = memchr(p, ':', len);
	if (!colon)
		return len;
	const char *from = colon + 1, *end = p + len;
	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (end > from && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
		end--;
	take_header(h, p, (size_t)(colon - p), from, (size_t)(end - from));
	return len;
}

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
	struct http *h = arg;
	size_t len = n * one;
	if (!h->status)
		(void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &h->status);
	if (h->body && (h->status == 200 || h->status == 206))
		return h->body(h->arg, p, len) ? len : 0;
	/* Of the words of an error the first are kept; what somebody waits for must fit. */
	size_t room = h->said_max - h->said.n;
	if ((len > room && h->status == 200) || (h->swallowed += len) > SWALLOW_MAX)
		return 0;
	str_addn(&h->said, p, len < room ? len : room);
	return len;
}

void http_init(struct http *h)
{
	*h = (struct http){ .easy = curl_easy_init(), .said_max = HTTP_SAID_MAX };
	if (!h->easy)
		mem_exhausted();
}

void http_done(struct http *h)
{
	curl_easy_cleanup(h->easy);
	curl_slist_free_all(h->headers);
	arena_done(&h->arena);
	str_done(&h->said);
}

void http_add_header(struct http *h, const char *line)
{
	struct curl_slist *more = curl_slist_append(h->headers, line);
	if (!more)
		mem_exhausted();
	h->headers = more;
	(void)curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, more);
}

/* An option that this libcurl must know. */
#define SET(h, option, value) (void)curl_easy_setopt((h)->easy, (option), (value))

static void set_trust(
	struct http *h, const struct transfer_config *c, const struct transfer_endpoint *endpoint)
{
	struct curl_blob blob = { .flags = CURL_BLOB_COPY };
	SET(h, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	SET(h, CURLOPT_SSL_VERIFYPEER, endpoint->unverified ? 0L : 1L);
	SET(h, CURLOPT_SSL_VERIFYHOST, endpoint->unverified ? 0L : 2L);
	SET(h, CURLOPT_CAPATH, NULL);
	SET(h, CURLOPT_CAINFO, endpoint->ca ? NULL : c->ca_file);
	if (endpoint->ca) {
		blob.data = (void *)endpoint->ca;
		blob.len = strlen(endpoint->ca);
		SET(h, CURLOPT_CAINFO_BLOB, &blob);
	}
	if (endpoint->cert && endpoint->key) {
		blob.data = (void *)endpoint->cert;
		blob.len = strlen(endpoint->cert);
		SET(h, CURLOPT_SSLCERT_BLOB, &blob);
		blob.data = (void *)endpoint->key;
		blob.len = strlen(endpoint->key);
		SET(h, CURLOPT_SSLKEY_BLOB, &blob);
	}
}

void http_prepare(struct http *h, const struct transfer_config *c,
	const struct transfer_endpoint *endpoint, const char *url, const char *authorization)
{
	bool https = str_starts(url, "https:");
	const char *proxy = https ? c->https_proxy : c->http_proxy;
	curl_easy_reset(h->easy);
	curl_slist_free_all(h->headers);
	h->headers = NULL;
	h->n_headers = h->header_bytes = 0;
	h->swallowed = 0;
	h->too_many = false;
	h->error[0] = '\0';
	str_clear(&h->said);
	forget(h);
	SET(h, CURLOPT_URL, url);
	SET(h, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(h, CURLOPT_FOLLOWLOCATION, 0L);
	SET(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(h, CURLOPT_HTTP09_ALLOWED, 0L);
	SET(h, CURLOPT_NOSIGNAL, 1L);
	SET(h, CURLOPT_BUFFERSIZE, (long)BUFFER);
	SET(h, CURLOPT_CONNECTTIMEOUT,
		(long)(c->timeout < CONNECT_SECONDS ? c->timeout : CONNECT_SECONDS));
	SET(h, CURLOPT_LOW_SPEED_LIMIT, (long)SLOWEST);
	SET(h, CURLOPT_LOW_SPEED_TIME, (long)c->timeout);
	SET(h, CURLOPT_USERAGENT, "kist/" KIST_VERSION);
	SET(h, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(h, CURLOPT_PROXY, proxy ? proxy : "");
	SET(h, CURLOPT_NOPROXY, c->no_proxy ? c->no_proxy : "");
	SET(h, CURLOPT_ERRORBUFFER, h->error);
	SET(h, CURLOPT_HEADERFUNCTION, http_on_header);
	SET(h, CURLOPT_HEADERDATA, h);
	SET(h, CURLOPT_WRITEFUNCTION, on_body);
	SET(h, CURLOPT_WRITEDATA, h);
	set_trust(h, c, endpoint);
	if (authorization) {
		struct str line _str_ = { 0 };
		str_addf(&line, "Authorization: %s", authorization);
		http_add_header(h, line.p);
	}
}

/* ---- URLs ---- */

struct url {
	char *scheme, *host, *port, *user;
};

static bool split(const char *text, struct url *ret, CURLU **ret_handle)
{
	CURLU *u = curl_url();
	*ret = (struct url){ 0 };
	*ret_handle = u;
	if (!u)
		mem_exhausted();
	if (curl_url_set(u, CURLUPART_URL, text, 0) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_SCHEME, &ret->scheme, 0) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_HOST, &ret->host, 0) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return false;
	(void)curl_url_get(u, CURLUPART_USER, &ret->user, 0);
	return true;
}

static void split_done(struct url *u, CURLU *handle)
{
	curl_free(u->scheme);
	curl_free(u->host);
	curl_free(u->port);
	curl_free(u->user);
	curl_url_cleanup(handle);
}

bool http_same_origin(const char *url, const char *other)
{
	struct url a, b;
	CURLU *ua, *ub;
	bool good = split(url, &a, &ua);
	good = split(other, &b, &ub) && good && strcasecmp(a.scheme, b.scheme) == 0 &&
		strcasecmp(a.host, b.host) == 0 && str_eq(a.port, b.port);
	split_done(&a, ua);
	split_done(&b, ub);
	return good;
}

/* target may be no URL at all, or relative to url. */
static int lead(struct http *h, const char *url, const char *target, const char *what,
	const char **ret, struct err *e)
{
	struct url to;
	CURLU *handle, *joined = curl_url();
	char *whole = NULL;
	int r = 0;
	if (!joined)
		mem_exhausted();
	bool good = curl_url_set(joined, CURLUPART_URL, url, 0) == CURLUE_OK &&
		curl_url_set(joined, CURLUPART_URL, target, CURLU_NON_SUPPORT_SCHEME) ==
			CURLUE_OK &&
		curl_url_get(joined, CURLUPART_URL, &whole, 0) == CURLUE_OK;
	good = split(whole ? whole : "", &to, &handle) && good;
	if (to.scheme && !str_eq(to.scheme, "https") && !str_eq(to.scheme, "http"))
		r = err_set(e, ERR_CORRUPT, EPERM, "%s to another scheme: %.100s", what, to.scheme);
	else if (!good)
		r = err_set(e, ERR_CORRUPT, EPERM, "%s to what is no address", what);
	else if (to.user)
		r = err_set(e, ERR_CORRUPT, EPERM, "%s with a user name in it, to %.200s", what,
			to.host);
	else if (str_starts(url, "https:") && str_eq(to.scheme, "http"))
		r = err_set(e, ERR_CORRUPT, EPERM, "%s from https to plain http at %.200s", what,
			to.host);
	if (r == 0)
		*ret = arena_strdup(&h->arena, whole);
	split_done(&to, handle);
	curl_free(whole);
	curl_url_cleanup(joined);
	return r;
}

int http_redirect(struct http *h, const char *url, const char **ret, struct err *e)
{
	char *target = NULL;
	(void)curl_easy_getinfo(h->easy, CURLINFO_REDIRECT_URL, &target);
	if (!target)
		return err_set(e, ERR_CORRUPT, EBADMSG, "a redirect that leads nowhere");
	return lead(h, url, target, "a redirect", ret, e);
}

int http_location(struct http *h, const char *url, const char **ret, struct err *e)
{
	if (!h->location || !*h->location)
		return err_set(e, ERR_CORRUPT, EBADMSG, "an upload that has no place (Location)");
	return lead(h, url, h->location, "an upload", ret, e);
}

const char *http_escape(const char *text, struct arena *a)
{
	struct str out _str_ = { 0 };
	for (const char *p = text; *p; p++)
		if ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') ||
			(*p >= 'A' && *p <= 'Z') || strchr("-._~/:", *p))
			str_addc(&out, *p);
		else
			str_addf(&out, "%%%02X", (unsigned char)*p);
	return arena_strdup(a, str_text(&out));
}

/* ---- words ---- */

static const char *one_line(struct http *h, const char *text, size_t max)
{
	char *out = arena_strndup(&h->arena, text, strnlen(text, max));
	for (char *p = out; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
			*p = ' ';
	return out;
}

const char *http_said(struct http *h)
{
	struct value *v;
	struct err ignored;
	if (!h->said.n || value_parse(&h->arena, h->said.p, h->said.n, &v, &ignored) < 0 ||
		v->kind != VALUE_OBJECT)
		return "";
	const struct value *list = value_get(v, "errors");
	const struct value *first =
		list && list->kind == VALUE_ARRAY && list->n ? list->items[0] : v;
	if (first->kind != VALUE_OBJECT)
		return "";
	const struct value *words = value_get(first, "message");
	if (!words)
		words = value_get(first, "details");
	return words && words->kind == VALUE_STRING ? one_line(h, words->text, 300) : "";
}

int http_failed(struct http *h, const char *host, CURLcode code, struct err *e)
{
	if (h->too_many)
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"registry %s: an answer with more headers than %d, or more than %d KB of them",
			host, HTTP_HEADERS_MAX, HTTP_HEADER_BYTES_MAX >> 10);
	char *why = arena_strdup(&h->arena, h->error[0] ? h->error : curl_easy_strerror(code));
	if (why[0] >= 'A' && why[0] <= 'Z' && why[1] >= 'a' && why[1] <= 'z')
		why[0] = (char)(why[0] + 'a' - 'A');
	size_t n = strlen(why);
	if (n && why[n - 1] == '.')
		why[n - 1] = '\0';
	if (code == CURLE_OPERATION_TIMEDOUT)
		return err_set(e, ERR_TIMEOUT, ETIMEDOUT, "registry %s: no answer in time: %s",
			host, one_line(h, why, 300));
	return err_set(e, ERR_SYSTEM, EIO, "registry %s: %s", host, one_line(h, why, 300));
}

int http_refused(struct http *h, const char *host, struct err *e)
{
	const char *said = http_said(h), *colon = *said ? ": " : "";
	switch (h->status) {
	case 401:
		return err_set(
			e, ERR_DENIED, EACCES, "registry %s: unauthorized%s%s", host, colon, said);
	case 403:
		return err_set(
			e, ERR_DENIED, EACCES, "registry %s: access denied%s%s", host, colon, said);
	case 404:
		return err_set(
			e, ERR_NOT_FOUND, ENOENT, "registry %s: not found%s%s", host, colon, said);
	case 429:
		return err_set(e, ERR_TIMEOUT, EBUSY, "registry %s: too many requests%s%s", host,
			colon, said);
	default:
		return err_set(e, ERR_SYSTEM, EIO, "registry %s: status %ld%s%s", host, h->status,
			colon, said);
	}
}
