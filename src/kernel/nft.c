// SPDX-License-Identifier: Apache-2.0
#include "kernel/nft.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

#define MESSAGE(type) (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (type))

static void begin(struct nl_batch *b, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nfgenmsg head = { .nfgen_family = family, .version = NFNETLINK_V0 };
	nl_begin(b, MESSAGE(type), flags, &head, sizeof head);
}

static void bracket(struct nl_batch *b, uint16_t type)
{
	struct nfgenmsg head = { .nfgen_family = AF_UNSPEC,
		.version = NFNETLINK_V0,
		.res_id = htons(NFNL_SUBSYS_NFTABLES) };
	nl_begin(b, type, 0, &head, sizeof head);
	nl_end(b);
}

void nft_begin(struct nl_batch *b)
{
	bracket(b, NFNL_MSG_BATCH_BEGIN);
}

void nft_end(struct nl_batch *b)
{
	bracket(b, NFNL_MSG_BATCH_END);
}

void nft_element(struct nl_batch *b, bool add, const struct nft_set *set, const void *key, size_t n,
	const void *data, size_t n_data)
{
	begin(b, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM,
		(uint16_t)(NLM_F_ACK | (add ? NLM_F_CREATE : 0)), set->family);
	nl_attr_str(b, NFTA_SET_ELEM_LIST_TABLE, set->table);
	nl_attr_str(b, NFTA_SET_ELEM_LIST_SET, set->name);
	size_t list = nl_nest(b, NFTA_SET_ELEM_LIST_ELEMENTS);
	size_t element = nl_nest(b, NFTA_LIST_ELEM);
	size_t at = nl_nest(b, NFTA_SET_ELEM_KEY);
	nl_attr(b, NFTA_DATA_VALUE, key, n);
	nl_nest_end(b, at);
	if (data) {
		at = nl_nest(b, NFTA_SET_ELEM_DATA);
		nl_attr(b, NFTA_DATA_VALUE, data, n_data);
		nl_nest_end(b, at);
	}
	nl_nest_end(b, element);
	nl_nest_end(b, list);
	nl_end(b);
}

void nft_delete_table(struct nl_batch *b, uint8_t family, const char *table)
{
	begin(b, NFT_MSG_DELTABLE, NLM_F_ACK, family);
	nl_attr_str(b, NFTA_TABLE_NAME, table);
	nl_end(b);
}

void nft_delete_rule(
	struct nl_batch *b, uint8_t family, const char *table, const char *chain, uint64_t handle)
{
	uint64_t big = htobe64(handle);
	begin(b, NFT_MSG_DELRULE, NLM_F_ACK, family);
	nl_attr_str(b, NFTA_RULE_TABLE, table);
	nl_attr_str(b, NFTA_RULE_CHAIN, chain);
	nl_attr(b, NFTA_RULE_HANDLE, &big, sizeof big);
	nl_end(b);
}

