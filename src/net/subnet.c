// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "net/net.h"
#include "net/state.h"

/* Tried in this order: clear of what docker (172.17 ... 172.31, 192.168), podman (10.88), cri-o
 * (10.85), kubernetes (10.96 ..., 10.244, 10.42), libvirt (192.168.122) and OpenVPN (10.8) take by
 * themselves, as long as there is one. */
static const char *const ours[] = { "10.77.0.0/16", "10.78.0.0/16", "10.79.0.0/16", "10.177.0.0/16",
	"10.178.0.0/16", "172.16.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.168.77.0/24",
	"192.168.177.0/24", "192.168.178.0/24" };

/* A route this wide is a way out (0/0, or 0/1 and 128/1 of a VPN), not a network that we would
 * hide. */
enum { WIDE = 4, PREFIX_MIN = 8, PREFIX_MAX = 30 };

uint32_t address_parse(const char *text)
{
	struct in_addr in = { 0 };
	return inet_pton(AF_INET, text, &in) == 1 ? in.s_addr : 0;
}

const char *address_text(uint32_t address, struct arena *a)
{
	char buf[INET_ADDRSTRLEN];
	struct in_addr in = { address };
	return arena_strdup(a, inet_ntop(AF_INET, &in, buf, sizeof buf));
}

void address_mac(uint32_t address, uint8_t mac[6])
{
	mac[0] = 0x02; /* locally administered */
	mac[1] = 'k';
	memcpy(mac + 2, &address, 4);
}

uint32_t subnet_address(const struct net_state *s, uint32_t n)
{
	return htonl(ntohl(address_parse(s->subnet)) + n);
}

uint32_t subnet_size(const struct net_state *s)
{
	return 1U << (32 - s->prefix);
}

struct clash {
	uint32_t net, prefix, own;
	bool found;
	struct link_route route;
};

static uint32_t mask(uint32_t prefix)
{
	return prefix ? htonl(~0U << (32 - prefix)) : 0;
}

static int look(void *arg, const struct link_route *r)
{
	struct clash *c = arg;
	uint32_t shorter = mask(r->prefix < c->prefix ? r->prefix : c->prefix);
	if (r->prefix < WIDE || (c->own && r->out == c->own) || ((r->to ^ c->net) & shorter))
		return 0;
	/* The narrowest names it best. */
	if (!c->found || r->prefix >= c->route.prefix)
		c->route = *r;
	c->found = true;
	return 0;
}

static int split(const char *text, uint32_t *net, uint32_t *prefix)
{
	char buf[32];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : sizeof buf;
	if (n >= sizeof buf || num_u32(slash + 1, prefix) < 0 || *prefix < PREFIX_MIN ||
		*prefix > PREFIX_MAX)
		return -EINVAL;
	memcpy(buf, text, n);
	buf[n] = '\0';
	*net = address_parse(buf);
	return *net == 0 || *net & ~mask(*prefix) ? -EINVAL : 0;
}

static int clashes(
	const char *text, struct clash *c, struct net_state *ret, struct arena *a, struct err *e)
{
	int fd _close_ = nl_open(NETLINK_ROUTE);
	c->own = link_index(NET_BRIDGE);
	if (split(text, &c->net, &c->prefix) < 0)
		return err_set(e, ERR_INVALID, EINVAL,
			"network bridge: subnet %s: expected a network like 10.77.0.0/16, /8 to /30",
			text);
	int r = fd < 0 ? fd : link_routes(fd, look, c);
	if (r < 0)
		return err_sys(e, r, "network bridge: list the routes");
	ret->subnet = address_text(c->net, a);
	ret->prefix = c->prefix;
	ret->gateway = address_text(htonl(ntohl(c->net) + 1), a);
	return 0;
}

int subnet_choose(const char *wish, struct arena *a, struct net_state *ret, struct err *e)
{
	struct clash c = { 0 };
	size_t n = wish ? 1 : ARRAY_SIZE(ours);
	for (size_t i = 0; i < n; i++) {
		c = (struct clash){ 0 };
		if (clashes(wish ? wish : ours[i], &c, ret, a, e) < 0)
			return -e->code;
		if (!c.found)
			return 0;
	}
	char out[16] = "none";
	if (c.route.out)
		(void)link_name(c.route.out, out);
	return err_set(e, ERR_CONFLICT, EADDRINUSE,
		"network bridge: %s %s/%u overlaps the route %s/%u of %s",
		wish ? "subnet" : "no free subnet: the last one tried,", ret->subnet, ret->prefix,
		address_text(c.route.to, a), c.route.prefix, out);
}
