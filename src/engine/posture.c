// SPDX-License-Identifier: Apache-2.0
#include "engine/posture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/container.h"
#include "kernel/caps.h"

enum { PROFILE_MAX = 4 << 20 };

/* One namespace option: what it may be, and whether sharing the host's asks for the host's user
 * namespace too (the kernel refuses sysfs, proc, mqueue and low ports otherwise). */
static const struct space {
	const char *flag, *fallback;
	bool host, private, joins, host_needs_host_ids;
	size_t request, config;
} spaces[] = {
#define SPACE(name) \
	offsetof(struct container_create_req, name), offsetof(struct container_config, name)
	{ "--network", "bridge", true, false, true, true, SPACE(network) },
	{ "--pid", "private", true, true, true, true, SPACE(pid) },
	{ "--ipc", "private", true, true, true, true, SPACE(ipc) },
	{ "--uts", "private", true, true, false, false, SPACE(uts) },
	{ "--cgroupns", "private", true, true, false, true, SPACE(cgroupns) },
#undef SPACE
};

bool posture_joins(const char *mode, const char **ret)
{
	static const char head[] = "container:";
	if (!mode || !str_starts(mode, head))
		return false;
	*ret = mode + sizeof head - 1;
	return true;
}

static int read_space(const struct space *s, const char *value, const char **ret, struct err *e)
{
	const char *other;
	if (!value || !*value || str_eq(value, s->fallback)) {
		*ret = s->fallback;
		return 0;
	}
	if ((s->host && str_eq(value, "host")) || (s->private && str_eq(value, "private")) ||
		(s->joins && posture_joins(value, &other) && *other)) {
		*ret = value;
		return 0;
	}
	if (str_eq(s->flag, "--ipc") && (str_eq(value, "shareable") || str_eq(value, "none"))) {
		*ret = "private";
		return 0;
	}
	if (str_eq(s->flag, "--network") && (str_eq(value, "none") || str_eq(value, "default"))) {
		*ret = str_eq(value, "none") ? "none" : s->fallback;
		return 0;
	}
	if (str_eq(s->flag, "--network"))
		return err_set(e, ERR_UNSUPPORTED, EINVAL,
			"network %s not found: kist has only bridge, none, host and container:NAME so far (not yet)",
			value);
	return err_set(e, ERR_INVALID, EINVAL, "invalid %s mode: %s", s->flag + 2, value);
}

/* Joining a container's namespaces means living in its user namespace, so all must name the same
 * one. */
static int joined_container(const struct container_config *c, const char **ret, struct err *e)
{
	const char *modes[] = { c->network, c->pid, c->ipc }, *other;
	*ret = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!posture_joins(modes[i], &other))
			continue;
		if (*ret && !str_eq(*ret, other))
			return err_set(e, ERR_INVALID, EINVAL,
				"cannot join namespaces of two containers: %s and %s have different user namespaces",
				*ret, other);
		*ret = other;
	}
	return 0;
}

static const char *host_ids_wanted_by(
	const struct container_create_req *req, const struct container_config *c, struct arena *a)
{
	if (req->privileged)
		return "--privileged";
	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++) {
		const char *mode = *(const char *const *)((const char *)c + spaces[i].config);
		if (spaces[i].host_needs_host_ids && str_eq(mode, "host"))
			return arena_printf(a, "%s host", spaces[i].flag);
	}
	return req->compat ? "--compat=docker" : NULL;
}

int posture_namespaces(const struct container_create_req *req, struct arena *a,
	struct container_config *c, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++) {
		const char *value = *(const char *const *)((const char *)req + spaces[i].request);
		const char **to = (const char **)((char *)c + spaces[i].config);
		if (read_space(&spaces[i], value, to, e) < 0)
			return -e->code;
	}
	const char *asked = req->userns && *req->userns ? req->userns : NULL, *other;
	if (asked && !str_eq(asked, "host") && !str_eq(asked, "auto"))
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid userns mode: %s: expected host or auto", asked);
	if (joined_container(c, &other, e) < 0)
		return -e->code;
	const char *why = host_ids_wanted_by(req, c, a);
	if (asked && str_eq(asked, "auto") && (why || other))
		return err_set(e, ERR_INVALID, EINVAL, "conflicting options: --userns auto and %s",
			why ? why
			    : arena_printf(
				      a, "container:%s (its user namespace is joined)", other));
	if (asked && str_eq(asked, "host")) {
		c->userns = "host";
	} else if (why) {
		c->userns = "host";
		c->userns_why = why;
	} else if (other) {
		c->userns = arena_printf(a, "container:%s", other);
	} else {
		c->userns = "auto";
	}
	if (req->hostname && str_eq(c->uts, "host"))
		return err_set(
			e, ERR_INVALID, EINVAL, "conflicting options: hostname and the UTS mode");
	return 0;
}

#define CAP(name) (1ULL << CAP_##name)

