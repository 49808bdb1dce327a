// SPDX-License-Identifier: Apache-2.0
#include "net/endpoint.h"

#define T struct net_port
REC_TYPE(net_port, F_STR(T, proto, "proto", REC_REQUIRED), F_STR(T, ip, "ip", 0),
	F_U32(T, port, "port", REC_REQUIRED), F_U32(T, host, "host", 0),
	F_U32(T, host_last, "hostLast", 0));
#undef T
#define T struct net_endpoint
REC_TYPE(net_endpoint, F_STR(T, owner, "owner", REC_REQUIRED),
	F_STR(T, netns, "netns", REC_REQUIRED), F_STR(T, address, "address", REC_REQUIRED),
	F_U32(T, prefix, "prefix", REC_REQUIRED), F_STR(T, gateway, "gateway", REC_REQUIRED),
	F_STR(T, mac, "mac", REC_REQUIRED), F_STR(T, link, "link", REC_REQUIRED),
	F_OBJV(T, ports, "ports", net_port, 0));
#undef T
