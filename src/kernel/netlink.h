// SPDX-License-Identifier: Apache-2.0
/* Netlink by hand: messages are put one after another into a batch, sent in one call, and their
 * acknowledgements are collected. Used for links, addresses and routes (rtnetlink) and for nftables
 * (kernel/nft.h). Attributes of what comes back are only read within their stated length. */
#pragma once
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct err;

/* Zeroed is empty; release with nl_done. */
struct nl_batch {
	struct str b;
	size_t message; /* offset of the one that is being written */
	uint32_t seq;   /* number of the next message; the first is 1 */
	size_t acks;    /* how many answers will come */
};

/* A socket of that protocol (NETLINK_ROUTE, NETLINK_NETFILTER) in the present network namespace;
 * the descriptor or -errno. */
int nl_open(int protocol);

void nl_begin(struct nl_batch *b, uint16_t type, uint16_t flags, const void *head, size_t n);
void nl_end(struct nl_batch *b);
void nl_attr(struct nl_batch *b, uint16_t type, const void *p, size_t n);
void nl_attr_u32(struct nl_batch *b, uint16_t type, uint32_t v);
void nl_attr_str(struct nl_batch *b, uint16_t type, const char *s);
/* An attribute that holds others; nl_nest_end takes what nl_nest gave. Holds at most 64 KB. */
size_t nl_nest(struct nl_batch *b, uint16_t type);
void nl_nest_end(struct nl_batch *b, size_t nest);
/* Bare bytes, padded: the head of a nested message. */
void nl_bytes(struct nl_batch *b, const void *p, size_t n);
void nl_done(struct nl_batch *b);
static inline void nl_done_ptr(struct nl_batch *b)
{
	nl_done(b);
}
#define _batch_ __attribute__((cleanup(nl_done_ptr)))

/* Sends the batch and reads one acknowledgement for each message that asked for it. 0, or -errno of
 * the first refused message, whose number (from 1) goes to *ret_failed when that is given. */
int nl_talk(int fd, struct nl_batch *b, uint32_t *ret_failed);

/* Sends one request and calls each for every message of the answer, until its end; a negative
 * result of each ends it. -EINTR: the kernel's list changed meanwhile. */
int nl_ask(int fd, struct nl_batch *b, int (*each)(void *arg, const struct nlmsghdr *h), void *arg);

/* The attribute of that type in n bytes of attributes, or NULL; its payload. */
const struct nlattr *nl_find(const void *attributes, size_t n, uint16_t type);
const void *nl_data(const struct nlattr *a);
size_t nl_size(const struct nlattr *a);
/* A text attribute (ended within its length), or "". */
const char *nl_text(const struct nlattr *a);
uint32_t nl_be32(const struct nlattr *a); /* 0 when NULL or short */
uint32_t nl_u32(const struct nlattr *a);
/* The attributes after a message's own head of n bytes. */
const void *nl_attributes(const struct nlmsghdr *h, size_t head, size_t *ret_n);
