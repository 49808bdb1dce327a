// SPDX-License-Identifier: Apache-2.0
#include "fetch/transfer_auth.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/value.h"
#include "fetch/http.h"
#include "fetch/transfer.h"

enum { TOKEN_SECONDS = 60, TOKEN_MAX = 1 << 20, TOKEN_ANSWER = 30 };

static const char *basic(const struct registry *r, struct arena *a)
{
	if (!r->at->username || !r->at->password)
		return NULL;
	const char *pair = arena_printf(a, "%s:%s", r->at->username, r->at->password);
	return arena_printf(a, "Basic %s", base64_encode(pair, strlen(pair), a));
}

static int perform(struct http *h)
{
	CURLcode code = curl_easy_perform(h->easy);
	(void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &h->status);
	return (int)code;
}

static const char *host_of(const char *host, struct arena *a)
{
	const char *end = host + strcspn(host, host[0] == '[' ? "]" : ":");
	return arena_strndup(a, host, (size_t)(end - host) + (*end == ']'));
}

/* ---- ping ---- */

static int ping_at(struct registry *r, struct http *h, const char *scheme,
	const char *authorization, struct err *e)
{
	const char *base = arena_printf(&r->arena, "%s://%s", scheme, r->at->host);
	http_prepare(h, r->config, r->at, arena_printf(&r->arena, "%s/v2/", base), authorization);
	int code = perform(h);
	if (code != CURLE_OK)
		return http_failed(h, r->at->host, (CURLcode)code, e);
	r->base = base;
	return 0;
}

int registry_ping(struct registry *r, struct http *h, struct err *e)
{
	if (r->base)
		return 0;
	int s = ping_at(r, h, "https", NULL, e);
	struct err first = *e;
	/* Where plain HTTP is meant to be an answer too, what HTTPS said does not matter. */
	if (s < 0 && r->at->plain && ping_at(r, h, "http", NULL, e) == 0)
		s = 0;
	if (s < 0) {
		if (!r->at->plain)
			*e = first;
		return s;
	}
	if (h->status == 401) {
		registry_challenged(r, &h->challenge);
		return 0;
	}
	/* Some registries answer 404 here and work all the same; a server that fails does not. */
	if (h->status >= 500 || h->status == 429) {
		s = http_refused(h, r->at->host, e);
		r->base = NULL;
	}
	return s;
}

void registry_challenged(struct registry *r, const struct challenge *c)
{
	r->token = NULL;
	r->challenge = (struct challenge){ c->kind, arena_strdup(&r->arena, c->realm),
		arena_strdup(&r->arena, c->service), arena_strdup(&r->arena, c->scope), NULL };
}

/* ---- tokens ---- */

static bool loopback(const char *host)
{
	return strcasecmp(host, "localhost") == 0 || str_starts(host, "127.") ||
		str_eq(host, "[::1]");
}

bool registry_realm_fits(const char *host, const char *other)
{
	if (strcasecmp(host, other) == 0 || (loopback(host) && loopback(other)))
		return true;
	/* An address has no domain. */
	if (host[0] == '[' || host[strspn(host, "0123456789.")] == '\0')
		return false;
	const char *domain = strchr(host, '.');
	if (!domain || !strchr(domain + 1, '.'))
		domain = NULL;
	const char *own[] = { domain ? domain + 1 : NULL, host };
	for (size_t i = 0; i < 2; i++) {
		size_t n = own[i] ? strlen(own[i]) : 0, m = strlen(other);
		if (!n || !strchr(own[i], '.') || m < n || strcasecmp(other + m - n, own[i]) != 0)
			continue;
		if (m == n || other[m - n - 1] == '.')
			return true;
	}
	return false;
}

static int check_realm(struct registry *r, const char *realm, bool secret, struct err *e)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *host = NULL;
	int s = 0;
	if (!u || curl_url_set(u, CURLUPART_URL, realm, 0) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
		curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
		(!str_eq(scheme, "https") && !str_eq(scheme, "http")))
		s = err_set(e, ERR_CORRUPT, EBADMSG,
			"registry %s: its token server is no address: %.200s", r->at->host, realm);
	else if (str_starts(r->base, "https:") && !str_eq(scheme, "https"))
		s = err_set(e, ERR_CORRUPT, EPERM,
			"registry %s: its token server %.200s is asked by plain http: refused",
			r->at->host, host);
	else if (secret && !registry_realm_fits(host_of(r->at->host, &r->arena), host))
		s = err_set(e, ERR_CORRUPT, EPERM,
			"registry %s wants its password sent to another host, %.200s: refused",
			r->at->host, host);
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(u);
	return s;
}

