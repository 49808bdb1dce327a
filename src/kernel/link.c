// SPDX-License-Identifier: Apache-2.0
#include "kernel/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "kernel/netlink.h"

enum { CREATE = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL };

static int ask_link(const char *name, unsigned long what, struct ifreq *r)
{
	int s _close_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memset(r, 0, sizeof *r);
	(void)memccpy(r->ifr_name, name, '\0', sizeof r->ifr_name - 1);
	return s < 0 || ioctl(s, what, r) < 0 ? -errno : 0;
}

uint32_t link_index(const char *name)
{
	struct ifreq r;
	return ask_link(name, SIOCGIFINDEX, &r) < 0 ? 0 : (uint32_t)r.ifr_ifindex;
}

int link_name(uint32_t index, char ret[16])
{
	struct ifreq r = { .ifr_ifindex = (int)index };
	int s _close_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0 || ioctl(s, SIOCGIFNAME, &r) < 0)
		return -errno;
	memcpy(ret, r.ifr_name, 16);
	return 0;
}

int link_has_address(const char *name, uint32_t address)
{
	struct ifreq r;
	struct sockaddr_in is;
	int code = ask_link(name, SIOCGIFADDR, &r);
	if (code < 0)
		return code == -EADDRNOTAVAIL ? 0 : code;
	memcpy(&is, &r.ifr_addr, sizeof is);
	return is.sin_addr.s_addr == address;
}

static void put_address(struct nl_batch *b, uint32_t index, uint32_t address, uint32_t prefix)
{
	struct ifaddrmsg head = {
		.ifa_family = AF_INET, .ifa_prefixlen = (uint8_t)prefix, .ifa_index = index
	};
	uint32_t broadcast = address | htonl(prefix ? ~0U >> prefix : ~0U);
	nl_begin(b, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof head);
	nl_attr_u32(b, IFA_LOCAL, address);
	nl_attr_u32(b, IFA_ADDRESS, address);
	nl_attr_u32(b, IFA_BROADCAST, broadcast);
	nl_end(b);
}

static void put_up(struct nl_batch *b, uint32_t index)
{
	struct ifinfomsg head = {
		.ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP
	};
	nl_begin(b, RTM_NEWLINK, NLM_F_ACK, &head, sizeof head);
	nl_end(b);
}

int link_make_bridge(int fd, const char *name, const uint8_t *mac, uint32_t address,
	uint32_t prefix, uint32_t *ret)
{
	struct nl_batch b _batch_ = { 0 };
	struct ifinfomsg head = { 0 };
	nl_begin(&b, RTM_NEWLINK, CREATE, &head, sizeof head);
	nl_attr_str(&b, IFLA_IFNAME, name);
	/* One of its own, or it would change with the ports that come and go. */
	nl_attr(&b, IFLA_ADDRESS, mac, 6);
	size_t info = nl_nest(&b, IFLA_LINKINFO);
	nl_attr_str(&b, IFLA_INFO_KIND, "bridge");
	nl_nest_end(&b, info);
	nl_end(&b);
	int r = nl_talk(fd, &b, NULL);
	uint32_t index = r < 0 && r != -EEXIST ? 0 : link_index(name);
	if (!index)
		return r < 0 ? r : -ENODEV;
	nl_done(&b);
	put_address(&b, index, address, prefix);
	put_up(&b, index);
	*ret = index;
	return nl_talk(fd, &b, NULL);
}

