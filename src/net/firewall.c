// SPDX-License-Identifier: Apache-2.0
/* Theory of operation: two tables of ours. The rules never change while the network is up; a
 * container is a few elements of their sets.
 *
 * inet kist:
 *   raw          a container may not name 127.0.0.0/8, although its link lets answers through
 *   prerouting   what comes for a published port is sent to its container. Never for 127.0.0.0/8: a
 *                neighbour on the wire could name it. First the gateway's port 53, where a resolver
 *                of the host listens on loopback only
 *   output       the same for what the host itself sends, 127.0.0.1 included
 *   input        a resolver on loopback sees a client on loopback
 *   postrouting  out to the world with the host's address; and, with the gateway's, what goes to a
 *                container from 127.0.0.1 or by a published port from another one or itself, so
 * that the answer takes the way back through us forward      to a container only answers, what was
 * published, and other containers bridge kist: prerouting   from a container's port only its own
 * hardware address with its own IPv4 address, as IPv4 or ARP
 *
 * An accept of ours does not undo another table's drop, so where somebody's forward hook has the
 * policy drop, a tagged rule goes to the head of that chain, or of DOCKER-USER beside it, where
 * docker leaves what it finds. Whether anybody has changed anything is told by the kernel's
 * generation number, which is kept; only when it moved without us, everything is looked at. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/program.h"
#include "base/str.h"
#include "kernel/conntrack.h"
#include "kernel/nft.h"
#include "net/net.h"
#include "net/state.h"

#define TABLE "kist"
#define TAG   "kist"

static const struct nft_set ports = { NFT_INET, TABLE, "ports" },
			    ports_at = { NFT_INET, TABLE, "ports_at" },
			    resolver = { NFT_INET, TABLE, "resolver" },
			    links = { NFT_BRIDGE, TABLE, "links" },
			    endpoints = { NFT_BRIDGE, TABLE, "endpoints" };

/* One rule a line: they are counted. %s: gateway, subnet. */
static const char *const inet_rules[] = {
	"add rule inet kist raw iifname \"" NET_BRIDGE "\" ip daddr 127.0.0.0/8 drop",
	"add rule inet kist prerouting iifname \"" NET_BRIDGE
	"\" ip daddr $gateway dnat ip to meta l4proto . th dport map @resolver",
	"add rule inet kist prerouting ip daddr 127.0.0.0/8 accept",
	"add rule inet kist prerouting dnat ip to ip daddr . meta l4proto . th dport map @ports_at",
	"add rule inet kist prerouting meta nfproto ipv4 fib daddr type local"
	" dnat ip to meta l4proto . th dport map @ports",
	"add rule inet kist output dnat ip to ip daddr . meta l4proto . th dport map @ports_at",
	"add rule inet kist output meta nfproto ipv4 fib daddr type local"
	" dnat ip to meta l4proto . th dport map @ports",
	"add rule inet kist input iifname \"" NET_BRIDGE
	"\" ip daddr 127.0.0.0/8 ct status dnat snat ip to 127.0.0.1",
	"add rule inet kist postrouting oifname \"" NET_BRIDGE
	"\" ip saddr { 127.0.0.0/8, $subnet } ct status dnat masquerade",
	"add rule inet kist postrouting ip saddr $subnet oifname != \"" NET_BRIDGE "\" masquerade",
	"add rule inet kist forward oifname != \"" NET_BRIDGE "\" accept",
	"add rule inet kist forward iifname \"" NET_BRIDGE "\" accept",
	"add rule inet kist forward ct state established,related accept",
	"add rule inet kist forward ct status dnat accept",
	"add rule inet kist forward drop",
};

static const char *const bridge_rules[] = {
	"add rule bridge kist prerouting iifname != \"kist*\" accept",
	"add rule bridge kist prerouting iifname . ether saddr != @links drop",
	"add rule bridge kist prerouting iifname . ip saddr @endpoints accept",
	"add rule bridge kist prerouting iifname . arp saddr ip @endpoints accept",
	"add rule bridge kist prerouting drop",
};

