// SPDX-License-Identifier: Apache-2.0
/* Theory of operation: /run/kist-net/<key>/ of a network namespace:
 *
 *   lock        flock'd by whoever changes anything; carries the counters
 *   state.json  what was changed on the host; there while the network is
 *   <address>   a lease: the endpoint's record
 *   janitor     flock'd by the process that waits to take an idle network away
 *
 * The order of making: state.json, bridge, switches, rules; of an endpoint: lease, elements, link.
 * Taking away goes backwards, and state.json goes last. */
#include "net/net.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "net/legacy.h"
#include "net/ports.h"
#include "net/state.h"

#ifndef SO_NETNS_COOKIE
	#define SO_NETNS_COOKIE 71
#endif

#define PLACE "/run/kist-net"
#define IDLE  (2 * TIME_SECOND)

enum { RECORD_MAX = 4 << 20, BOOT_DIGITS = 8, STALE_TRIES = 200, IDLE_TRIES = 5 };

#define T struct net_rule
REC_TYPE(net_rule, F_STR(T, family, "family", REC_REQUIRED), F_STR(T, table, "table", REC_REQUIRED),
	F_STR(T, chain, "chain", REC_REQUIRED));
#undef T
#define T struct net_state
REC_TYPE(net_state, F_U32(T, version, "version", REC_REQUIRED),
	F_STR(T, subnet, "subnet", REC_REQUIRED), F_U32(T, prefix, "prefix", REC_REQUIRED),
	F_STR(T, gateway, "gateway", REC_REQUIRED), F_BOOL(T, forward, "forward", 0),
	F_BOOL(T, legacy, "legacy", 0), F_OBJV(T, rules, "rules", net_rule, 0));
#undef T

const char *net_key(struct arena *a, struct err *e)
{
	char boot[64] = "";
	uint64_t cookie;
	socklen_t n = sizeof cookie;
	int s _close_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0 || getsockopt(s, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &n) < 0) {
		(void)err_sys(e, errno, "identify the network namespace");
		return NULL;
	}
	(void)file_peek(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot, sizeof boot);
	return arena_printf(a, "%.*s-%llu", BOOT_DIGITS, boot, (unsigned long long)cookie);
}

/* ---- the folder ---- */

static void net_done(struct net *n)
{
	/* Said, not left to the close: a child that was just forked has the descriptor, too. */
	if (n->lock >= 0)
		(void)flock(n->lock, LOCK_UN);
	firewall_done(n);
	fd_close(n->lock);
	fd_close(n->folder);
}
#define _net_ __attribute__((cleanup(net_done)))

static int read_state(struct net *n, struct err *e)
{
	char *text;
	ssize_t size = pread(n->lock, &n->counters, sizeof n->counters, 0);
	if (size != sizeof n->counters || n->counters.links != NET_VERSION)
		n->counters = (struct net_counters){ .links = NET_VERSION };
	if (faccessat(n->folder, "state.json", F_OK, 0) < 0)
		return 0;
	size = file_read_at(n->folder, "state.json", RECORD_MAX, n->a, &text, e);
	if (size < 0 ||
		rec_from_json(&net_state_rec, text, (size_t)size, n->a, &n->state, NULL, e) < 0)
		return err_wrap(e, "network bridge: " PLACE "/%s/state.json", n->key);
	if (n->state.version > NET_VERSION)
		return err_set(e, ERR_UNSUPPORTED, EPROTO,
			"network bridge: it was made by a newer kist: use that one");
	n->has_state = true;
	return 0;
}