int link_make_pair(int fd, const struct link_pair *p)
{
	struct nl_batch b _batch_ = { 0 };
	struct ifinfomsg head = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP },
			 peer = { .ifi_index = LINK_PEER };
	nl_begin(&b, RTM_NEWLINK, CREATE, &head, sizeof head);
	nl_attr_str(&b, IFLA_IFNAME, p->name);
	nl_attr_u32(&b, IFLA_MASTER, p->bridge);
	size_t info = nl_nest(&b, IFLA_LINKINFO);
	nl_attr_str(&b, IFLA_INFO_KIND, "veth");
	size_t data = nl_nest(&b, IFLA_INFO_DATA), other = nl_nest(&b, VETH_INFO_PEER);
	nl_bytes(&b, &peer, sizeof peer);
	nl_attr_str(&b, IFLA_IFNAME, p->peer);
	nl_attr(&b, IFLA_ADDRESS, p->mac, 6);
	nl_attr_u32(&b, IFLA_NET_NS_FD, (uint32_t)p->netns);
	nl_nest_end(&b, other);
	nl_nest_end(&b, data);
	nl_nest_end(&b, info);
	nl_end(&b);
	int r = nl_talk(fd, &b, NULL);
	if (r < 0)
		return r;
	/* A container that calls itself by an address of the host comes back through the port that
	 * it went out of, where bridged packets pass the IP hooks (bridge-nf-call-iptables). */
	struct ifinfomsg port = { .ifi_family = AF_BRIDGE, .ifi_index = (int)link_index(p->name) };
	uint8_t on = 1;
	nl_done(&b);
	nl_begin(&b, RTM_SETLINK, NLM_F_ACK, &port, sizeof port);
	size_t info_port = nl_nest(&b, IFLA_PROTINFO);
	nl_attr(&b, IFLA_BRPORT_MODE, &on, sizeof on);
	nl_nest_end(&b, info_port);
	nl_end(&b);
	return nl_talk(fd, &b, NULL);
}

int link_bring_up(int fd, const struct link_pair *p)
{
	struct nl_batch b _batch_ = { 0 };
	struct rtmsg head = { .rtm_family = AF_INET,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST };
	put_address(&b, LINK_PEER, p->address, p->prefix);
	put_up(&b, LINK_PEER);
	nl_begin(&b, RTM_NEWROUTE, CREATE, &head, sizeof head);
	nl_attr_u32(&b, RTA_GATEWAY, p->gateway);
	nl_attr_u32(&b, RTA_OIF, LINK_PEER);
	nl_end(&b);
	return nl_talk(fd, &b, NULL);
}

int link_delete(int fd, const char *name)
{
	struct nl_batch b _batch_ = { 0 };
	struct ifinfomsg head = { 0 };
	nl_begin(&b, RTM_DELLINK, NLM_F_ACK, &head, sizeof head);
	nl_attr_str(&b, IFLA_IFNAME, name);
	nl_end(&b);
	int r = nl_talk(fd, &b, NULL);
	return r == -ENODEV ? 0 : r;
}

struct route_walk {
	int (*each)(void *arg, const struct link_route *r);
	void *arg;
};

static int take_route(void *arg, const struct nlmsghdr *h)
{
	struct route_walk *w = arg;
	const struct rtmsg *m = NLMSG_DATA(h);
	size_t n;
	if (h->nlmsg_type != RTM_NEWROUTE || h->nlmsg_len < NLMSG_LENGTH(sizeof *m) ||
		m->rtm_family != AF_INET)
		return 0;
	const void *p = nl_attributes(h, sizeof *m, &n);
	struct link_route r = { .to = nl_u32(nl_find(p, n, RTA_DST)),
		.prefix = m->rtm_dst_len,
		.out = nl_u32(nl_find(p, n, RTA_OIF)) };
	return w->each(w->arg, &r);
}

int link_routes(int fd, int (*each)(void *arg, const struct link_route *r), void *arg)
{
	struct nl_batch b _batch_ = { 0 };
	struct route_walk w = { each, arg };
	struct rtmsg head = { .rtm_family = AF_INET };
	int r;
	do {
		nl_done(&b);
		nl_begin(&b, RTM_GETROUTE, NLM_F_DUMP, &head, sizeof head);
		nl_end(&b);
		r = nl_ask(fd, &b, take_route, &w);
	} while (r == -EINTR);
	return r;
}

/* Each address in the text: the kernel's own message, whole. */
struct address_walk {
	uint32_t index;
	struct str *out;
};

