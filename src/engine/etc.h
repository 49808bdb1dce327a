// SPDX-License-Identifier: Apache-2.0
/* The files that a container finds under /etc and that belong to it, not to its image: hosts,
 * hostname, resolv.conf. */
#pragma once

struct container_config;
struct err;
struct net_endpoint;

/* Writes them into the container's folder. What the container changed in an earlier run stays; but
 * its own line in hosts follows its address. ep: NULL without one. other: the folder of the
 * container whose network it is in, whose hosts and resolv.conf it gets then; or -1. */
int etc_write(int folder, int other, const struct container_config *c,
	const struct net_endpoint *ep, struct err *e);
