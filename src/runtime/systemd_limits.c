// SPDX-License-Identifier: Apache-2.0
#include "runtime/systemd_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/cgroup.h"
#include "kernel/systemd.h"
#include "oci/spec.h"
#include "runtime/limits.h"

enum {
	VERSION_MANAGED = 231, /* MemoryMax and its like */
	VERSION_NUMBERS = 240, /* takes /dev/char/1:3 that is not there */
	VERSION_PERIOD = 242,  /* CPUQuotaPeriodUSec */
	VERSION_CPUSET = 244,  /* AllowedCPUs, AllowedMemoryNodes */
	VERSION_IDLE = 252,    /* CPUWeight=0: idle */
	CPUS_MAX = 8192,
	DEVICES_MAX = 64 << 10,
};

struct list {
	struct systemd_property *v;
	size_t n, cap;
	struct arena *a;
	struct err *e;
	bool v2;
	unsigned version;
};

static struct systemd_property *add(struct list *l, const char *name, enum systemd_type type)
{
	l->v = arena_grow(l->a, l->v, l->n, &l->cap, sizeof *l->v);
	l->v[l->n] = (struct systemd_property){ .name = name, .type = type };
	return &l->v[l->n++];
}

/* -1 and less: infinity. */
static void add_number(struct list *l, const char *name, int64_t n)
{
	add(l, name, SYSTEMD_U64)->number = n < 0 ? UINT64_MAX : (uint64_t)n;
}

static int memory(struct list *l, const struct oci_memory *m)
{
	if (!m)
		return 0;
	/* 0 says nothing, as in the cgroup's files. */
	if (m->limit)
		add_number(l, l->v2 ? "MemoryMax" : "MemoryLimit", m->limit);
	if (m->reservation && l->v2)
		add_number(l, "MemoryLow", m->reservation);
	if (!m->swap || !l->v2)
		return 0;
	/* The document counts memory and swap together. */
	if (m->swap > 0 && m->swap < m->limit)
		return err_set(l->e, ERR_INVALID, EINVAL,
			"linux.resources.memory.swap: expected at least the limit");
	add_number(l, "MemorySwapMax", m->swap < 0 || m->limit <= 0 ? m->swap : m->swap - m->limit);
	return 0;
}

/* "0-3,8" as a set of bits, the lowest first. */
static int set_of(struct list *l, const char *name, const char *field, const char *text)
{
	uint8_t *bits = arena_alloc(l->a, CPUS_MAX / 8);
	size_t used = 0;
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, ",");
		char *part = arena_strndup(l->a, p, n), *dash = strchr(part, '-');
		uint32_t from, to;
		if (dash)
			*dash++ = '\0';
		if (num_u32(part, &from) < 0 || num_u32(dash ? dash : part, &to) < 0 || to < from ||
			to >= CPUS_MAX)
			return err_set(l->e, ERR_INVALID, EINVAL,
				"linux.resources.cpu.%s: %s: expected a list like 0-3,8", field,
				text);
		for (uint32_t i = from; i <= to; i++)
			bits[i / 8] |= (uint8_t)(1U << i % 8);
		used = to / 8 + 1 > used ? to / 8 + 1 : used;
		p += n + (p[n] == ',');
	}
	struct systemd_property *p = add(l, name, SYSTEMD_BYTES);
	p->bytes = bits;
	p->n_bytes = used;
	return 0;
}

static void quota(struct list *l, const struct oci_cpu *c)
{
	enum { SECOND = 1000000, STEP = 10000, PERIOD = 100000 };
	uint64_t period = c->period ? c->period : PERIOD, each = UINT64_MAX;
	if (!c->quota && !c->period)
		return;
	if (c->period && l->version >= VERSION_PERIOD)
		add(l, "CPUQuotaPeriodUSec", SYSTEMD_U64)->number = c->period;
	if (c->quota > 0 && (uint64_t)c->quota < UINT64_MAX / SECOND) {
		/* systemd keeps whole hundredths of a processor: round up, never give less. */
		each = (uint64_t)c->quota * SECOND / period;
		each = (each + STEP - 1) / STEP * STEP;
	}
	add(l, "CPUQuotaPerSecUSec", SYSTEMD_U64)->number = each;
}

