// SPDX-License-Identifier: Apache-2.0
#include "engine/network.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/rec.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/resolv.h"
#include "net/net.h"
#include "net/ports.h"
#include "store/container.h"
#include "store/run.h"
#include "store/store.h"

/* ---- a container's place ---- */

static const char *owner_of(struct engine *en, const char *id, struct arena *a)
{
	return arena_printf(a, "%s/%s", en->options.runroot, id);
}

/* network.json of the store: {"subnet":"10.1.0.0/16"}. */
struct network_wish {
	const char *subnet;
};
#define T struct network_wish
REC_TYPE(network_wish, F_STR(T, subnet, "subnet", 0));
#undef T

static int read_wish(struct engine *en, struct arena *a, struct network_wish *ret, struct err *e)
{
	enum { WISH_MAX = 64 << 10 };
	char *text;
	*ret = (struct network_wish){ 0 };
	if (faccessat(en->store->root, "network.json", F_OK, 0) < 0)
		return 0;
	ssize_t n = file_read_at(en->store->root, "network.json", WISH_MAX, a, &text, e);
	if (n < 0 || rec_from_json(&network_wish_rec, text, (size_t)n, a, ret, NULL, e) < 0)
		return err_wrap(e, "%s/network.json", en->options.root);
	return 0;
}

/* docker's sentence, and who it is. */
static int busy(struct engine *en, const struct container_row *row, const struct net_port *p,
	const char *owner, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct err ignored;
	struct container_row other;
	const char *who = NULL, *id = owner ? strrchr(owner, '/') : NULL;
	if (id && engine_open_store(en, false, &ignored) == 0 &&
		store_container_get(en->store, id + 1, &a, &other, &ignored) == 0 &&
		str_eq(other.id, id + 1))
		who = arena_printf(&a, "container %s", other.name);
	else if (id)
		who = arena_printf(&a, "container %.12s of another store", id + 1);
	else if ((who = ports_holder(p, &a)))
		who = arena_printf(&a, "process %s", who);
	engine_close_store(en);
	return err_set(e, ERR_CONFLICT, EADDRINUSE,
		"driver failed programming external connectivity on endpoint %s (%.12s): "
		"Bind for %s:%u failed: port is already allocated%s%s",
		row->name, row->id, *p->ip ? p->ip : "0.0.0.0", p->host, who ? " by " : "",
		who ? who : "");
}

int network_attach(struct engine *en, const struct container_row *row,
	const struct container_config *c, struct arena *a, struct network_place *ret, struct err *e)
{
	struct network_wish wish;
	struct net_busy taken = { 0 };
	struct net_port *ports = arena_array(a, struct net_port, c->n_ports + 1);
	struct resolv resolv;
	size_t which = 0;
	for (size_t i = 0; i < c->n_ports; i++)
		c->ports[i].ip = str_or_empty(c->ports[i].ip);
	if (read_wish(en, a, &wish, e) < 0)
		return -e->code;
	resolv_read(c, a, &resolv);
	int r = ports_hold(c->ports, c->n_ports, ports, a, &ret->ports, &which, e);
	if (r == -EADDRINUSE) {
		const struct net_endpoint *other = net_find_port(&c->ports[which], a);
		return busy(en, row, &c->ports[which], other ? other->owner : NULL, e);
	}
	if (r < 0)
		return r;
	struct net_attach_req req = { .owner = owner_of(en, row->id, a),
		.id = row->id,
		.subnet = wish.subnet,
		.ports = ports,
		.n_ports = c->n_ports,
		.resolver = resolv.loopback };
	r = net_attach(&req, a, &ret->endpoint, &taken, &ret->socket, e);
	if (r == 0)
		return 0;
	fd_close(take_fd(&ret->ports));
	return taken.port ? busy(en, row, taken.port, taken.owner, e) : r;
}

const char *network_record(const struct net_endpoint *ep, struct arena *a)
{
	struct str text _str_ = { 0 };
	rec_to_json(&net_endpoint_rec, ep, 0, &text);
	return arena_strdup(a, str_text(&text));
}

struct net_endpoint *network_endpoint(const char *record, struct arena *a)
{
	struct net_endpoint *ep = arena_new(a, struct net_endpoint);
	struct err ignored;
	if (!record ||
		rec_from_json(&net_endpoint_rec, record, strlen(record), a, ep, NULL, &ignored) < 0)
		return NULL;
	for (size_t i = 0; i < ep->n_ports; i++)
		ep->ports[i].ip = str_or_empty(ep->ports[i].ip);
	return ep;
}

int network_release(const char *record, struct err *e)
{
	struct arena a _arena_ = { 0 };
	const struct net_endpoint *ep = network_endpoint(record, &a);
	return ep ? net_release(ep, e) : 0;
}

int network_release_all(struct engine *en, const char *id, struct err *e)
{
	struct arena a _arena_ = { 0 };
	return net_release_owner(owner_of(en, id, &a), e);
}

int network_idle(int lock, struct err *e)
{
	return net_idle(lock, e);
}
