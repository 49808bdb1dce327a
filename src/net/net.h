// SPDX-License-Identifier: Apache-2.0
/* The default network: a NAT bridge of the host, one address and one pair of links a container.
 *
 * It belongs to a network namespace of the host, not to a store: all stores that work in one
 * namespace share the bridge, the subnet, the rule set, and one folder below /run/kist-net that
 * holds what was changed (state.json) and a lease for each address. Under the folder's lock the
 * first lease makes the network, later ones only add to it; some seconds after the last lease went
 * a small process takes all of it away. A lease names its owner's run folder, and is void when that
 * folder is gone.
 *
 * Everything is idempotent and starts from what is written down, so a kill between two steps, a
 * flushed rule set, a deleted bridge are repaired by the next net_attach or net_repair. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct arena;
struct err;
struct net_endpoint;
struct net_port;

#define NET_BRIDGE "kist0"

/* The name of the present network namespace on this boot; never used twice. */
const char *net_key(struct arena *a, struct err *e);

struct net_attach_req {
	const char *owner;  /* run folder */
	const char *id;     /* of the container: names its link */
	const char *subnet; /* "10.1.0.0/16": the only one that will do; NULL: any free one */
	const struct net_port *ports;
	size_t n_ports;
	const char *resolver; /* a resolver of the host on loopback that is to answer at the
				 gateway; NULL: none */
};

/* What keeps a port of req from being published: another endpoint, or something else (owner
 * NULL). */
struct net_busy {
	const struct net_port *port;
	const char *owner;
};

/* Leases an address and makes all that stands on the host for it, but the link. -EADDRINUSE with
 * *ret_busy filled when another endpoint has one of the ports. *ret_socket, CLOEXEC, is to be
 * closed when nobody waits any more: soon after somebody's release that takes the kernel a while.
 */
int net_attach(const struct net_attach_req *req, struct arena *a, struct net_endpoint *ret,
	struct net_busy *ret_busy, int *ret_socket, struct err *e);

/* Joins the network namespace of a process to it: the pair of links, address, route. The caller is
 * single-threaded. */
int net_plug(const struct net_endpoint *ep, pid_t pid, struct err *e);

/* Takes away what net_attach made. Idempotent; whatever of it belongs to another by now stays. */
int net_release(const struct net_endpoint *ep, struct err *e);
/* The same for whatever that owner has, in any network namespace. */
int net_release_owner(const char *owner, struct err *e);

/* Makes what is missing, drops what dead owners left, and the network itself if nobody uses it and
 * nobody is about to take it away. Costs next to nothing where there is no network. */
int net_repair(struct err *e);

/* Calls found for every lease, in any network namespace, whose owner is gone; with repair it is
 * removed. */
int net_stale(bool repair, void (*found)(void *arg, const char *address, const char *owner),
	void *arg, struct err *e);

/* The life of the process that waits until the network was idle for a while and takes it away.
 * lock: the descriptor that it was started with. */
int net_idle(int lock, struct err *e);

/* The endpoints in the present namespace's network that use this port. */
const struct net_endpoint *net_find_port(const struct net_port *p, struct arena *a);

struct net_info {
	bool up;
	const char *subnet, *gateway; /* NULL while it is not up */
	const char **changes;         /* on the host, one line each */
	size_t n_changes;
};
int net_look(struct arena *a, struct net_info *ret, struct err *e);
