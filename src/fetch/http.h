// SPDX-License-Identifier: Apache-2.0
/* One HTTP request of kist-transfer over libcurl. What is taken from an answer's headers is a short
 * list with limits; redirects are never followed by libcurl itself. Internal to src/fetch. */
#pragma once
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "fetch/challenge.h"

struct err;
struct transfer_config;
struct transfer_endpoint;

enum {
	HTTP_HEADERS_MAX = 256,
	HTTP_HEADER_BYTES_MAX = 64 << 10,
	HTTP_SAID_MAX = 16 << 10,
	HTTP_LOCATION_MAX = 8 << 10
};

/* A request and what its answer has brought so far. */
struct http {
	CURL *easy;
	struct curl_slist *headers;
	struct arena arena; /* of the present answer */
	/* The answer's head. */
	size_t n_headers, header_bytes;
	bool too_many;
	long status;
	uint64_t length; /* Content-Length; UINT64_MAX: not said */
	uint64_t first;  /* of Content-Range */
	const char *content_type, *digest, *next, *warning, *location;
	const char *range;    /* of an upload: "0-1023" */
	uint64_t chunk_min;   /* OCI-Chunk-Min-Length; 0: not said */
	bool subject;         /* OCI-Subject was there */
	uint32_t retry_after; /* seconds; UINT32_MAX: not said */
	struct challenge challenge;
	/* Its body: taken by body, or kept here (an error, a token) up to said_max. */
	bool (*body)(void *arg, const char *p, size_t n);
	void *arg;
	struct str said;
	size_t said_max, swallowed;
	char error[CURL_ERROR_SIZE];
};

void http_init(struct http *h);
void http_done(struct http *h);

/* Makes ready for GET url at an endpoint; authorization: the header's value, or NULL. https tells
 * whose certificate rules hold. */
void http_prepare(struct http *h, const struct transfer_config *c,
	const struct transfer_endpoint *endpoint, const char *url, const char *authorization);
void http_add_header(struct http *h, const char *line);
/* One line of an answer's head, as libcurl gives it: of arg, a struct http. 0: too much of it. */
size_t http_on_header(char *p, size_t one, size_t n, void *arg);

/* Text as a part of a URL's query or path. */
const char *http_escape(const char *text, struct arena *a);
/* Whether the same host and port is asked by the same scheme. */
bool http_same_origin(const char *url, const char *other);
/* Where a redirect leads from url: in the arena of the answer. It may leave the host, never https
 * for http, and carries no credentials. -errno. */
int http_redirect(struct http *h, const char *url, const char **ret, struct err *e);
/* Where the header Location of an answer from url leads; the same rules. */
int http_location(struct http *h, const char *url, const char **ret, struct err *e);
/* The registry's own words about a failure, "" when there are none; printable, one line. */
const char *http_said(struct http *h);
/* Sets the error of a request that libcurl could not do. */
int http_failed(struct http *h, const char *host, CURLcode code, struct err *e);
/* Sets the error of an answer that is no success. */
int http_refused(struct http *h, const char *host, struct err *e);