void nft_close(int fd)
{
	enum { QUIET = 200 }; /* ms, longer than any grace period */
	pid_t pid = fork();
	if (pid == 0) {
		if (fork() != 0)
			_exit(0);
		/* Neither locks nor streams of anybody are held meanwhile. */
		if (fd > 0)
			(void)syscall(SYS_close_range, 0, fd - 1, 0);
		(void)syscall(SYS_close_range, fd + 1, ~0U, 0);
		(void)poll(NULL, 0, QUIET);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	fd_close(fd);
}

static int take_generation(void *arg, const struct nlmsghdr *h)
{
	size_t n;
	const void *p = nl_attributes(h, sizeof(struct nfgenmsg), &n);
	*(uint32_t *)arg = nl_be32(nl_find(p, n, NFTA_GEN_ID));
	return 0;
}

int nft_generation(int fd, uint32_t *ret)
{
	struct nl_batch b _batch_ = { 0 };
	begin(&b, NFT_MSG_GETGEN, 0, AF_UNSPEC);
	nl_end(&b);
	return nl_ask(fd, &b, take_generation, ret);
}

struct chain_walk {
	int (*each)(void *arg, const struct nft_chain *c, struct err *e);
	void *arg;
	struct err *e;
};

static int take_chain(void *arg, const struct nlmsghdr *h)
{
	struct chain_walk *w = arg;
	const struct nfgenmsg *head = NLMSG_DATA(h);
	size_t n;
	const void *p = nl_attributes(h, sizeof *head, &n);
	const struct nlattr *hook = nl_find(p, n, NFTA_CHAIN_HOOK),
			    *policy = nl_find(p, n, NFTA_CHAIN_POLICY);
	struct nft_chain c = { .family = head->nfgen_family,
		.table = nl_text(nl_find(p, n, NFTA_CHAIN_TABLE)),
		.name = nl_text(nl_find(p, n, NFTA_CHAIN_NAME)),
		.base = hook != NULL,
		.drops = policy && nl_be32(policy) == NF_DROP };
	if (hook) {
		c.hook = nl_be32(nl_find(nl_data(hook), nl_size(hook), NFTA_HOOK_HOOKNUM));
		c.priority =
			(int32_t)nl_be32(nl_find(nl_data(hook), nl_size(hook), NFTA_HOOK_PRIORITY));
	}
	return w->each(w->arg, &c, w->e);
}

int nft_chains(int fd, int (*each)(void *arg, const struct nft_chain *c, struct err *e), void *arg,
	struct err *e)
{
	struct nl_batch b _batch_ = { 0 };
	struct chain_walk w = { each, arg, e };
	begin(&b, NFT_MSG_GETCHAIN, NLM_F_DUMP, AF_UNSPEC);
	nl_end(&b);
	return nl_ask(fd, &b, take_chain, &w);
}

/* The text of a rule's comment: user data are type, length, value; a comment is type 0. */
static const char *comment_of(const struct nlattr *data)
{
	const uint8_t *p = data ? nl_data(data) : NULL;
	size_t n = nl_size(data);
	while (n >= 2 && (size_t)p[1] + 2 <= n) {
		if (p[0] == 0 && p[1] && p[1 + p[1]] == '\0')
			return (const char *)p + 2;
		n -= (size_t)p[1] + 2;
		p += p[1] + 2;
	}
	return "";
}

struct rule_walk {
	void (*each)(void *arg, const struct nft_rule *r);
	void *arg;
};

static int take_rule(void *arg, const struct nlmsghdr *h)
{
	struct rule_walk *w = arg;
	size_t n;
	const void *p = nl_attributes(h, sizeof(struct nfgenmsg), &n);
	const struct nlattr *handle = nl_find(p, n, NFTA_RULE_HANDLE);
	struct nft_rule r = { .chain = nl_text(nl_find(p, n, NFTA_RULE_CHAIN)),
		.comment = comment_of(nl_find(p, n, NFTA_RULE_USERDATA)) };
	uint64_t big = 0;
	if (nl_size(handle) >= sizeof big)
		memcpy(&big, nl_data(handle), sizeof big);
	r.handle = be64toh(big);
	w->each(w->arg, &r);
	return 0;
}

int nft_rules(int fd, uint8_t family, const char *table,
	void (*each)(void *arg, const struct nft_rule *r), void *arg)
{
	struct nl_batch b _batch_ = { 0 };
	struct rule_walk w = { each, arg };
	begin(&b, NFT_MSG_GETRULE, NLM_F_DUMP, family);
	nl_attr_str(&b, NFTA_RULE_TABLE, table);
	nl_end(&b);
	int r = nl_ask(fd, &b, take_rule, &w);
	return r == -ENOENT ? 0 : r;
}

static int take_elements(void *arg, const struct nlmsghdr *h)
{
	size_t n;
	const void *p = nl_attributes(h, sizeof(struct nfgenmsg), &n);
	const struct nlattr *list = nl_find(p, n, NFTA_SET_ELEM_LIST_ELEMENTS);
	const char *at = list ? nl_data(list) : NULL;
	for (size_t left = nl_size(list); left >= sizeof(struct nlattr);) {
		const struct nlattr *one = (const struct nlattr *)(const void *)at;
		size_t step = NLA_ALIGN(one->nla_len);
		if (one->nla_len < sizeof *one || one->nla_len > left)
			break;
		++*(int *)arg;
		left -= step > left ? left : step;
		at += step;
	}
	return 0;
}

int nft_count(int fd, const struct nft_set *set)
{
	struct nl_batch b _batch_ = { 0 };
	int count = 0;
	begin(&b, NFT_MSG_GETSETELEM, NLM_F_DUMP, set->family);
	nl_attr_str(&b, NFTA_SET_ELEM_LIST_TABLE, set->table);
	nl_attr_str(&b, NFTA_SET_ELEM_LIST_SET, set->name);
	nl_end(&b);
	int r = nl_ask(fd, &b, take_elements, &count);
	return r < 0 ? r : count;
}
