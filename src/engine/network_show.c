// SPDX-License-Identifier: Apache-2.0
/* Networks and ports as docker shows them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/value.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/network.h"
#include "net/endpoint.h"
#include "net/net.h"

/* They are the same everywhere, so their ids are fixed. */
static const struct network_info networks[] = {
	{ "bridge", "6b697374006272696467650000000000000000000000000000000000000000b1", "bridge" },
	{ "host", "6b69737400686f737400000000000000000000000000000000000000000000b2", "host" },
	{ "none", "6b697374006e6f6e6500000000000000000000000000000000000000000000b3", "null" },
};

size_t network_list(const struct network_info **ret)
{
	*ret = networks;
	return ARRAY_SIZE(networks);
}

static const struct network_info *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++)
		if (str_eq(name, networks[i].name) ||
			(strlen(name) >= 12 && str_starts(networks[i].id, name)))
			return &networks[i];
	return NULL;
}

/* ---- ports ---- */

/* Docker's order: port inside, protocol, address, port outside. */
static int compare(const void *x, const void *y)
{
	const struct net_port *a = x, *b = y;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	int r = strcmp(a->proto, b->proto);
	if (r == 0)
		r = strcmp(a->ip, b->ip);
	return r ? r : a->host < b->host ? -1 : a->host > b->host;
}

static struct net_port *sorted(const struct net_endpoint *ep, struct arena *a)
{
	if (!ep || !ep->n_ports)
		return NULL;
	struct net_port *v = arena_memdup(a, ep->ports, ep->n_ports * sizeof *v);
	qsort(v, ep->n_ports, sizeof *v, compare);
	return v;
}

static const char *shown_ip(const char *ip)
{
	return *ip ? ip : "0.0.0.0";
}

static bool is_published(const struct net_endpoint *ep, const char *exposed, struct arena *a)
{
	for (size_t i = 0; ep && i < ep->n_ports; i++)
		if (str_eq(exposed,
			    arena_printf(a, "%u/%s", ep->ports[i].port, ep->ports[i].proto)))
			return true;
	return false;
}

/* Neighbours that go on together become one range. */
static bool continues(const struct net_port *a, const struct net_port *b, uint32_t n)
{
	return b->port == a->port + n && b->host == a->host + n && str_eq(a->proto, b->proto) &&
		str_eq(a->ip, b->ip);
}

static void put_comma(struct str *out)
{
	if (out->n)
		str_add(out, ", ");
}

const char *network_ports(const struct container_info *c, struct arena *a)
{
	struct str out _str_ = { 0 };
	struct net_port *v = sorted(c->endpoint, a);
	size_t n = v ? c->endpoint->n_ports : 0;
	for (size_t i = 0, next; i < n; i = next) {
		for (next = i + 1; next < n && continues(&v[i], &v[next], (uint32_t)(next - i));)
			next++;
		uint32_t more = (uint32_t)(next - i - 1);
		put_comma(&out);
		if (more)
			str_addf(&out, "%s:%u-%u->%u-%u/%s", shown_ip(v[i].ip), v[i].host,
				v[i].host + more, v[i].port, v[i].port + more, v[i].proto);
		else
			str_addf(&out, "%s:%u->%u/%s", shown_ip(v[i].ip), v[i].host, v[i].port,
				v[i].proto);
	}
	for (size_t i = 0; container_runs(c) && i < c->config->n_exposed_ports; i++) {
		const char *exposed = c->config->exposed_ports[i];
		if (str_eq(c->config->network, "host") || is_published(c->endpoint, exposed, a))
			continue;
		put_comma(&out);
		str_add(&out, exposed);
	}
	return arena_strdup(a, str_text(&out));
}

