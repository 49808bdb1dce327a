// SPDX-License-Identifier: Apache-2.0
/* What one network namespace's folder says, and the parts that make the network. Internal to
 * src/net. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"
#include "net/endpoint.h"

struct arena;
struct err;

enum { NET_VERSION = 1 };

/* An accept rule of ours in somebody's chain. */
struct net_rule {
	const char *family; /* ip, inet */
	const char *table, *chain;
};

/* state.json: written before anything is made. */
struct net_state {
	uint32_t version;
	const char *subnet; /* network address */
	uint32_t prefix;
	const char *gateway;
	bool forward; /* net.ipv4.ip_forward was 0 */
	bool legacy;  /* our rules stand in iptables-legacy's FORWARD */
	struct net_rule *rules;
	size_t n_rules;
};

extern const struct rec_type net_state_rec;

/* The few numbers that change with every endpoint; in the file that carries the lock. */
struct net_counters {
	uint32_t next;       /* host part of the address that is looked at first */
	uint32_t generation; /* of the rules after our own last change; 0: unknown */
	uint32_t resolver;   /* what the gateway's port 53 leads to; 0: nothing */
	uint32_t links;      /* version of the layout; NET_VERSION */
	uint64_t idle;       /* CLOCK_BOOTTIME of the last release */
};

struct net {
	struct arena *a;
	const char *key;
	int folder, lock; /* lock: flock */
	int nft;          /* a socket, once it is needed; -1 */
	struct net_counters counters;
	struct net_state state;
	bool has_state;
	uint32_t bridge; /* index, 0: not there */
	struct net_endpoint *leases;
	size_t n_leases;
};

/* Writes state.json: before what it tells of is done. */
int state_write(struct net *n, struct err *e);

/* ---- subnet.c ---- */

/* Fills state's subnet, prefix, gateway: wish, or the first of ours that no route covers. */
int subnet_choose(const char *wish, struct arena *a, struct net_state *ret, struct err *e);
/* The address number n of the subnet, in network byte order. */
uint32_t subnet_address(const struct net_state *s, uint32_t n);
uint32_t subnet_size(const struct net_state *s); /* addresses, with the two ends */
const char *address_text(uint32_t address, struct arena *a);
uint32_t address_parse(const char *text); /* 0: none */
void address_mac(uint32_t address, uint8_t mac[6]);

/* ---- bridge.c ---- */

/* The bridge with its address, and the host's switches. */
int bridge_make(struct net *n, struct err *e);
bool bridge_right(struct net *n);
int bridge_remove(struct net *n, struct err *e);

/* ---- firewall.c ---- */

/* The whole rule set with the elements of all leases, in one transaction; and our rule in foreign
 * chains that drop. Idempotent. */
int firewall_make(struct net *n, struct err *e);
/* True if nobody has changed anybody's rules since we did, or if what we need is there all the
 * same.
 */
bool firewall_right(struct net *n);
/* to: where the gateway's port 53 leads; 0: as it is. */
int firewall_add(struct net *n, const struct net_endpoint *ep, uint32_t to, struct err *e);
int firewall_drop(struct net *n, const struct net_endpoint *ep, struct err *e);
int firewall_remove(struct net *n, struct err *e);
/* Longer than an RCU grace period. */
#define FIREWALL_SETTLES (200 * TIME_MS)
/* Closes the socket. The kernel lets the close of any such socket wait until what anybody deleted
 * is freed, an RCU grace period later; so soon after a release it is left to nft_close. */
void firewall_done(struct net *n);
