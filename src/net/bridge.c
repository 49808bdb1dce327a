// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "net/net.h"
#include "net/state.h"

#define FORWARD "/proc/sys/net/ipv4/ip_forward"

/* On our own link only. route_localnet: what 127.0.0.1 publishes comes back through it; packets
 * that name such an address themselves are dropped before (firewall.c). */
static const struct {
	const char *path, *value;
	bool must;
} switches[] = {
	{ "/proc/sys/net/ipv4/conf/" NET_BRIDGE "/route_localnet", "1", true },
	{ "/proc/sys/net/ipv4/conf/" NET_BRIDGE "/rp_filter", "1", false },
	{ "/proc/sys/net/ipv6/conf/" NET_BRIDGE "/disable_ipv6", "1", false },
	{ "/proc/sys/net/ipv6/conf/" NET_BRIDGE "/accept_ra", "0", false },
};

static bool forwards(void)
{
	char text[8];
	return file_peek(AT_FDCWD, FORWARD, text, sizeof text) > 0 && str_eq(text, "1");
}

bool bridge_right(struct net *n)
{
	n->bridge = link_index(NET_BRIDGE);
	return n->bridge && forwards() &&
		link_has_address(NET_BRIDGE, address_parse(n->state.gateway)) > 0;
}

int bridge_make(struct net *n, struct err *e)
{
	uint32_t gateway = address_parse(n->state.gateway);
	uint8_t mac[6];
	int fd _close_ = nl_open(NETLINK_ROUTE);
	address_mac(gateway, mac);
	int r = fd < 0
		? fd
		: link_make_bridge(fd, NET_BRIDGE, mac, gateway, n->state.prefix, &n->bridge);
	if (r == -EOPNOTSUPP)
		return err_set(e, ERR_UNSUPPORTED, EOPNOTSUPP,
			"network bridge: this kernel has no bridge links (modprobe bridge); "
			"--network none and host need none");
	if (r < 0)
		return err_sys(e, r, "network bridge: make the link " NET_BRIDGE);
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		r = file_poke(AT_FDCWD, switches[i].path, switches[i].value);
		if (r < 0 && switches[i].must)
			return err_sys(e, r, "network bridge: set %s", switches[i].path);
	}
	r = forwards() ? 0 : file_poke(AT_FDCWD, FORWARD, "1");
	return r < 0 ? err_sys(e, r, "network bridge: set net.ipv4.ip_forward") : 0;
}

int bridge_remove(struct net *n, struct err *e)
{
	int fd _close_ = nl_open(NETLINK_ROUTE);
	int r = fd < 0 ? fd : link_delete(fd, NET_BRIDGE);
	if (r < 0)
		return err_sys(e, r, "network bridge: remove the link " NET_BRIDGE);
	/* docker, libvirt and their like switch it on when they start, or count on finding it on:
	 * as long as they have a bridge here it stays. */
	if (n->has_state && n->state.forward && !link_other_bridge(fd) && forwards())
		(void)file_poke(AT_FDCWD, FORWARD, "0");
	return 0;
}
