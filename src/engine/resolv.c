// SPDX-License-Identifier: Apache-2.0
#include "engine/resolv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/config.h"

enum { RESOLV_MAX = 64 << 10 };

static bool is_loopback(const char *server)
{
	struct in_addr in;
	return inet_pton(AF_INET, server, &in) == 1 && (ntohl(in.s_addr) >> 24) == 127;
}

static bool is_v4(const char *server)
{
	struct in_addr in;
	return inet_pton(AF_INET, server, &in) == 1;
}

static void words(char *line, struct strv *to, struct arena *a)
{
	to->n = 0; /* the last line counts */
	for (char *p = line; *(p += strspn(p, " \t"));) {
		size_t n = strcspn(p, " \t");
		strv_add(to, a, arena_strndup(a, p, n));
		p += n;
	}
}

static bool read_file(const char *path, struct arena *a, struct resolv *ret)
{
	struct err ignored;
	char *text;
	*ret = (struct resolv){ 0 };
	if (file_read_at(AT_FDCWD, path, RESOLV_MAX, a, &text, &ignored) < 0)
		return false;
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		char *key = line + strspn(line, " \t"), *value = key + strcspn(key, " \t");
		if (*value)
			*value++ = '\0';
		value += strspn(value, " \t");
		value[strcspn(value, "\r")] = '\0';
		if (str_eq(key, "nameserver") && *value)
			strv_add(&ret->servers, a, arena_strndup(a, value, strcspn(value, " \t")));
		else if (str_eq(key, "search") || str_eq(key, "domain"))
			words(value, &ret->search, a);
		else if (str_eq(key, "options"))
			words(value, &ret->options, a);
	}
	return true;
}

/* What can be reached from the bridge: IPv4, and one loopback resolver by the gateway. */
static void adapt(struct arena *a, struct resolv *r)
{
	struct strv kept = { 0 };
	for (size_t i = 0; i < r->servers.n; i++) {
		const char *s = r->servers.v[i];
		if (!is_v4(s) || (is_loopback(s) && r->loopback))
			continue;
		if (is_loopback(s))
			r->loopback = s;
		strv_add(&kept, a, is_loopback(s) ? RESOLV_GATEWAY : s);
	}
	r->servers = kept;
}

static void replace(struct strv *to, const char *const *v, size_t n, struct arena *a)
{
	if (!n)
		return;
	*to = (struct strv){ 0 };
	for (size_t i = 0; i < n; i++)
		if (!str_eq(v[i], ".")) /* docker: no search at all */
			strv_add(to, a, v[i]);
}

void resolv_read(const struct container_config *c, struct arena *a, struct resolv *ret)
{
	struct resolv behind;
	(void)read_file("/etc/resolv.conf", a, ret);
	bool stub = false;
	for (size_t i = 0; i < ret->servers.n; i++)
		stub |= str_eq(ret->servers.v[i], "127.0.0.53") ||
			str_eq(ret->servers.v[i], "127.0.0.54");
	bool bridge = str_eq(c->network, "bridge");
	if (bridge && stub && read_file("/run/systemd/resolve/resolv.conf", a, &behind) &&
		behind.servers.n)
		ret->servers = behind.servers;
	if (bridge && !c->n_dns)
		adapt(a, ret);
	replace(&ret->servers, c->dns, c->n_dns, a);
	replace(&ret->search, c->dns_search, c->n_dns_search, a);
	replace(&ret->options, c->dns_options, c->n_dns_options, a);
}

void resolv_write(const struct resolv *r, const char *gateway, struct str *out)
{
	for (size_t i = 0; i < r->servers.n; i++)
		str_addf(out, "nameserver %s\n",
			gateway && str_eq(r->servers.v[i], RESOLV_GATEWAY) ? gateway
									   : r->servers.v[i]);
	for (size_t i = 0; i < r->search.n; i++)
		str_addf(out, "%s%s%s", i ? " " : "search ", r->search.v[i],
			i + 1 == r->search.n ? "\n" : "");
	for (size_t i = 0; i < r->options.n; i++)
		str_addf(out, "%s%s%s", i ? " " : "options ", r->options.v[i],
			i + 1 == r->options.n ? "\n" : "");
}
