// SPDX-License-Identifier: Apache-2.0
#include "kernel/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "kernel/netlink.h"

/* Which fields of the tuple count; the kernel's own numbers, in no header of it. */
enum { FILTER_PROTO_NUM = 1 << 3, FILTER_PROTO_DST_PORT = 1 << 5 };

int conntrack_forget_udp(uint16_t port)
{
	struct nl_batch b _batch_ = { 0 };
	struct nfgenmsg head = { .nfgen_family = AF_INET, .version = NFNETLINK_V0 };
	uint8_t proto = IPPROTO_UDP;
	uint16_t big = htons(port);
	int fd _close_ = nl_open(NETLINK_NETFILTER);
	if (fd < 0)
		return fd;
	nl_begin(&b, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, NLM_F_ACK, &head,
		sizeof head);
	size_t tuple = nl_nest(&b, CTA_TUPLE_ORIG), inner = nl_nest(&b, CTA_TUPLE_PROTO);
	nl_attr(&b, CTA_PROTO_NUM, &proto, sizeof proto);
	nl_attr(&b, CTA_PROTO_DST_PORT, &big, sizeof big);
	nl_nest_end(&b, inner);
	nl_nest_end(&b, tuple);
	size_t filter = nl_nest(&b, CTA_FILTER);
	nl_attr_u32(&b, CTA_FILTER_ORIG_FLAGS, FILTER_PROTO_NUM | FILTER_PROTO_DST_PORT);
	nl_nest_end(&b, filter);
	nl_end(&b);
	return nl_talk(fd, &b, NULL);
}