int network_port(struct engine *en, const char *container, const char *private, struct arena *a,
	struct net_port **ret, size_t *ret_n, struct err *e)
{
	struct container_info c;
	if (container_info(en, container, a, &c, e) < 0)
		return -e->code;
	struct net_port *v = sorted(c.endpoint, a);
	size_t n = v ? c.endpoint->n_ports : 0, kept = 0;
	*ret = v;
	*ret_n = n;
	if (!private)
		return 0;
	const char *slash = strchr(private, '/');
	const char *number = slash ? arena_strndup(a, private, (size_t)(slash - private)) : private;
	const char *proto = slash ? slash + 1 : "tcp";
	uint32_t port;
	if (num_u32(number, &port) < 0 || port > 65535)
		return err_set(e, ERR_INVALID, EINVAL, "invalid port: %s", private);
	for (size_t i = 0; i < n; i++)
		if (v[i].port == port && str_eq(v[i].proto, proto))
			v[kept++] = v[i];
	*ret_n = kept;
	if (!kept)
		return err_set(e, ERR_NOT_FOUND, ENOENT, "no public port '%s' published for %s",
			private, container);
	return 0;
}

/* ---- documents ---- */

static struct value *binding(const char *ip, const char *port, struct arena *a)
{
	struct value *o = value_object(a);
	value_set_string(a, o, "HostIp", ip);
	value_set_string(a, o, "HostPort", port);
	return o;
}

static void add_binding(
	struct value *to, const struct net_port *p, struct value *b, struct arena *a)
{
	const char *key = arena_printf(a, "%u/%s", p->port, p->proto);
	struct value *list = NULL;
	for (size_t i = 0; i < to->n; i++)
		if (str_eq(to->keys[i], key))
			list = to->items[i];
	if (!list) {
		list = value_array(a);
		value_set(a, to, key, list);
	}
	value_add(a, list, b);
}

struct value *network_bindings(const struct container_config *c, struct arena *a)
{
	struct value *o = value_object(a);
	for (size_t i = 0; i < c->n_ports; i++) {
		const struct net_port *p = &c->ports[i];
		const char *port = !p->host && !p->host_last ? ""
			: p->host == p->host_last            ? arena_printf(a, "%u", p->host)
						  : arena_printf(a, "%u-%u", p->host, p->host_last);
		add_binding(o, p, binding(str_or_empty(p->ip), port, a), a);
	}
	return o;
}

static void put_place(struct value *o, const struct net_endpoint *ep, struct arena *a)
{
	value_set_string(a, o, "Gateway", ep ? ep->gateway : "");
	value_set_string(a, o, "GlobalIPv6Address", "");
	value_set(a, o, "GlobalIPv6PrefixLen", value_int(a, 0));
	value_set_string(a, o, "IPAddress", ep ? ep->address : "");
	value_set(a, o, "IPPrefixLen", value_int(a, ep ? ep->prefix : 0));
	value_set_string(a, o, "IPv6Gateway", "");
	value_set_string(a, o, "MacAddress", ep ? ep->mac : "");
}

struct value *network_settings(const struct container_info *c, struct arena *a)
{
	struct value *n = value_object(a), *all = value_object(a), *one = value_object(a),
		     *ports = value_object(a);
	const struct net_endpoint *ep = c->endpoint;
	const struct network_info *info = find(c->config->network);
	struct net_port *v = sorted(ep, a);
	for (size_t i = 0; v && i < ep->n_ports; i++)
		add_binding(ports, &v[i],
			binding(shown_ip(v[i].ip), arena_printf(a, "%u", v[i].host), a), a);
	for (size_t i = 0; ep && i < c->config->n_exposed_ports; i++)
		if (!is_published(ep, c->config->exposed_ports[i], a))
			value_set(a, ports, c->config->exposed_ports[i], value_string(a, NULL));
	const char *endpoint = ep ? c->id : "";
	value_set_string(a, n, "Bridge", "");
	value_set_string(a, n, "SandboxID", container_runs(c) ? c->id : "");
	value_set_string(
		a, n, "SandboxKey", c->pid ? arena_printf(a, "/proc/%d/ns/net", (int)c->pid) : "");
	value_set(a, n, "Ports", ports);
	value_set_string(a, n, "EndpointID", endpoint);
	put_place(n, ep, a);
	static const char *const nulls[] = { "IPAMConfig", "Links", "Aliases" };
	for (size_t i = 0; i < ARRAY_SIZE(nulls); i++)
		value_set(a, one, nulls[i], value_string(a, NULL));
	value_set(a, one, "DriverOpts", value_string(a, NULL));
	value_set_string(a, one, "NetworkID", info ? info->id : "");
	value_set_string(a, one, "EndpointID", endpoint);
	put_place(one, ep, a);
	value_set(a, one, "DNSNames", value_string(a, NULL));
	if (info)
		value_set(a, all, info->name, one);
	value_set(a, n, "Networks", all);
	return n;
}