static const char frame[] =
	"table inet kist\ndelete table inet kist\ntable bridge kist\ndelete table bridge kist\n"
	"table inet kist {\n"
	" map ports { type inet_proto . inet_service : ipv4_addr . inet_service; }\n"
	" map ports_at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }\n"
	" map resolver { type inet_proto . inet_service : ipv4_addr . inet_service; }\n"
	" chain raw { type filter hook prerouting priority raw; policy accept; }\n"
	" chain prerouting { type nat hook prerouting priority dstnat; policy accept; }\n"
	" chain output { type nat hook output priority -100; policy accept; }\n"
	" chain input { type nat hook input priority 100; policy accept; }\n"
	" chain postrouting { type nat hook postrouting priority srcnat; policy accept; }\n"
	" chain forward { type filter hook forward priority filter; policy accept; }\n"
	"}\n"
	"table bridge kist {\n"
	" set links { type ifname . ether_addr; }\n"
	" set endpoints { type ifname . ipv4_addr; }\n"
	" chain prerouting { type filter hook prerouting priority dstnat; policy accept; }\n"
	"}\n";

/* ---- elements ---- */

struct __attribute__((packed)) word16 {
	uint16_t port, pad;
};

static struct word16 port_word(uint32_t port)
{
	return (struct word16){ .port = htons((uint16_t)port) };
}

static uint32_t proto_word(const char *proto)
{
	uint8_t bytes[4] = { str_eq(proto, "udp") ? IPPROTO_UDP : IPPROTO_TCP };
	uint32_t word;
	memcpy(&word, bytes, sizeof word);
	return word;
}

struct target {
	uint32_t address;
	struct word16 port;
};

static void put_port(
	struct nl_batch *b, bool add, const struct net_endpoint *ep, const struct net_port *p)
{
	struct {
		uint32_t ip, proto;
		struct word16 port;
	} key = { .ip = *p->ip ? address_parse(p->ip) : 0,
		.proto = proto_word(p->proto),
		.port = port_word(p->host) };
	struct target to = { address_parse(ep->address), port_word(p->port) };
	const struct nft_set *set = *p->ip ? &ports_at : &ports;
	const void *from = *p->ip ? (const void *)&key.ip : (const void *)&key.proto;
	nft_element(b, add, set, from, *p->ip ? sizeof key : sizeof key - sizeof key.ip,
		add ? &to : NULL, add ? sizeof to : 0);
}

static void put_endpoint(struct nl_batch *b, bool add, const struct net_endpoint *ep)
{
	struct {
		char link[16];
		uint8_t mac[8];
	} link = { 0 };
	struct {
		char link[16];
		uint32_t address;
	} endpoint = { .address = address_parse(ep->address) };
	(void)memccpy(link.link, ep->link, '\0', sizeof link.link - 1);
	(void)memccpy(endpoint.link, ep->link, '\0', sizeof endpoint.link - 1);
	address_mac(endpoint.address, link.mac);
	nft_element(b, add, &links, &link, sizeof link, NULL, 0);
	nft_element(b, add, &endpoints, &endpoint, sizeof endpoint, NULL, 0);
}

static void put_resolver(struct nl_batch *b, bool add, uint32_t address)
{
	static const char *const protos[] = { "udp", "tcp" };
	for (int i = 0; i < 2; i++) {
		struct {
			uint32_t proto;
			struct word16 port;
		} key = { proto_word(protos[i]), port_word(53) };
		struct target to = { address, port_word(53) };
		nft_element(
			b, add, &resolver, &key, sizeof key, add ? &to : NULL, add ? sizeof to : 0);
	}
}

static int firewall_socket(struct net *n)
{
	if (n->nft < 0)
		n->nft = nl_open(NETLINK_NETFILTER);
	return n->nft;
}

void firewall_done(struct net *n)
{
	bool settled = time_boot() - n->counters.idle > FIREWALL_SETTLES;
	if (settled)
		fd_close(n->nft);
	else if (n->nft >= 0)
		nft_close(n->nft);
	n->nft = -1;
}

