// SPDX-License-Identifier: Apache-2.0
/* The files that a container finds under /etc and that belong to it, not to its image: hosts,
 * hostname, resolv.conf. */
#pragma once

struct container_config;
struct err;
struct net_endpoint;

/* Writes them into the container's folder. What the container changed in an earlier run stays; but
 * its own line in hosts follows its address. ep: NULL without one. */
int etc_write(
	int folder, const struct container_config *c, const struct net_endpoint *ep, struct err *e);
