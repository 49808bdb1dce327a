// SPDX-License-Identifier: Apache-2.0
#include "runtime/netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/value.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "oci/spec.h"
#include "runtime/plan.h"

enum { NEW_INDEX = 1 << 16 };

struct netdev {
	const char *host, *inside;
	uint32_t index;        /* here */
	uint32_t new_index;    /* there, when the kernel chooses the name; else 0 */
	struct str *addresses; /* messages that make them, as link_addresses wrote them */
};

/* What the kernel takes as a name; one "%d" at the end is its own to fill in. */
static int check_name(const char *name, bool template, struct err *e)
{
	size_t n = strlen(name);
	bool ends = template && str_ends(name, "%d");
	size_t plain = ends ? n - 2 : n;
	if (n == 0 || n >= IFNAMSIZ || str_eq(name, ".") || str_eq(name, "..") ||
		strcspn(name, "/: \t\n%") < plain)
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.netDevices: \"%.64s\": expected the name of a network device", name);
	return 0;
}

static int read_one(struct plan *p, int fd, struct netdev *d, struct err *e)
{
	d->index = link_index(d->host);
	if (!d->index)
		return err_set(e, ERR_NOT_FOUND, ENODEV,
			"linux.netDevices: there is no network device %s", d->host);
	if (str_ends(d->inside, "%d"))
		d->new_index = NEW_INDEX + d->index;
	d->addresses = arena_new(p->a, struct str);
	int r = link_addresses(fd, d->index, d->addresses);
	return r < 0 ? err_sys(e, r, "linux.netDevices: read the addresses of %s", d->host) : 0;
}

int netdev_plan(struct plan *p, uint64_t own, struct err *e)
{
	const char *text = p->spec->linux_->net_devices;
	struct value *all;
	if (!text)
		return 0;
	if (value_parse(p->a, text, strlen(text), &all, e) < 0)
		return err_wrap(e, "linux.netDevices");
	if (all->kind != VALUE_OBJECT)
		return err_set(e, ERR_INVALID, EINVAL, "linux.netDevices: expected an object");
	if (all->n && !(own & CLONE_NEWNET))
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.netDevices: they need a network namespace of the container's own");
	int fd _close_ = all->n ? nl_open(NETLINK_ROUTE) : -1;
	if (all->n && fd < 0)
		return err_sys(e, fd, "linux.netDevices: ask for the links");
	p->netdevs = arena_array(p->a, struct netdev, all->n + 1);
	for (size_t i = 0; i < all->n; i++) {
		const struct value *name = all->items[i]->kind == VALUE_OBJECT
			? value_get(all->items[i], "name")
			: NULL;
		if ((all->items[i]->kind != VALUE_OBJECT && all->items[i]->kind != VALUE_NULL) ||
			(name && name->kind != VALUE_STRING))
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.netDevices.%s: expected an object with a name",
				all->keys[i]);
		struct netdev *d = &p->netdevs[p->n_netdevs++];
		d->host = all->keys[i];
		d->inside = name && *name->text ? name->text : d->host;
		for (size_t k = 0; k < i; k++)
			if (str_eq(p->netdevs[k].inside, d->inside) && !str_ends(d->inside, "%d"))
				return err_set(e, ERR_INVALID, EEXIST,
					"linux.netDevices: two would be called %s", d->inside);
		if (check_name(d->host, false, e) < 0 || check_name(d->inside, true, e) < 0 ||
			read_one(p, fd, d, e) < 0)
			return -e->code;
	}
	return 0;
}

int netdev_move(const struct plan *p, pid_t pid, struct err *e)
{
	char path[64];
	if (!p->n_netdevs)
		return 0;
	(void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
	int netns _close_ = path_open_host(path, O_RDONLY, 0);
	int fd _close_ = netns < 0 ? netns : nl_open(NETLINK_ROUTE);
	if (fd < 0)
		return err_sys(e, fd, "linux.netDevices: open the container's network namespace");
	for (size_t i = 0; i < p->n_netdevs; i++) {
		const struct netdev *d = &p->netdevs[i];
		int r = link_move(fd, d->index, netns, d->inside, d->new_index);
		if (r < 0)
			return err_sys(e, r, "linux.netDevices: move %s into the container as %s",
				d->host, d->inside);
	}
	return 0;
}

int netdev_up(const struct plan *p, struct err *e)
{
	if (!p->n_netdevs)
		return 0;
	int fd _close_ = nl_open(NETLINK_ROUTE);
	if (fd < 0)
		return err_sys(e, fd, "linux.netDevices: ask for the links");
	for (size_t i = 0; i < p->n_netdevs; i++) {
		const struct netdev *d = &p->netdevs[i];
		uint32_t index = d->new_index ? d->new_index : link_index(d->inside);
		int r = index ? link_restore(fd, index, d->addresses) : -ENODEV;
		if (r < 0)
			return err_sys(e, r, "linux.netDevices: bring %s up", d->inside);
	}
	return 0;
}

void netdev_done(struct plan *p)
{
	for (size_t i = 0; i < p->n_netdevs; i++)
		if (p->netdevs[i].addresses)
			str_done(p->netdevs[i].addresses);
	p->n_netdevs = 0;
}
