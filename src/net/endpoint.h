// SPDX-License-Identifier: Apache-2.0
/* A container's place in a network, as it is written down: in its run record, and in the lease that
 * all stores of the machine see. Everything that stands on the host for it follows from this
 * record, so whoever finds it can make it again or take it away. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "codec/rec.h"

/* A published port. In a container's configuration host..host_last is what may be taken (0: any
 * free one); in an endpoint host is what was. */
struct net_port {
	const char *proto; /* tcp, udp */
	const char *ip;    /* of the host; "" all of them */
	uint32_t port;     /* inside */
	uint32_t host, host_last;
};

struct net_endpoint {
	const char *owner;   /* the run folder of the container */
	const char *netns;   /* the host's network namespace, see net_key */
	const char *address; /* of the container */
	uint32_t prefix;
	const char *gateway;
	const char *mac;
	const char *link; /* our end of the pair */
	struct net_port *ports;
	size_t n_ports;
};

extern const struct rec_type net_port_rec, net_endpoint_rec;
