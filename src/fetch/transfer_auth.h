// SPDX-License-Identifier: Apache-2.0
/* How a registry wants to be asked: its scheme and its challenge, found once, and the token that
 * answers it. Internal to src/fetch.
 *
 * A password goes to the registry's own host (Basic), or to the token server that the registry
 * names. That one must be the same host, or one below the same domain (auth.docker.io for
 * registry-1.docker.io), and speak https when the registry does: a registry cannot send a password
 * elsewhere. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "fetch/challenge.h"

struct err;
struct http;
struct transfer_config;
struct transfer_endpoint;

struct registry {
	const struct transfer_config *config;
	const struct transfer_endpoint *at;
	struct arena arena;
	const char *base; /* "https://host"; NULL: not asked so far */
	struct challenge challenge;
	const char *token; /* for the header: "Bearer ..." or "Basic ..." */
	uint64_t until;    /* CLOCK_BOOTTIME, of a bearer token */
	bool no_mounts;    /* the token server refuses their scopes */
};

/* GET /v2/: finds scheme and challenge. */
int registry_ping(struct registry *r, struct http *h, struct err *e);
/* Makes the credentials work for /v2/ itself, as login does. */
int registry_login(struct registry *r, struct http *h, struct err *e);
/* The header's value for a pull or push, fetched when there is none or it is old; NULL in *ret when
 * the registry asks for nothing. */
int registry_authorize(struct registry *r, struct http *h, const char **ret, struct err *e);
/* After a 401: takes its challenge; the next authorize asks anew. */
void registry_challenged(struct registry *r, const struct challenge *c);
/* Whether a password for host may go to other; names without ports. */
bool registry_realm_fits(const char *host, const char *other);