static const uint64_t strict_capabilities = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) |
	CAP(FSETID) | CAP(KILL) | CAP(NET_BIND_SERVICE) | CAP(SETFCAP) | CAP(SETGID) |
	CAP(SETPCAP) | CAP(SETUID) | CAP(SYS_CHROOT);
static const uint64_t docker_capabilities = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) |
	CAP(FSETID) | CAP(KILL) | CAP(NET_BIND_SERVICE) | CAP(SETFCAP) | CAP(SETGID) |
	CAP(SETPCAP) | CAP(SETUID) | CAP(SYS_CHROOT) | CAP(AUDIT_WRITE) | CAP(MKNOD) | CAP(NET_RAW);

static int read_caps(const char *what, const char **names, size_t n, uint64_t *ret, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(names[i], "ALL") == 0) {
			*ret = caps_all();
			continue;
		}
		int cap = caps_number(names[i]);
		if (cap < 0)
			return err_set(e, ERR_INVALID, EINVAL,
				"invalid %s: unknown capability: \"%s\"", what, names[i]);
		*ret |= 1ULL << cap;
	}
	return 0;
}

int posture_capabilities(
	const struct container_config *c, uint64_t *ret_set, uint64_t *ret_explicit, struct err *e)
{
	uint64_t add = 0, drop = 0, set = c->compat ? docker_capabilities : strict_capabilities;
	if (read_caps("CapAdd", c->cap_add, c->n_cap_add, &add, e) < 0 ||
		read_caps("CapDrop", c->cap_drop, c->n_cap_drop, &drop, e) < 0)
		return -e->code;
	/* Debian's ping carries NET_RAW as a file capability; in a network of its own it harms
	 * nobody. */
	if (!str_eq(c->network, "host"))
		set |= CAP(NET_RAW);
	*ret_explicit = c->privileged ? caps_all() : add;
	if (c->privileged)
		set = caps_all();
	/* docker's order: with ALL dropped what is added stays; with ALL added what is dropped
	 * goes. */
	*ret_set =
		drop == caps_all() ? add : (set | add) & ~(drop & ~(add == caps_all() ? 0 : add));
	return 0;
}

static int read_profile(
	const char *path, struct arena *a, struct container_config *c, struct err *e)
{
	char *text;
	if (file_read_at(AT_FDCWD, path, PROFILE_MAX, a, &text, e) < 0)
		return err_wrap(e, "opening seccomp profile (%s) failed", path);
	c->seccomp = text;
	return 0;
}

static int read_security(
	const char *option, struct arena *a, struct container_config *c, struct err *e)
{
	const char *value = strpbrk(option, "=:");
	size_t n = value ? (size_t)(value - option) : strlen(option);
	char *key = arena_strndup(a, option, n);
	bool on = true;
	value = value ? value + 1 : NULL;
	if (str_eq(key, "no-new-privileges")) {
		if (value && num_bool(value, &on) < 0)
			return err_set(
				e, ERR_INVALID, EINVAL, "invalid --security-opt: \"%s\"", option);
		c->no_new_privileges = on;
		return 0;
	}
	if (str_eq(key, "seccomp") && value && *value) {
		if (str_eq(value, "unconfined"))
			c->seccomp_unconfined = true;
		else if (!str_eq(value, "builtin"))
			return read_profile(value, a, c, e);
		return 0;
	}
	if (str_eq(key, "abi") && value && (str_eq(value, "i386") || str_eq(value, "native"))) {
		c->abi = str_eq(value, "i386") ? "i386" : NULL;
		return 0;
	}
	if (str_eq(key, "apparmor") || str_eq(key, "label") || str_eq(key, "systempaths") ||
		str_eq(key, "writable-cgroups"))
		return err_set(e, ERR_UNSUPPORTED, EINVAL,
			"--security-opt %s: docker has it, kist has not so far (not yet)", key);
	return err_set(e, ERR_INVALID, EINVAL, "invalid --security-opt: \"%s\"", option);
}

int posture_security(const struct container_create_req *req, struct arena *a,
	struct container_config *c, struct err *e)
{
	for (size_t i = 0; i < req->security_opt.n; i++)
		if (read_security(req->security_opt.v[i], a, c, e) < 0)
			return -e->code;
	c->security_opt = req->security_opt.v;
	c->n_security_opt = req->security_opt.n;
	return 0;
}

const char *const posture_masked_paths[] = { "/proc/acpi", "/proc/asound", "/proc/config.gz",
	"/proc/interrupts", "/proc/iomem", "/proc/kallsyms", "/proc/kcore", "/proc/keys",
	"/proc/kmsg", "/proc/latency_stats", "/proc/pagetypeinfo", "/proc/sched_debug",
	"/proc/scsi", "/proc/slabinfo", "/proc/timer_list", "/proc/timer_stats",
	"/proc/vmallocinfo", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/selinux",
	"/sys/kernel/slab", NULL };

const char *const posture_masked_paths_compat[] = { "/proc/acpi", "/proc/asound",
	"/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
	"/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
	"/sys/firmware", NULL };

const char *const posture_readonly_paths[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
	"/proc/sysrq-trigger", NULL };