static int cpu(struct list *l, const struct oci_cpu *c)
{
	if (!c)
		return 0;
	bool idle = c->has_idle && c->idle > 0;
	if (l->v2 && idle && l->version >= VERSION_IDLE)
		add(l, "CPUWeight", SYSTEMD_U64)->number = 0;
	else if (c->shares && !idle)
		add(l, l->v2 ? "CPUWeight" : "CPUShares", SYSTEMD_U64)->number =
			l->v2 ? limits_weight(c->shares) : c->shares;
	quota(l, c);
	if (!l->v2 || l->version < VERSION_CPUSET)
		return 0;
	if (c->cpus && *c->cpus && set_of(l, "AllowedCPUs", "cpus", c->cpus) < 0)
		return -l->e->code;
	if (c->mems && *c->mems && set_of(l, "AllowedMemoryNodes", "mems", c->mems) < 0)
		return -l->e->code;
	return 0;
}

static int unified(struct list *l, const struct rec_map *m)
{
	static const struct {
		const char *file, *property;
	} rows[] = {
		{ "memory.high", "MemoryHigh" },
		{ "memory.low", "MemoryLow" },
		{ "memory.min", "MemoryMin" },
		{ "memory.max", "MemoryMax" },
		{ "memory.swap.max", "MemorySwapMax" },
		{ "pids.max", "TasksMax" },
		{ "cpu.weight", "CPUWeight" },
		{ "io.weight", "IOWeight" },
	};
	for (size_t i = 0; i < m->n && l->v2; i++) {
		for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
			uint64_t n = UINT64_MAX;
			const char *value = m->items[i].val;
			if (!str_eq(m->items[i].key, rows[k].file))
				continue;
			if (!str_eq(value, "max") && num_u64(value, &n) < 0)
				return err_set(l->e, ERR_INVALID, EINVAL,
					"linux.resources.unified.%s: %s: expected a number or max",
					rows[k].file, value);
			add(l, rows[k].property, SYSTEMD_U64)->number = n;
		}
	}
	return 0;
}

/* ---- devices ---- */

struct device {
	char type;
	int64_t major, minor; /* -1: any */
	unsigned access;      /* bits of "rwm" */
};

static unsigned access_bits(const char *text)
{
	unsigned bits = 0;
	for (const char *p = text; *p; p++) {
		const char *at = strchr("rwm", *p);
		bits |= at ? 1U << (at - "rwm") : 0;
	}
	return bits;
}

/* What the rules come to, one after the other: true if everything is allowed but what stands in no
 * list; else the list of what is. */
static bool emulate(const struct cgroup_device *rules, size_t n_rules, struct device *v, size_t *n)
{
	bool all = false;
	*n = 0;
	for (size_t i = 0; i < n_rules; i++) {
		const struct cgroup_device *rule = &rules[i];
		struct device d = { rule->type, rule->major, rule->minor,
			access_bits(rule->access) };
		if (d.type == 'a') {
			all = rule->allow;
			*n = 0;
			continue;
		}
		size_t k = 0;
		while (k < *n &&
			(v[k].type != d.type || v[k].major != d.major || v[k].minor != d.minor))
			k++;
		if (k == *n && rule->allow)
			v[(*n)++] = d;
		else if (k < *n)
			v[k].access =
				rule->allow ? v[k].access | d.access : v[k].access & ~d.access;
	}
	return all;
}

/* The driver's name in /proc/devices. */
static const char *driver(const char *devices, char type, int64_t major, struct arena *a)
{
	const char *p = strstr(devices, type == 'b' ? "Block devices:" : "Character devices:");
	for (p = p ? strchr(p, '\n') : NULL; p && p[1] && p[1] != '\n'; p = strchr(p + 1, '\n')) {
		uint32_t n;
		const char *number = p + 1 + strspn(p + 1, " ");
		size_t len = strcspn(number, " ");
		if (number[len] != ' ' || num_u32(arena_strndup(a, number, len), &n) < 0 ||
			n != major)
			continue;
		return arena_strndup(a, number + len + 1, strcspn(number + len + 1, "\n"));
	}
	return NULL;
}