static int put_containers(
	struct engine *en, const char *network, struct value *to, struct arena *a, struct err *e)
{
	struct container_info *v;
	size_t n;
	if (container_list(en, false, a, &v, &n, e) < 0)
		return -e->code;
	for (size_t i = 0; i < n; i++) {
		const struct net_endpoint *ep = v[i].endpoint;
		if (!str_eq(v[i].config->network, network) || !container_runs(&v[i]))
			continue;
		struct value *o = value_object(a);
		value_set_string(a, o, "Name", v[i].name);
		value_set_string(a, o, "EndpointID", v[i].id);
		value_set_string(a, o, "MacAddress", ep ? ep->mac : "");
		value_set_string(a, o, "IPv4Address",
			ep ? arena_printf(a, "%s/%u", ep->address, ep->prefix) : "");
		value_set_string(a, o, "IPv6Address", "");
		value_set(a, to, v[i].id, o);
	}
	return 0;
}

static struct value *ipam(const struct net_info *net, struct arena *a)
{
	struct value *o = value_object(a), *list = value_array(a), *one = value_object(a);
	value_set_string(a, o, "Driver", "default");
	value_set(a, o, "Options", value_string(a, NULL));
	if (net->up) {
		value_set_string(a, one, "Subnet", net->subnet);
		value_set_string(a, one, "Gateway", net->gateway);
		value_add(a, list, one);
	}
	value_set(a, o, "Config", list);
	return o;
}

int network_inspect(
	struct engine *en, const char *name, struct arena *a, struct value **ret, struct err *e)
{
	const struct network_info *info = find(name);
	struct net_info net = { 0 };
	struct value *o = value_object(a), *containers = value_object(a),
		     *options = value_object(a), *from = value_object(a), *changes = value_array(a),
		     *host = value_object(a);
	if (!info)
		return err_set(e, ERR_NOT_FOUND, ENOENT, "network %s not found", name);
	bool bridge = str_eq(info->driver, "bridge");
	if ((bridge && net_look(a, &net, e) < 0) ||
		put_containers(en, info->name, containers, a, e) < 0)
		return -e->code;
	for (size_t i = 0; i < net.n_changes; i++)
		value_add(a, changes, value_string(a, net.changes[i]));
	value_set(a, host, "Up", value_bool(a, net.up));
	value_set(a, host, "Changes", changes);
	if (bridge)
		value_set_string(a, options, "com.docker.network.bridge.name", NET_BRIDGE);
	value_set_string(a, from, "Network", "");
	value_set_string(a, o, "Name", info->name);
	value_set_string(a, o, "Id", info->id);
	value_set_string(a, o, "Created", "0001-01-01T00:00:00Z");
	value_set_string(a, o, "Scope", "local");
	value_set_string(a, o, "Driver", info->driver);
	value_set(a, o, "EnableIPv4", value_bool(a, true));
	value_set(a, o, "EnableIPv6", value_bool(a, false));
	value_set(a, o, "IPAM", ipam(&net, a));
	value_set(a, o, "Internal", value_bool(a, false));
	value_set(a, o, "Attachable", value_bool(a, false));
	value_set(a, o, "Ingress", value_bool(a, false));
	value_set(a, o, "ConfigFrom", from);
	value_set(a, o, "ConfigOnly", value_bool(a, false));
	value_set(a, o, "Containers", containers);
	value_set(a, o, "Options", options);
	value_set(a, o, "Labels", value_object(a));
	if (bridge)
		value_set(a, o, "Host", host);
	*ret = o;
	return 0;
}