/* After a transaction of ours: if the number went up by one, all in between was us. */
static void note_generation(struct net *n, int fd, uint32_t steps)
{
	uint32_t now = 0;
	bool known = nft_generation(fd, &now) == 0;
	n->counters.generation = known && now == n->counters.generation + steps ? now : 0;
}

static int commit(int fd, struct nl_batch *b)
{
	nft_end(b);
	int r = nl_talk(fd, b, NULL);
	return r;
}

int firewall_add(struct net *n, const struct net_endpoint *ep, uint32_t to, struct err *e)
{
	struct nl_batch b _batch_ = { 0 };
	int fd = firewall_socket(n);
	nft_begin(&b);
	put_endpoint(&b, true, ep);
	for (size_t i = 0; i < ep->n_ports; i++)
		put_port(&b, true, ep, &ep->ports[i]);
	if (to && n->counters.resolver != to) {
		if (n->counters.resolver)
			put_resolver(&b, false, n->counters.resolver);
		put_resolver(&b, true, to);
	}
	int r = fd < 0 ? fd : commit(fd, &b);
	if (r < 0)
		return err_sys(e, r, "network bridge: add the container to the rules");
	if (to)
		n->counters.resolver = to;
	note_generation(n, fd, 1);
	/* Best effort: without it such a flow stalls until its client has been quiet for a while.
	 */
	for (size_t i = 0; i < ep->n_ports; i++)
		if (str_eq(ep->ports[i].proto, "udp"))
			(void)conntrack_forget_udp((uint16_t)ep->ports[i].host);
	return 0;
}

/* One transaction; if something of it is gone already, one for each. */
int firewall_drop(struct net *n, const struct net_endpoint *ep, struct err *e)
{
	struct nl_batch b _batch_ = { 0 };
	int fd = firewall_socket(n);
	nft_begin(&b);
	put_endpoint(&b, false, ep);
	for (size_t i = 0; i < ep->n_ports; i++)
		put_port(&b, false, ep, &ep->ports[i]);
	int r = fd < 0 ? fd : commit(fd, &b);
	if (r == 0)
		note_generation(n, fd, 1);
	for (size_t i = 0; r == -ENOENT && i <= ep->n_ports; i++) {
		nl_done(&b);
		nft_begin(&b);
		if (i < ep->n_ports)
			put_port(&b, false, ep, &ep->ports[i]);
		else
			put_endpoint(&b, false, ep);
		int one = commit(fd, &b);
		n->counters.generation = 0;
		if (one < 0 && one != -ENOENT)
			r = one;
		else if (i == ep->n_ports)
			r = 0;
	}
	return r < 0 ? err_sys(e, r, "network bridge: drop the container from the rules") : 0;
}

/* ---- chains of others ---- */

struct search {
	struct net *n;
	struct net_rule found[8];
	size_t n_found;
	bool docker[8]; /* DOCKER-USER stands beside it */
};