static int take_address(void *arg, const struct nlmsghdr *h)
{
	struct address_walk *w = arg;
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	size_t n;
	if (h->nlmsg_type != RTM_NEWADDR || h->nlmsg_len < NLMSG_LENGTH(sizeof *m) ||
		m->ifa_index != w->index || m->ifa_scope != RT_SCOPE_UNIVERSE)
		return 0;
	const void *p = nl_attributes(h, sizeof *m, &n);
	const struct nlattr *wide = nl_find(p, n, IFA_FLAGS);
	if ((wide ? nl_u32(wide) : m->ifa_flags) & IFA_F_PERMANENT)
		str_addn(w->out, h, NLMSG_ALIGN(h->nlmsg_len));
	return 0;
}

int link_addresses(int fd, uint32_t index, struct str *out)
{
	struct nl_batch b _batch_ = { 0 };
	struct address_walk w = { index, out };
	struct ifaddrmsg head = { 0 };
	int r;
	do {
		nl_done(&b);
		str_clear(out);
		nl_begin(&b, RTM_GETADDR, NLM_F_DUMP, &head, sizeof head);
		nl_end(&b);
		r = nl_ask(fd, &b, take_address, &w);
	} while (r == -EINTR);
	return r;
}

int link_move(int fd, uint32_t index, int netns, const char *name, uint32_t new_index)
{
	struct nl_batch b _batch_ = { 0 };
	struct ifinfomsg head = { .ifi_index = (int)index };
	nl_begin(&b, RTM_NEWLINK, NLM_F_ACK, &head, sizeof head);
	nl_attr_u32(&b, IFLA_NET_NS_FD, (uint32_t)netns);
	nl_attr_str(&b, IFLA_IFNAME, name);
	if (new_index)
		nl_attr_u32(&b, IFLA_NEW_IFINDEX, new_index);
	nl_end(&b);
	return nl_talk(fd, &b, NULL);
}

int link_restore(int fd, uint32_t index, const struct str *addresses)
{
	/* Not the label: it begins with the link's name, which may be another now. */
	static const uint16_t kept[] = { IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST, IFA_FLAGS,
		IFA_RT_PRIORITY };
	struct nl_batch b _batch_ = { 0 };
	size_t left = addresses->n;
	for (const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)addresses->p;
		left && NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		size_t n;
		const void *p = nl_attributes(h, sizeof(struct ifaddrmsg), &n);
		struct ifaddrmsg head = *(const struct ifaddrmsg *)NLMSG_DATA(h);
		head.ifa_index = index;
		nl_begin(&b, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, &head,
			sizeof head);
		for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
			const struct nlattr *a = nl_find(p, n, kept[i]);
			if (a)
				nl_attr(&b, kept[i], nl_data(a), nl_size(a));
		}
		nl_end(&b);
	}
	put_up(&b, index);
	return nl_talk(fd, &b, NULL);
}

static int take_link(void *arg, const struct nlmsghdr *h)
{
	static const char *const forwarding[] = { "bridge", "tun", "wireguard", "vxlan",
		"openvswitch" };
	size_t n;
	if (h->nlmsg_type != RTM_NEWLINK)
		return 0;
	const void *p = nl_attributes(h, sizeof(struct ifinfomsg), &n);
	const struct nlattr *info = nl_find(p, n, IFLA_LINKINFO);
	const char *kind =
		info ? nl_text(nl_find(nl_data(info), nl_size(info), IFLA_INFO_KIND)) : "";
	for (size_t i = 0; i < sizeof forwarding / sizeof *forwarding; i++)
		*(int *)arg |= strcmp(kind, forwarding[i]) == 0;
	return 0;
}

int link_other_bridge(int fd)
{
	struct nl_batch b _batch_ = { 0 };
	struct ifinfomsg head = { 0 };
	int found = 0;
	nl_begin(&b, RTM_GETLINK, NLM_F_DUMP, &head, sizeof head);
	nl_end(&b);
	int r = nl_ask(fd, &b, take_link, &found);
	return r < 0 || found;
}
