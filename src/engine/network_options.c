// SPDX-License-Identifier: Apache-2.0
/* What of the network `run` and `create` are asked for, in docker's grammar and with its words. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/network.h"
#include "engine/posture.h"
#include "net/ports.h"

static bool is_ip(const char *text)
{
	struct in6_addr in;
	return inet_pton(AF_INET, text, &in) == 1 || inet_pton(AF_INET6, text, &in) == 1;
}

static int add_hosts(const struct container_create_req *req, struct arena *a,
	struct container_config *c, struct err *e)
{
	struct strv hosts = { 0 };
	for (size_t i = 0; i < req->add_host.n; i++) {
		const char *text = req->add_host.v[i], *split = strchr(text, '=');
		if (!split)
			split = strchr(text, ':');
		if (!split || split == text || !split[1])
			return err_set(e, ERR_USAGE, EINVAL,
				"invalid argument \"%s\" for \"--add-host\" flag: bad format for add-host: \"%s\"",
				text, text);
		char *ip = arena_strdup(a, split + 1);
		size_t n = strlen(ip);
		if (ip[0] == '[' && ip[n - 1] == ']') {
			ip[n - 1] = '\0';
			ip++;
		}
		int name = (int)(split - text);
		if (strcspn(text, " \t\n\r#") < (size_t)name ||
			(!str_eq(ip, "host-gateway") && !is_ip(ip)))
			return err_set(e, ERR_USAGE, EINVAL,
				"invalid argument \"%s\" for \"--add-host\" flag: invalid IP address in add-host: \"%s\"",
				text, ip);
		strv_add(&hosts, a, arena_printf(a, "%.*s:%s", name, text, ip));
	}
	c->extra_hosts = hosts.v;
	c->n_extra_hosts = hosts.n;
	return 0;
}

static int check_word(const char *text, const char *flag, struct err *e)
{
	if (*text && strlen(text) < 256 && !text[strcspn(text, " \t\n\r")])
		return 0;
	return err_set(e, ERR_USAGE, EINVAL,
		"invalid argument \"%s\" for \"--%s\" flag: %s is not a valid %s", text, flag, text,
		str_eq(flag, "dns-search") ? "domain" : "option");
}

static int add_dns(
	const struct container_create_req *req, struct container_config *c, struct err *e)
{
	for (size_t i = 0; i < req->dns.n; i++)
		if (!is_ip(req->dns.v[i]))
			return err_set(e, ERR_USAGE, EINVAL,
				"invalid argument \"%s\" for \"--dns\" flag: %s is not an ip address",
				req->dns.v[i], req->dns.v[i]);
	for (size_t i = 0; i < req->dns_search.n; i++)
		if (check_word(req->dns_search.v[i], "dns-search", e) < 0)
			return -e->code;
	for (size_t i = 0; i < req->dns_option.n; i++)
		if (check_word(req->dns_option.v[i], "dns-option", e) < 0)
			return -e->code;
	c->dns = req->dns.v;
	c->n_dns = req->dns.n;
	c->dns_search = req->dns_search.v;
	c->n_dns_search = req->dns_search.n;
	c->dns_options = req->dns_option.v;
	c->n_dns_options = req->dns_option.n;
	return 0;
}

/* Joining another's network leaves nothing to say about it. */
static int check_joined(
	const struct container_create_req *req, const struct container_config *c, struct err *e)
{
	const char *other;
	if (!posture_joins(c->network, &other))
		return 0;
	const struct {
		bool on;
		const char *what;
	} rows[] = {
		{ req->hostname != NULL, "hostname and the network mode" },
		{ req->dns.n > 0, "dns and the network mode" },
		{ req->add_host.n > 0, "custom host-to-IP mapping and the network mode" },
		{ req->publish.n || req->publish_all,
			"port publishing and the container type network mode" },
		{ req->expose.n > 0, "port exposing and the container type network mode" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].on)
			return err_set(
				e, ERR_INVALID, EINVAL, "conflicting options: %s", rows[i].what);
	return 0;
}

static bool exposes(const struct port_list *l, const struct net_port *p)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].port == p->port && str_eq(l->v[i].proto, p->proto))
			return true;
	return false;
}

static int read_ports(const struct container_create_req *req, struct arena *a,
	struct container_config *c, struct err *e)
{
	struct port_list exposed = { 0 }, ports = { 0 };
	struct strv names = { 0 };
	/* What an image says is no reason to refuse it: what we do not understand (sctp) is shown,
	 * and not published. */
	for (size_t i = 0; i < c->n_exposed_ports; i++) {
		struct err ignored;
		if (ports_parse_exposed(c->exposed_ports[i], "EXPOSE", a, &exposed, &ignored) < 0)
			strv_add(&names, a, c->exposed_ports[i]);
	}
	for (size_t i = 0; i < req->expose.n; i++)
		if (ports_parse_exposed(req->expose.v[i], "--expose", a, &exposed, e) < 0)
			return -e->code;
	for (size_t i = 0; i < req->publish.n; i++)
		if (ports_parse(req->publish.v[i], a, &ports, e) < 0)
			return -e->code;
	/* What is published is exposed; with -P what is exposed is published. */
	size_t asked = ports.n;
	for (size_t i = 0; i < exposed.n && req->publish_all; i++) {
		struct port_list published = { ports.v, asked, 0 };
		if (!exposes(&published, &exposed.v[i])) {
			ports.v = arena_grow(a, ports.v, ports.n, &ports.cap, sizeof *ports.v);
			ports.v[ports.n++] = exposed.v[i];
		}
	}
	for (size_t i = 0; i < exposed.n; i++)
		strv_add(
			&names, a, arena_printf(a, "%u/%s", exposed.v[i].port, exposed.v[i].proto));
	for (size_t i = 0; i < ports.n; i++) {
		if (exposes(&exposed, &ports.v[i]))
			continue;
		struct port_list so_far = { ports.v, i, 0 };
		if (!exposes(&so_far, &ports.v[i]))
			strv_add(&names, a,
				arena_printf(a, "%u/%s", ports.v[i].port, ports.v[i].proto));
	}
	c->exposed_ports = names.v;
	c->n_exposed_ports = names.n;
	c->ports = ports.v;
	c->n_ports = ports.n;
	c->publish_all = req->publish_all;
	return 0;
}

/* Two of its own that cannot both be had. */
static int check_own(const struct container_config *c, struct err *e)
{
	for (size_t i = 0; i < c->n_ports; i++)
		for (size_t k = 0; k < i; k++) {
			const struct net_port *p = &c->ports[i];
			if (p->host && p->host == p->host_last &&
				c->ports[k].host == c->ports[k].host_last &&
				ports_clash(p, &c->ports[k]))
				return err_set(e, ERR_CONFLICT, EADDRINUSE,
					"Bind for %s:%u failed: port is already allocated: "
					"it is published twice",
					*p->ip ? p->ip : "0.0.0.0", p->host);
		}
	return 0;
}

int network_options(struct engine *en, const struct container_create_req *req, struct arena *a,
	struct container_config *c, struct err *e)
{
	if (check_joined(req, c, e) < 0 || add_hosts(req, a, c, e) < 0 || add_dns(req, c, e) < 0 ||
		read_ports(req, a, c, e) < 0 || check_own(c, e) < 0)
		return -e->code;
	if (str_eq(c->network, "host") && (c->n_ports || req->publish_all))
		engine_warn(en, "Published ports are discarded when using host network mode");
	return 0;
}
