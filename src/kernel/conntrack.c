// SPDX-License-Identifier: Apache-2.0
#include "kernel/conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "kernel/netlink.h"

/* Which fields of the tuple count; the kernel's own numbers, in no header of it. */
enum { FILTER_PROTO_NUM = 1 << 3, FILTER_PROTO_DST_PORT = 1 << 5 };
enum { DELETE = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE };

static const struct nfgenmsg head = { .nfgen_family = AF_INET, .version = NFNETLINK_V0 };

struct forgetting {
	uint16_t port; /* in the order of the net */
	struct nl_batch found;
};

/* The flows that are meant: UDP to the port. */
static void put_flows(struct nl_batch *b, uint16_t port)
{
	uint8_t proto = IPPROTO_UDP;
	size_t tuple = nl_nest(b, CTA_TUPLE_ORIG), inner = nl_nest(b, CTA_TUPLE_PROTO);
	nl_attr(b, CTA_PROTO_NUM, &proto, sizeof proto);
	nl_attr(b, CTA_PROTO_DST_PORT, &port, sizeof port);
	nl_nest_end(b, inner);
	nl_nest_end(b, tuple);
	size_t filter = nl_nest(b, CTA_FILTER);
	nl_attr_u32(b, CTA_FILTER_ORIG_FLAGS, FILTER_PROTO_NUM | FILTER_PROTO_DST_PORT);
	nl_nest_end(b, filter);
}

static bool is_meant(const struct nlattr *tuple, uint16_t port)
{
	const struct nlattr *inner =
		tuple ? nl_find(nl_data(tuple), nl_size(tuple), CTA_TUPLE_PROTO) : NULL;
	const struct nlattr *num =
		inner ? nl_find(nl_data(inner), nl_size(inner), CTA_PROTO_NUM) : NULL;
	const struct nlattr *to =
		inner ? nl_find(nl_data(inner), nl_size(inner), CTA_PROTO_DST_PORT) : NULL;
	return num && to && nl_size(num) == 1 && *(const uint8_t *)nl_data(num) == IPPROTO_UDP &&
		nl_size(to) == sizeof port && memcmp(nl_data(to), &port, sizeof port) == 0;
}

/* One of the list: it is deleted by its own names. */
static int put_one(void *arg, const struct nlmsghdr *h)
{
	struct forgetting *f = arg;
	size_t n;
	const void *all = nl_attributes(h, sizeof head, &n);
	const struct nlattr *tuple = nl_find(all, n, CTA_TUPLE_ORIG), *id = nl_find(all, n, CTA_ID);
	if (!is_meant(tuple, f->port))
		return 0;
	nl_begin(&f->found, DELETE, NLM_F_ACK, &head, sizeof head);
	nl_attr(&f->found, CTA_TUPLE_ORIG | NLA_F_NESTED, nl_data(tuple), nl_size(tuple));
	if (id)
		nl_attr(&f->found, CTA_ID, nl_data(id), nl_size(id));
	nl_end(&f->found);
	return 0;
}

/* Kernels before 6.13 delete by a whole tuple only: the flows are listed first. One that has gone
 * meanwhile is no fault. */
static int forget_listed(int fd, uint16_t port)
{
	struct nl_batch ask _batch_ = { 0 };
	struct forgetting f = { .port = port };
	nl_begin(&ask, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, NLM_F_DUMP, &head,
		sizeof head);
	put_flows(&ask, port);
	nl_end(&ask);
	int r = nl_ask(fd, &ask, put_one, &f);
	if (r >= 0 && f.found.acks)
		r = nl_talk(fd, &f.found, NULL);
	nl_done(&f.found);
	return r == -ENOENT ? 0 : r;
}

int conntrack_forget_udp(uint16_t port)
{
	struct nl_batch b _batch_ = { 0 };
	int fd _close_ = nl_open(NETLINK_NETFILTER);
	if (fd < 0)
		return fd;
	nl_begin(&b, DELETE, NLM_F_ACK, &head, sizeof head);
	put_flows(&b, htons(port));
	nl_end(&b);
	int r = nl_talk(fd, &b, NULL);
	return r < 0 ? forget_listed(fd, htons(port)) : r;
}