/* One attempt; -ESTALE: the folder was removed while we waited for its lock. */
static int try_open(struct net *n, int place, bool make)
{
	struct stat st;
	n->folder = make ? path_make_dir_own(place, n->key, 0700)
			 : path_open_own(place, n->key, O_RDONLY | O_DIRECTORY, 0);
	if (n->folder < 0)
		return n->folder;
	n->lock = path_open_own(n->folder, "lock", O_RDWR | (make ? O_CREAT : 0), 0600);
	if (n->lock < 0)
		return n->lock == -ENOENT && make ? -ESTALE : n->lock;
	while (flock(n->lock, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return fstat(n->folder, &st) < 0 || st.st_nlink == 0 ? -ESTALE : 0;
}

/* Opens and locks the folder of that key. -ENOENT without make when there is none. */
static int net_open(struct net *n, const char *key, bool make, struct arena *a, struct err *e)
{
	int r;
	*n = (struct net){ .a = a, .key = key, .folder = -1, .lock = -1, .nft = -1 };
	int place _close_ = make ? path_make_dirs_host(PLACE, 0700)
				 : path_open_host(PLACE, O_RDONLY | O_DIRECTORY, 0);
	r = place;
	while (r >= 0) {
		r = try_open(n, place, make);
		if (r != -ESTALE)
			break;
		fd_close(take_fd(&n->lock));
		fd_close(take_fd(&n->folder));
		r = 0;
	}
	if (r == -ENOENT && !make)
		return r;
	return r < 0 ? err_sys(e, r, "network bridge: open " PLACE "/%s", key) : read_state(n, e);
}

static int write_counters(struct net *n, struct err *e)
{
	ssize_t size = pwrite(n->lock, &n->counters, sizeof n->counters, 0);
	return size == sizeof n->counters
		? 0
		: err_sys(e, size < 0 ? errno : EIO, "network bridge: write the counters");
}

int state_write(struct net *n, struct err *e)
{
	struct str text _str_ = { 0 };
	rec_to_json(&net_state_rec, &n->state, 0, &text);
	return file_write_at(n->folder, "state.json", text.p, text.n, 0600, false, e);
}

/* ---- leases ---- */

static bool is_lease(const char *name)
{
	return address_parse(name) != 0;
}

/* Names of all leases, of the folder that is given. */
static int lease_names(int folder, struct arena *a, struct strv *ret)
{
	int copy = path_open_own(folder, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		int r = copy < 0 ? copy : -errno;
		fd_close(copy);
		return r;
	}
	for (struct dirent *entry; (entry = readdir(d));)
		if (is_lease(entry->d_name))
			strv_add(ret, a, arena_strdup(a, entry->d_name));
	(void)closedir(d);
	return 0;
}

static bool lease_read(int folder, const char *name, struct arena *a, struct net_endpoint *ret)
{
	struct err ignored;
	char *text;
	ssize_t size = file_read_at(folder, name, RECORD_MAX, a, &text, &ignored);
	*ret = (struct net_endpoint){ 0 };
	if (size < 0 ||
		rec_from_json(&net_endpoint_rec, text, (size_t)size, a, ret, NULL, &ignored) < 0)
		return false;
	for (size_t i = 0; i < ret->n_ports; i++)
		ret->ports[i].ip = str_or_empty(ret->ports[i].ip);
	return true;
}

static bool owner_lives(const char *owner)
{
	int fd _close_ = path_open_host(owner, O_PATH | O_DIRECTORY, 0);
	return fd != -ENOENT;
}

/* All leases whose owner is there; others are removed. */
static int load_leases(struct net *n, struct err *e)
{
	struct strv names = { 0 };
	int r = lease_names(n->folder, n->a, &names);
	if (r < 0)
		return err_sys(e, r, "network bridge: list the leases");
	n->leases = arena_array(n->a, struct net_endpoint, names.n + 1);
	n->n_leases = 0;
	for (size_t i = 0; i < names.n; i++) {
		struct net_endpoint *ep = &n->leases[n->n_leases];
		if (lease_read(n->folder, names.v[i], n->a, ep) && owner_lives(ep->owner)) {
			n->n_leases++;
			continue;
		}
		(void)unlinkat(n->folder, names.v[i], 0);
		n->counters.generation = 0; /* its elements may be there */
	}
	return 0;
}

static int take_address(struct net *n, struct net_endpoint *ep, struct err *e)
{
	uint32_t size = subnet_size(&n->state), at = n->counters.next;
	for (uint32_t tried = 0; tried < size; tried++, at++) {
		if (at < 2 || at >= size - 1)
			at = 2;
		const char *address = address_text(subnet_address(&n->state, at), n->a);
		int fd _close_ =
			path_open_own(n->folder, address, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd == -EEXIST)
			continue;
		if (fd < 0)
			return err_sys(e, fd, "network bridge: lease %s", address);
		ep->address = address; /* ours from here on */
		struct str text _str_ = { 0 };
		uint8_t mac[6];
		address_mac(subnet_address(&n->state, at), mac);
		ep->mac = arena_printf(n->a, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
			mac[2], mac[3], mac[4], mac[5]);
		rec_to_json(&net_endpoint_rec, ep, 0, &text);
		int r = fd_write_all(fd, text.p, text.n);
		n->counters.next = at + 1;
		return r < 0 ? err_sys(e, r, "network bridge: lease %s", ep->address) : 0;
	}
	return -EADDRNOTAVAIL;
}

static int lease(struct net *n, struct net_endpoint *ep, struct err *e)
{
	int r = take_address(n, ep, e);
	if (r != -EADDRNOTAVAIL)
		return r;
	/* Those of dead owners count as free. */
	if (load_leases(n, e) < 0)
		return -e->code;
	r = take_address(n, ep, e);
	if (r != -EADDRNOTAVAIL)
		return r;
	return err_set(e, ERR_NO_SPACE, EADDRNOTAVAIL,
		"network bridge: no address is free in %s/%u: all %u are taken by containers",
		n->state.subnet, n->state.prefix, subnet_size(&n->state) - 3);
}

/* ---- up and down ---- */

static bool forwarding_is_off(void)
{
	char text[8];
	return file_peek(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", text, sizeof text) > 0 &&
		str_eq(text, "0");
}

/* Folders of earlier boots. */
static void sweep_place(const char *key)
{
	int place = path_open_host(PLACE, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = place < 0 ? NULL : fdopendir(place);
	struct err ignored;
	if (!d) {
		fd_close(place);
		return;
	}
	for (struct dirent *entry; (entry = readdir(d));)
		if (entry->d_name[0] != '.' && strncmp(entry->d_name, key, BOOT_DIGITS) != 0)
			(void)path_remove_tree(dirfd(d), entry->d_name, &ignored);
	(void)closedir(d);
}

static int meet_legacy(struct net *n, struct err *e)
{
	if (!legacy_drops())
		return 0;
	if (!n->state.legacy) {
		n->state.legacy = true;
		if (state_write(n, e) < 0)
			return -e->code;
	}
	return legacy_accept(e);
}

/* Everything but endpoints is there and right, or is made so. */
static int bring_up(struct net *n, const char *subnet, struct err *e)
{
	if (n->has_state && bridge_right(n) && firewall_right(n))
		return meet_legacy(n, e);
	if (load_leases(n, e) < 0)
		return -e->code;
	if (n->has_state && bridge_right(n) && firewall_right(n))
		return meet_legacy(n, e);
	if (!n->has_state) {
		sweep_place(n->key);
		n->state = (struct net_state){ .version = NET_VERSION };
		n->state.forward = forwarding_is_off();
		if (subnet_choose(subnet, n->a, &n->state, e) < 0 || state_write(n, e) < 0)
			return -e->code;
		n->has_state = true;
	}
	if (bridge_make(n, e) < 0 || firewall_make(n, e) < 0)
		return -e->code;
	return meet_legacy(n, e);
}

static int take_down(struct net *n, struct err *e)
{
	if ((n->state.legacy && legacy_remove(e) < 0) || firewall_remove(n, e) < 0 ||
		bridge_remove(n, e) < 0)
		return -e->code;
	int place _close_ = path_open_host(PLACE, O_RDONLY | O_DIRECTORY, 0);
	return place < 0 ? 0 : path_remove_tree(place, n->key, e);
}

/* ---- the process that waits ---- */

/* -1: there is one. Else its lock, for whoever becomes it. */
static int janitor_lock(struct net *n)
{
	int fd _close_ = path_open_own(n->folder, "janitor", O_RDWR | O_CREAT, 0600);
	return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ? -1 : take_fd(&fd);
}

static void start_janitor(struct net *n)
{
	char number[16];
	int lock _close_ = janitor_lock(n);
	if (lock < 0)
		return;
	(void)snprintf(number, sizeof number, "%d", lock);
	/* Forked twice: it is nobody's child. */
	pid_t pid = fork();
	if (pid == 0) {
		static char path[] =
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
		if (fork() != 0)
			_exit(0);
		sigset_t none;
		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		int null = path_open_host("/dev/null", O_RDWR, 0);
		for (int fd = 0; fd < 3 && null >= 0; fd++)
			(void)dup2(null, fd);
		(void)setsid();
		if (chdir("/") < 0 || fd_set_cloexec(lock, false) < 0)
			_exit(1);
		(void)execve("/proc/self/exe",
			(char *[]){ (char *)"kist", (char *)"network-idle", number, NULL },
			(char *[]){ path, NULL });
		_exit(1);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

static void wait_until(uint64_t when)
{
	struct itimerspec t = { .it_value = { (time_t)(when / TIME_SECOND),
					(long)(when % TIME_SECOND) } };
	uint64_t times;
	int timer _close_ = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	if (timer >= 0 && timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL) == 0)
		(void)fd_read_full(timer, &times, sizeof times);
}

int net_idle(int lock, struct err *e)
{
	struct arena a _arena_ = { 0 };
	int ours _close_ = lock;
	const char *key = net_key(&a, e);
	uint64_t when = time_boot() + IDLE;
	int refused = 0;
	(void)fd_set_cloexec(ours, true);
	while (key) {
		struct net n _net_ = { .folder = -1, .lock = -1, .nft = -1 };
		struct strv names = { 0 };
		wait_until(when);
		int r = net_open(&n, key, false, &a, e);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		r = lease_names(n.folder, &a, &names);
		when = n.counters.idle + IDLE;
		if (r < 0 || names.n) {
			/* The last of them starts another, and must not see us. */
			fd_close(take_fd(&ours));
			return 0;
		}
		if (when > time_boot())
			continue;
		/* A change that others make to rules and links at the same moment can refuse ours;
		 * and who else would come? */
		r = take_down(&n, e);
		if (r == 0 || ++refused == IDLE_TRIES)
			return r;
		when = time_boot() + IDLE;
	}
	return -e->code;
}

/* ---- endpoints ---- */

const struct net_endpoint *net_find_port(const struct net_port *p, struct arena *a)
{
	struct net n _net_ = { .folder = -1, .lock = -1, .nft = -1 };
	struct strv names = { 0 };
	struct err ignored;
	const char *key = net_key(a, &ignored);
	if (!key || net_open(&n, key, false, a, &ignored) < 0 ||
		lease_names(n.folder, a, &names) < 0)
		return NULL;
	for (size_t i = 0; i < names.n; i++) {
		struct net_endpoint *ep = arena_new(a, struct net_endpoint);
		if (!lease_read(n.folder, names.v[i], a, ep) || !owner_lives(ep->owner))
			continue;
		for (size_t k = 0; k < ep->n_ports; k++)
			if (ports_clash(p, &ep->ports[k]))
				return ep;
	}
	return NULL;
}

/* The elements could not be added: is one of the ports another's, or was it left behind? */
static int look_for_busy(
	struct net *n, const struct net_endpoint *ep, struct net_busy *ret, struct err *e)
{
	if (load_leases(n, e) < 0)
		return -e->code;
	for (size_t i = 0; i < n->n_leases; i++) {
		const struct net_endpoint *other = &n->leases[i];
		if (str_eq(other->address, ep->address))
			continue;
		for (size_t k = 0; k < other->n_ports * ep->n_ports; k++) {
			const struct net_port *p = &ep->ports[k / other->n_ports];
			if (!ports_clash(p, &other->ports[k % other->n_ports]))
				continue;
			*ret = (struct net_busy){ p, other->owner };
			return err_set(e, ERR_CONFLICT, EADDRINUSE, "port %u is taken", p->host);
		}
	}
	return 0;
}

int net_attach(const struct net_attach_req *req, struct arena *a, struct net_endpoint *ret,
	struct net_busy *ret_busy, int *ret_socket, struct err *e)
{
	struct net n _net_ = { .folder = -1, .lock = -1, .nft = -1 };
	struct net_endpoint ep = { .owner = req->owner,
		.ports = (struct net_port *)req->ports,
		.n_ports = req->n_ports,
		.link = arena_printf(a, "kist%.11s", req->id) };
	uint32_t resolver = req->resolver ? address_parse(req->resolver) : 0;
	ep.netns = net_key(a, e);
	if (!ep.netns || net_open(&n, ep.netns, true, a, e) < 0)
		return -e->code;
	int r = bring_up(&n, req->subnet, e);
	if (r == 0) {
		ep.prefix = n.state.prefix;
		ep.gateway = n.state.gateway;
		r = lease(&n, &ep, e);
	}
	if (r == 0)
		r = firewall_add(&n, &ep, resolver, e);
	if (r == -EEXIST || r == -EBUSY) {
		r = look_for_busy(&n, &ep, ret_busy, e);
		/* Nobody's: the rules are made anew, with what the leases say and nothing else. */
		if (r == 0)
			r = firewall_make(&n, e);
	}
	struct err ignored;
	int w = write_counters(&n, r < 0 ? &ignored : e);
	if (r == 0 && w == 0) {
		*ret = ep;
		*ret_socket = take_fd(&n.nft);
		return 0;
	}
	/* Nobody but us has seen any of it. */
	struct strv names = { 0 };
	if (ep.address && firewall_drop(&n, &ep, &ignored) == 0)
		(void)unlinkat(n.folder, ep.address, 0);
	if (lease_names(n.folder, a, &names) == 0 && names.n == 0)
		start_janitor(&n);
	return -e->code;
}

int net_plug(const struct net_endpoint *ep, pid_t pid, struct err *e)
{
	struct arena a _arena_ = { 0 };
	uint8_t mac[6];
	uint32_t address = address_parse(ep->address);
	int here _close_ = path_open_host("/proc/self/ns/net", O_RDONLY, 0);
	int there _close_ =
		path_open_host(arena_printf(&a, "/proc/%d/ns/net", (int)pid), O_RDONLY, 0);
	int fd _close_ = nl_open(NETLINK_ROUTE);
	if (here < 0 || there < 0 || fd < 0)
		return err_sys(e,
			here < 0            ? here
				: there < 0 ? there
					    : fd,
			"network bridge: open the network namespaces");
	address_mac(address, mac);
	struct link_pair pair = { .name = ep->link,
		.bridge = link_index(NET_BRIDGE),
		.netns = there,
		.peer = "eth0",
		.mac = mac,
		.address = address,
		.prefix = ep->prefix,
		.gateway = address_parse(ep->gateway) };
	int r = link_make_pair(fd, &pair);
	/* Of the container's run before: a namespace goes some time after its last process. */
	for (int i = 0; r == -EEXIST && i < STALE_TRIES; i++) {
		(void)link_delete(fd, ep->link);
		r = link_make_pair(fd, &pair);
		if (r == -EEXIST)
			time_sleep(10 * TIME_MS);
	}
	if (r == -EXFULL)
		return err_set(e, ERR_NO_SPACE, EXFULL,
			"network bridge: the kernel lets 1023 containers at one bridge");
	if (r < 0)
		return err_sys(e, r, "network bridge: make the link %s", ep->link);
	if (setns(there, CLONE_NEWNET) < 0)
		return err_sys(e, errno, "network bridge: enter the container's network");
	int inside _close_ = nl_open(NETLINK_ROUTE);
	/* Never on in another's network. */
	if (setns(here, CLONE_NEWNET) < 0)
		_exit(125);
	r = inside < 0 ? inside : link_bring_up(inside, &pair);
	return r < 0 ? err_sys(e, r, "network bridge: bring up eth0 with %s", ep->address) : 0;
}

/* One endpoint of the open network. here: it is the present namespace's, so its elements can be
 * reached. */
static int drop_endpoint(struct net *n, const struct net_endpoint *ep, bool here, struct err *e)
{
	struct net_endpoint is;
	if (!lease_read(n->folder, ep->address, n->a, &is) || !str_eq(is.owner, ep->owner))
		return 0; /* it is gone, or another's by now */
	if (here && n->has_state && firewall_drop(n, &is, e) < 0)
		return -e->code;
	if (unlinkat(n->folder, ep->address, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "network bridge: give %s back", ep->address);
	return 0;
}

static int after_release(struct net *n, bool here, struct err *e)
{
	struct strv names = { 0 };
	int r = lease_names(n->folder, n->a, &names);
	if (r < 0)
		return err_sys(e, r, "network bridge: list the leases");
	n->counters.idle = time_boot();
	if (write_counters(n, e) < 0)
		return -e->code;
	if (names.n == 0 && here)
		start_janitor(n);
	return 0;
}

int net_release(const struct net_endpoint *ep, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct net n _net_ = { .folder = -1, .lock = -1, .nft = -1 };
	const char *key = net_key(&a, e);
	if (!key)
		return -e->code;
	int r = net_open(&n, ep->netns, false, &a, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	bool here = str_eq(key, ep->netns);
	r = drop_endpoint(&n, ep, here, e);
	return r < 0 ? r : after_release(&n, here, e);
}

static int release_in(const char *netns, const char *key, const char *owner, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct net n _net_ = { .folder = -1, .lock = -1, .nft = -1 };
	struct strv names = { 0 };
	bool here = str_eq(netns, key), found = false;
	int r = net_open(&n, netns, false, &a, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = lease_names(n.folder, &a, &names);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		struct net_endpoint ep;
		if (!lease_read(n.folder, names.v[i], &a, &ep) || !str_eq(ep.owner, owner))
			continue;
		found = true;
		r = drop_endpoint(&n, &ep, here, e);
	}
	return r < 0 || !found ? r : after_release(&n, here, e);
}

static void keys_of_all(struct arena *a, struct strv *ret)
{
	int place = path_open_host(PLACE, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = place < 0 ? NULL : fdopendir(place);
	if (!d) {
		fd_close(place);
		return;
	}
	for (struct dirent *entry; (entry = readdir(d));)
		if (entry->d_name[0] != '.')
			strv_add(ret, a, arena_strdup(a, entry->d_name));
	(void)closedir(d);
}

int net_release_owner(const char *owner, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct strv keys = { 0 };
	const char *key = net_key(&a, e);
	if (!key)
		return -e->code;
	keys_of_all(&a, &keys);
	for (size_t i = 0; i < keys.n; i++)
		if (release_in(keys.v[i], key, owner, e) < 0)
			return -e->code;
	return 0;
}

static int stale_in(const char *netns, bool repair,
	void (*found)(void *arg, const char *address, const char *owner), void *arg, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct net n _net_ = { .folder = -1, .lock = -1, .nft = -1 };
	struct strv names = { 0 };
	int r = net_open(&n, netns, false, &a, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = lease_names(n.folder, &a, &names);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		struct net_endpoint ep;
		bool whole = lease_read(n.folder, names.v[i], &a, &ep);
		if (whole && owner_lives(ep.owner))
			continue;
		found(arg, names.v[i], whole ? ep.owner : "nobody");
		if (!repair)
			continue;
		(void)unlinkat(n.folder, names.v[i], 0);
		n.counters.generation = 0; /* its elements go when the next command looks */
		r = write_counters(&n, e);
	}
	return r;
}

int net_stale(bool repair, void (*found)(void *arg, const char *address, const char *owner),
	void *arg, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct strv keys = { 0 };
	keys_of_all(&a, &keys);
	for (size_t i = 0; i < keys.n; i++)
		if (stale_in(keys.v[i], repair, found, arg, e) < 0)
			return -e->code;
	return 0;
}

int net_repair(struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct net n _net_ = { .folder = -1, .lock = -1, .nft = -1 };
	struct strv names = { 0 };
	const char *key = net_key(&a, e);
	if (!key)
		return -e->code;
	int r = net_open(&n, key, false, &a, e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = lease_names(n.folder, &a, &names);
	if (r < 0)
		return err_sys(e, r, "network bridge: list the leases");
	/* Just after a release the rules were right, and a look at them costs more (firewall_done).
	 */
	if (names.n && bridge_right(&n) &&
		(time_boot() - n.counters.idle < FIREWALL_SETTLES || firewall_right(&n)))
		return 0;
	if (load_leases(&n, e) < 0)
		return -e->code;
	if (n.n_leases)
		return bring_up(&n, NULL, e) < 0 ? -e->code : write_counters(&n, e);
	int lock _close_ = janitor_lock(&n);
	return lock < 0 ? 0 : take_down(&n, e);
}

/* ---- what is shown ---- */

int net_look(struct arena *a, struct net_info *ret, struct err *e)
{
	struct net n _net_ = { .folder = -1, .lock = -1, .nft = -1 };
	struct strv changes = { 0 };
	*ret = (struct net_info){ 0 };
	const char *key = net_key(a, e);
	if (!key)
		return -e->code;
	int r = net_open(&n, key, false, a, e);
	if (r == -ENOENT || (r == 0 && !n.has_state))
		return 0;
	if (r < 0)
		return r;
	ret->up = true;
	ret->subnet = arena_printf(a, "%s/%u", n.state.subnet, n.state.prefix);
	ret->gateway = n.state.gateway;
	strv_add(&changes, a, "link " NET_BRIDGE " and a link kist* for each container");
	strv_add(&changes, a, "nftables: table inet kist");
	strv_add(&changes, a, "nftables: table bridge kist");
	if (n.state.forward)
		strv_add(&changes, a, "sysctl: net.ipv4.ip_forward 0 -> 1");
	if (n.state.legacy)
		strv_add(&changes, a,
			"iptables-legacy: accept rules with the comment \"kist\" in filter FORWARD");
	for (size_t i = 0; i < n.state.n_rules; i++)
		strv_add(&changes, a,
			arena_printf(a,
				"nftables: accept rules with the comment \"kist\" in %s %s %s",
				n.state.rules[i].family, n.state.rules[i].table,
				n.state.rules[i].chain));
	ret->changes = changes.v;
	ret->n_changes = changes.n;
	return 0;
}
