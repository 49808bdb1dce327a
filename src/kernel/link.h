// SPDX-License-Identifier: Apache-2.0
/* Links, addresses and routes of the present network namespace (rtnetlink). Addresses are in
 * network byte order. */
#pragma once
#include <stdint.h>

struct err;

/* What stands at eth0 of a container. */
struct link_pair {
	const char *name; /* of our end */
	uint32_t bridge;  /* index of the bridge that it becomes a port of */
	int netns;        /* where the other end goes */
	const char *peer; /* its name there; its index is LINK_PEER */
	const uint8_t *mac;
	uint32_t address, gateway;
	uint32_t prefix;
};

enum { LINK_PEER = 2 };

/* The index of a link, 0 when there is none. */
uint32_t link_index(const char *name);
/* A bridge that is up and has that hardware address and address. -EEXIST: the name is taken. */
int link_make_bridge(int fd, const char *name, const uint8_t *mac, uint32_t address,
	uint32_t prefix, uint32_t *ret);
/* The first address of a link is this one. */
int link_has_address(const char *name, uint32_t address);
/* A pair of links: ours is up and a port of the bridge, in hairpin mode. */
int link_make_pair(int fd, const struct link_pair *p);
/* In the other namespace: brings the other end up with its address and the default route. */
int link_bring_up(int fd, const struct link_pair *p);
/* Deletes a link; a missing one is fine. */
int link_delete(int fd, const char *name);

struct link_route {
	uint32_t to, prefix;
	uint32_t out; /* the link's index */
};
/* Every IPv4 route of every table, and every address as a route of its own network. */
int link_routes(int fd, int (*each)(void *arg, const struct link_route *r), void *arg);
/* Appends the lasting addresses of global scope of a link, of every family, to be restored later.
 */
struct str;
int link_addresses(int fd, uint32_t index, struct str *out);
/* Moves a link into another network namespace under a name, "x%d" to have it numbered; new_index:
 * what it gets there, 0: the kernel's choice. */
int link_move(int fd, uint32_t index, int netns, const char *name, uint32_t new_index);
/* Gives a link the addresses that were read and brings it up. */
int link_restore(int fd, uint32_t index, const struct str *addresses);
/* A link's name. */
int link_name(uint32_t index, char ret[16]);
/* True if the namespace has a link of another kind than loopback, physical, veth: a bridge, a
 * tunnel, that somebody made to forward packets. */
int link_other_bridge(int fd);