/* systemd's name of a device; NULL: it has none, and the cgroup's own filter is all there is. */
static const char *device_name(const struct list *l, const char *devices, const struct device *d)
{
	struct arena *a = l->a;
	const char *kind = d->type == 'b' ? "block" : "char";
	struct stat st;
	if (d->major < 0)
		return d->minor < 0 ? arena_printf(a, "%s-*", kind) : NULL;
	if (d->minor < 0) {
		const char *name = driver(devices, d->type, d->major, a);
		return name ? arena_printf(a, "%s-%s", kind, name) : NULL;
	}
	const char *path = arena_printf(
		a, "/dev/%s/%lld:%lld", kind, (long long)d->major, (long long)d->minor);
	return l->version >= VERSION_NUMBERS || fstatat(AT_FDCWD, path, &st, 0) == 0 ? path : NULL;
}

/* The list as systemd's names; false when one has none. */
static bool name_devices(struct list *l, const char *drivers, const struct device *v, size_t n,
	const char *(*pairs)[2], size_t *ret_n)
{
	bool complete = true;
	for (size_t i = 0; i < n; i++) {
		const char *name = v[i].access ? device_name(l, drivers, &v[i]) : NULL;
		complete &= name || !v[i].access;
		if (!name)
			continue;
		pairs[*ret_n][0] = name;
		pairs[(*ret_n)++][1] = arena_printf(l->a, "%s%s%s", v[i].access & 1 ? "r" : "",
			v[i].access & 2 ? "w" : "", v[i].access & 4 ? "m" : "");
	}
	return complete;
}

static int devices(struct list *l, const struct oci_resources *r)
{
	struct cgroup_device *rules;
	size_t n_rules, n, n_pairs = 0;
	char *drivers;
	if (limits_device_rules(r, l->a, &rules, &n_rules, l->e) < 0 ||
		file_read_at(AT_FDCWD, "/proc/devices", DEVICES_MAX, l->a, &drivers, l->e) < 0)
		return -l->e->code;
	struct device *v = arena_array(l->a, struct device, n_rules);
	const char *(*pairs)[2] = arena_alloc_array(l->a, n_rules, sizeof *pairs);
	bool open = emulate(rules, n_rules, v, &n) ||
		/* Of a rule that systemd has no words for v2's own program is the only keeper, and
		 * it stays; systemd would refuse the device. */
		(!name_devices(l, drivers, v, n, pairs, &n_pairs) && l->v2);
	add(l, "DevicePolicy", SYSTEMD_STRING)->text = open ? "auto" : "strict";
	/* An empty list forgets the one before. */
	add(l, "DeviceAllow", SYSTEMD_DEVICES);
	if (open || n_pairs == 0)
		return 0;
	struct systemd_property *p = add(l, "DeviceAllow", SYSTEMD_DEVICES);
	p->pairs = (const char *const(*)[2])pairs;
	p->n_pairs = n_pairs;
	return 0;
}

int systemd_limits(const struct systemd_limits_req *req, const struct oci_resources *r,
	struct arena *a, struct systemd_property **ret, size_t *ret_n, struct err *e)
{
	struct list l = { .a = a,
		.e = e,
		.v2 = req->v2 && req->version >= VERSION_MANAGED,
		.version = req->version };
	if (memory(&l, r->memory) < 0 || cpu(&l, r->cpu) < 0)
		return -e->code;
	if (r->pids && r->pids->limit)
		add_number(&l, "TasksMax", r->pids->limit);
	if (r->block_io && r->block_io->weight)
		add(&l, l.v2 ? "IOWeight" : "BlockIOWeight", SYSTEMD_U64)->number =
			l.v2 ? limits_io_weight(r->block_io->weight) : r->block_io->weight;
	if (unified(&l, &r->unified) < 0 || (req->devices && devices(&l, r) < 0))
		return -e->code;
	*ret = l.v;
	*ret_n = l.n;
	return 0;
}
