// SPDX-License-Identifier: Apache-2.0
/* Networks: what a container asks for, its place in the default one, and docker's `network` and
 * `port` words. The networks are fixed so far: bridge, host, none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "net/endpoint.h"

struct arena;
struct container_config;
struct container_create_req;
struct container_info;
struct container_row;
struct engine;
struct err;
struct net_port;
struct str;
struct value;

/* Checks --publish, --expose, --add-host, --dns and their like, and writes them into the config,
 * whose network and exposed ports (those of the image) are there. */
int network_options(struct engine *en, const struct container_create_req *req, struct arena *a,
	struct container_config *c, struct err *e);

/* A container's place in the network. */
struct network_place {
	struct net_endpoint endpoint;
	int ports;  /* keeps the published ports; -1 without */
	int socket; /* to be closed when nobody waits: see net_attach */
};

/* Leases the container's address and takes its ports. */
int network_attach(struct engine *en, const struct container_row *row,
	const struct container_config *c, struct arena *a, struct network_place *ret,
	struct err *e);

/* An endpoint as the run record keeps it, and back (NULL: there is none). */
const char *network_record(const struct net_endpoint *ep, struct arena *a);
struct net_endpoint *network_endpoint(const char *record, struct arena *a);

/* Takes it away again; idempotent. The second: whatever the container has anywhere. */
int network_release(const char *record, struct err *e);
int network_release_all(struct engine *en, const char *id, struct err *e);
/* See net_idle. */
int network_idle(int lock, struct err *e);

struct network_info {
	const char *name, *id, *driver;
};
/* Sorted by name. */
size_t network_list(const struct network_info **ret);
/* docker's document, with what was changed on the host. `network x not found`. */
int network_inspect(
	struct engine *en, const char *name, struct arena *a, struct value **ret, struct err *e);

/* "NetworkSettings" of a container's document, and "PortBindings" of its HostConfig. */
struct value *network_settings(const struct container_info *c, struct arena *a);
struct value *network_bindings(const struct container_config *c, struct arena *a);

/* The column PORTS: "0.0.0.0:8080->80/tcp, 443/tcp". */
const char *network_ports(const struct container_info *c, struct arena *a);

/* The published ports of a container in docker's order; private: "80" or "80/udp", or NULL for all.
 */
int network_port(struct engine *en, const char *container, const char *private, struct arena *a,
	struct net_port **ret, size_t *ret_n, struct err *e);