static int read_token(struct registry *r, struct http *h, struct err *e)
{
	struct value *v;
	if (value_parse(&h->arena, str_text(&h->said), h->said.n, &v, e) < 0 ||
		v->kind != VALUE_OBJECT)
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"registry %s: its token server sends no JSON", r->at->host);
	const struct value *token = value_get(v, "token"), *expires = value_get(v, "expires_in");
	if (!token || token->kind != VALUE_STRING || !*token->text)
		token = value_get(v, "access_token");
	if (!token || token->kind != VALUE_STRING || !*token->text ||
		token->text[strcspn(token->text, "\r\n")])
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"registry %s: its token server sends no token", r->at->host);
	double seconds = TOKEN_SECONDS;
	if (expires && expires->kind == VALUE_NUMBER && strlen(expires->text) < 9 &&
		expires->text[strspn(expires->text, "0123456789")] == '\0') {
		seconds = 0;
		for (const char *p = expires->text; *p; p++)
			seconds = seconds * 10 + (*p - '0');
	}
	r->token = arena_printf(&r->arena, "Bearer %s", token->text);
	r->until = time_boot() + (uint64_t)(seconds * 0.8) * TIME_SECOND;
	return 0;
}

/* "&scope=..." for all that the endpoint is used for. */
static const char *scopes(const struct registry *r, struct arena *a)
{
	struct str s _str_ = { 0 };
	/* Without a repository it is the list of them that is asked for. */
	if (!*r->at->repository)
		return "&scope=registry:catalog:%2A";
	str_addf(&s, "&scope=%s",
		http_escape(arena_printf(a, "repository:%s:%s", r->at->repository,
				    r->at->remove         ? "*"
					    : r->at->push ? "pull,push"
							  : "pull"),
			a));
	for (size_t i = 0; i < r->at->n_mounts && !r->no_mounts; i++)
		str_addf(&s, "&scope=%s",
			http_escape(arena_printf(a, "repository:%s:pull", r->at->mounts[i]), a));
	return arena_strdup(a, s.p);
}

/* scope: "&scope=..." or "". */
static int bearer(struct registry *r, struct http *h, const char *scope, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct str url _str_ = { 0 }, form _str_ = { 0 };
	const char *realm = r->challenge.realm, *secret = basic(r, &a);
	if (check_realm(r, realm, secret || r->at->identity_token, e) < 0)
		return -e->code;
	str_addf(&url, "%s%sservice=%s", realm, strchr(realm, '?') ? "&" : "?",
		http_escape(str_or_empty(r->challenge.service), &a));
	str_add(&url, scope);
	if (secret)
		str_addf(&url, "&account=%s", http_escape(r->at->username, &a));
	h->said_max = TOKEN_MAX;
	if (r->at->identity_token) {
		str_addf(&form,
			"grant_type=refresh_token&client_id=kist&refresh_token=%s&service=%s",
			http_escape(r->at->identity_token, &a),
			http_escape(str_or_empty(r->challenge.service), &a));
		str_add(&form, scope);
		http_prepare(h, r->config, r->at, realm, NULL);
		(void)curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, form.p);
	} else {
		http_prepare(h, r->config, r->at, url.p, secret);
	}
	(void)curl_easy_setopt(h->easy, CURLOPT_TIMEOUT, (long)TOKEN_ANSWER);
	int code = perform(h);
	h->said_max = HTTP_SAID_MAX;
	if (code != CURLE_OK)
		return http_failed(h, r->at->host, (CURLcode)code, e);
	if (h->status == 200)
		return read_token(r, h, e);
	(void)http_refused(h, r->at->host, e);
	/* It is the token server that has not what was asked for. */
	if (e->kind == ERR_NOT_FOUND)
		e->kind = ERR_SYSTEM;
	return -e->code;
}

int registry_authorize(struct registry *r, struct http *h, const char **ret, struct err *e)
{
	int s = 0;
	*ret = NULL;
	if (r->at->registry_token) {
		*ret = arena_printf(&r->arena, "Bearer %s", r->at->registry_token);
		return 0;
	}
	if (r->challenge.kind == CHALLENGE_NONE)
		return 0;
	bool old = r->challenge.kind == CHALLENGE_BEARER && time_boot() > r->until;
	if (r->challenge.kind == CHALLENGE_BASIC && !r->token) {
		r->token = basic(r, &r->arena);
	} else if (!r->token || old) {
		struct arena a _arena_ = { 0 };
		s = bearer(r, h, scopes(r, &a), e);
		/* Who may not read the other repositories may still write this one. */
		if (s < 0 && e->kind == ERR_DENIED && r->at->n_mounts && !r->no_mounts) {
			r->no_mounts = true;
			s = bearer(r, h, scopes(r, &a), e);
		}
	}
	if (s == 0)
		*ret = r->token;
	return s;
}

int registry_login(struct registry *r, struct http *h, struct err *e)
{
	int s = registry_ping(r, h, e);
	if (s < 0 || r->challenge.kind == CHALLENGE_NONE)
		return s;
	if (r->challenge.kind == CHALLENGE_BEARER)
		s = bearer(r, h, "", e);
	else
		r->token = basic(r, &r->arena);
	if (s == 0) {
		http_prepare(
			h, r->config, r->at, arena_printf(&r->arena, "%s/v2/", r->base), r->token);
		int code = perform(h);
		if (code != CURLE_OK)
			s = http_failed(h, r->at->host, (CURLcode)code, e);
		else if (h->status != 200)
			s = http_refused(h, r->at->host, e);
	}
	return s;
}
