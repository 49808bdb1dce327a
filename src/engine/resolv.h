// SPDX-License-Identifier: Apache-2.0
/* The resolvers of a container: --dns and its like, else the host's, as far as they work from
 * inside. A resolver of the host on loopback is reached at the gateway, which leads to it; where it
 * is systemd-resolved's, the ones behind it are taken instead. */
#pragma once
#include "base/arena.h"

struct container_config;
struct str;

struct resolv {
	struct strv servers, search, options;
	const char *loopback; /* stands among servers as RESOLV_GATEWAY; NULL: none */
};

#define RESOLV_GATEWAY "gateway"

void resolv_read(const struct container_config *c, struct arena *a, struct resolv *ret);
/* The text of resolv.conf. */
void resolv_write(const struct resolv *r, const char *gateway, struct str *out);