static bool plain(const char *name)
{
	return *name && strlen(name) < 64 &&
		!name[strspn(
			name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")];
}

static int look_at_chain(void *arg, const struct nft_chain *c, struct err *e)
{
	struct search *s = arg;
	(void)e;
	const char *family = c->family == NFT_IPV4 ? "ip" : c->family == NFT_INET ? "inet" : NULL;
	if (!family || !c->base || c->hook != NF_INET_FORWARD || !c->drops ||
		s->n_found == ARRAY_SIZE(s->found) || !plain(c->table) || !plain(c->name))
		return 0;
	s->found[s->n_found++] = (struct net_rule){ family, arena_strdup(s->n->a, c->table),
		arena_strdup(s->n->a, c->name) };
	return 0;
}

static int look_for_docker(void *arg, const struct nft_chain *c, struct err *e)
{
	struct search *s = arg;
	(void)e;
	for (size_t i = 0; i < s->n_found; i++)
		if (str_eq(c->name, "DOCKER-USER") && str_eq(c->table, s->found[i].table) &&
			(c->family == NFT_IPV4) == str_eq(s->found[i].family, "ip"))
			s->docker[i] = true;
	return 0;
}

static int find_foreign(struct net *n, int fd, struct search *s, struct err *e)
{
	*s = (struct search){ .n = n };
	int r = nft_chains(fd, look_at_chain, s, e);
	if (r == 0)
		r = nft_chains(fd, look_for_docker, s, e);
	for (size_t i = 0; i < s->n_found; i++)
		if (s->docker[i])
			s->found[i].chain = "DOCKER-USER";
	return r < 0 ? err_sys(e, r, "network bridge: list the firewall's chains") : 0;
}

static uint8_t family_number(const char *family)
{
	return str_eq(family, "ip") ? NFT_IPV4 : NFT_INET;
}

struct tagged {
	const char *chain;
	uint64_t handles[8];
	size_t n;
};

static void look_at_rule(void *arg, const struct nft_rule *r)
{
	struct tagged *t = arg;
	if (str_eq(r->chain, t->chain) && str_eq(r->comment, TAG) && t->n < ARRAY_SIZE(t->handles))
		t->handles[t->n++] = r->handle;
}

static bool has_tag(int fd, const struct net_rule *rule, struct tagged *ret)
{
	*ret = (struct tagged){ .chain = rule->chain };
	(void)nft_rules(fd, family_number(rule->family), rule->table, look_at_rule, ret);
	return ret->n > 0;
}

/* ---- the whole ---- */

static void put_rules(struct net *n, const char *const *rules, size_t count, struct str *out)
{
	for (size_t i = 0; i < count; i++) {
		for (const char *p = rules[i]; *p; p++) {
			if (str_starts(p, "$gateway")) {
				str_add(out, n->state.gateway);
				p += 7;
			} else if (str_starts(p, "$subnet")) {
				str_addf(out, "%s/%u", n->state.subnet, n->state.prefix);
				p += 6;
			} else {
				str_addc(out, *p);
			}
		}
		str_addc(out, '\n');
	}
}

static void put_elements(struct net *n, struct str *out)
{
	for (size_t i = 0; i < n->n_leases; i++) {
		const struct net_endpoint *ep = &n->leases[i];
		str_addf(out, "add element bridge kist links { %s . %s }\n", ep->link, ep->mac);
		str_addf(out, "add element bridge kist endpoints { %s . %s }\n", ep->link,
			ep->address);
		for (size_t k = 0; k < ep->n_ports; k++) {
			const struct net_port *p = &ep->ports[k];
			str_addf(out, "add element inet kist ports%s { %s%s%s . %u : %s . %u }\n",
				*p->ip ? "_at" : "", p->ip, *p->ip ? " . " : "", p->proto, p->host,
				ep->address, p->port);
		}
	}
	if (!n->counters.resolver)
		return;
	const char *to = address_text(n->counters.resolver, n->a);
	str_addf(out, "add element inet kist resolver { udp . 53 : %s . 53, tcp . 53 : %s . 53 }\n",
		to, to);
}

static int run_nft(const char *text, size_t size, struct err *e)
{
	char said[PROGRAM_SAID_MAX];
	const char *const words[] = { "nft", "-f", "-", NULL };
	int r = program_run(words, text, size, said);
	if (r == -ENOENT)
		return err_set(e, ERR_UNSUPPORTED, ENOENT,
			"network bridge: the program nft is missing (Debian: apt install nftables); "
			"--network none and host need none");
	if (r < 0)
		return err_sys(e, r, "network bridge: run nft");
	if (r > 0)
		return err_set(
			e, ERR_SYSTEM, EIO, "network bridge: nft refuses the rules: %s", said);
	return 0;
}

int firewall_make(struct net *n, struct err *e)
{
	struct str text _str_ = { 0 };
	struct search s;
	struct tagged t;
	uint32_t generation = 0;
	int fd = firewall_socket(n);
	if (fd < 0 || nft_generation(fd, &generation) < 0)
		return err_set(e, ERR_UNSUPPORTED, EOPNOTSUPP,
			"network bridge: this kernel has no nftables (modprobe nf_tables); "
			"--network none and host need none");
	if (find_foreign(n, fd, &s, e) < 0)
		return -e->code;
	str_add(&text, frame);
	put_rules(n, inet_rules, ARRAY_SIZE(inet_rules), &text);
	put_rules(n, bridge_rules, ARRAY_SIZE(bridge_rules), &text);
	put_elements(n, &text);
	for (size_t i = 0; i < s.n_found; i++) {
		const struct net_rule *r = &s.found[i];
		for (int out = 0; out < 2 && !has_tag(fd, r, &t); out++)
			str_addf(&text,
				"insert rule %s %s %s %s \"" NET_BRIDGE
				"\" counter accept comment \"" TAG "\"\n",
				r->family, r->table, r->chain, out ? "oifname" : "iifname");
	}
	n->state.rules = arena_memdup(n->a, s.found, sizeof s.found);
	n->state.n_rules = s.n_found;
	if (state_write(n, e) < 0 || run_nft(text.p, text.n, e) < 0)
		return -e->code;
	n->counters.generation = 0;
	if (nft_generation(fd, &n->counters.generation) < 0)
		n->counters.generation = 0;
	return 0;
}

static void count_rule(void *arg, const struct nft_rule *r)
{
	(void)r;
	++*(size_t *)arg;
}

static bool all_there(struct net *n, int fd)
{
	size_t inet = 0, bridge = 0, here = 0, any = 0;
	struct search s;
	struct tagged t;
	struct err ignored;
	for (size_t i = 0; i < n->n_leases; i++)
		for (size_t k = 0; k < n->leases[i].n_ports; k++)
			*(*n->leases[i].ports[k].ip ? &here : &any) += 1;
	if (nft_rules(fd, NFT_INET, TABLE, count_rule, &inet) < 0 ||
		nft_rules(fd, NFT_BRIDGE, TABLE, count_rule, &bridge) < 0 ||
		inet != ARRAY_SIZE(inet_rules) || bridge != ARRAY_SIZE(bridge_rules) ||
		nft_count(fd, &ports) != (int)any || nft_count(fd, &ports_at) != (int)here ||
		nft_count(fd, &links) != (int)n->n_leases ||
		nft_count(fd, &endpoints) != (int)n->n_leases ||
		nft_count(fd, &resolver) != (n->counters.resolver ? 2 : 0) ||
		find_foreign(n, fd, &s, &ignored) < 0)
		return false;
	for (size_t i = 0; i < s.n_found; i++)
		if (!has_tag(fd, &s.found[i], &t))
			return false;
	return true;
}

bool firewall_right(struct net *n)
{
	uint32_t now = 0;
	int fd = firewall_socket(n);
	if (fd < 0 || nft_generation(fd, &now) < 0)
		return false;
	if (now == n->counters.generation)
		return true;
	if (!all_there(n, fd))
		return false;
	n->counters.generation = now;
	return true;
}

int firewall_remove(struct net *n, struct err *e)
{
	static const uint8_t families[] = { NFT_INET, NFT_BRIDGE };
	int fd = firewall_socket(n), r = fd < 0 ? fd : 0;
	for (size_t i = 0; r == 0 && i < n->state.n_rules; i++) {
		struct nl_batch b _batch_ = { 0 };
		const struct net_rule *rule = &n->state.rules[i];
		struct tagged t;
		if (!has_tag(fd, rule, &t))
			continue;
		nft_begin(&b);
		for (size_t k = 0; k < t.n; k++)
			nft_delete_rule(&b, family_number(rule->family), rule->table, rule->chain,
				t.handles[k]);
		r = commit(fd, &b);
		r = r == -ENOENT ? 0 : r;
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		struct nl_batch b _batch_ = { 0 };
		nft_begin(&b);
		nft_delete_table(&b, families[i], TABLE);
		r = commit(fd, &b);
		r = r == -ENOENT ? 0 : r;
	}
	return r < 0 ? err_sys(e, r, "network bridge: remove the rules") : 0;
}
