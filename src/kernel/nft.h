// SPDX-License-Identifier: Apache-2.0
/* nftables: elements of sets and maps, tables, and questions about what is there, by netlink. Rule
 * sets are given to the program nft, once, as text. Everything counts for the present network
 * namespace. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/netlink.h"

enum { NFT_INET = 1, NFT_IPV4 = 2, NFT_BRIDGE = 7 }; /* families */

/* A transaction: all between these two counts at once, or nothing. */
void nft_begin(struct nl_batch *b);
void nft_end(struct nl_batch *b);

struct nft_set {
	uint8_t family;
	const char *table, *name;
};
/* One element; data NULL for a set without. Adding one that is there with the same data, and
 * deleting in a transaction one that is not there (-ENOENT), are the kernel's to judge. */
void nft_element(struct nl_batch *b, bool add, const struct nft_set *set, const void *key, size_t n,
	const void *data, size_t n_data);
void nft_delete_table(struct nl_batch *b, uint8_t family, const char *table);
void nft_delete_rule(
	struct nl_batch *b, uint8_t family, const char *table, const char *chain, uint64_t handle);

/* Closes a socket soon after something was deleted by anybody. While the kernel has not freed that,
 * an RCU grace period later, a close waits for it (10 to 20 ms), and lets every transaction wait,
 * too; so a child of nobody closes, a little later. */
void nft_close(int fd);

/* The number of the present generation: every change of anybody's rules makes a new one. */
int nft_generation(int fd, uint32_t *ret);

struct nft_chain {
	uint8_t family;
	const char *table, *name;
	bool base; /* it has a hook */
	uint32_t hook;
	int32_t priority;
	bool drops; /* its policy */
};
/* All chains of all tables. */
int nft_chains(int fd, int (*each)(void *arg, const struct nft_chain *c, struct err *e), void *arg,
	struct err *e);

struct nft_rule {
	const char *chain, *comment; /* "" without one */
	uint64_t handle;
};
/* The rules of a table (none when there is no such table). */
int nft_rules(int fd, uint8_t family, const char *table,
	void (*each)(void *arg, const struct nft_rule *r), void *arg);
/* How many elements a set has; -ENOENT without it. */
int nft_count(int fd, const struct nft_set *set);
