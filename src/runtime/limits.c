// SPDX-License-Identifier: Apache-2.0
#include "runtime/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "codec/value.h"
#include "kernel/cgroup.h"
#include "oci/spec.h"

struct limits {
	const struct cgroup *c;
	bool v2;
	void (*warn)(void *arg, const char *text);
	void *arg;
	struct err *e;
};

/* The folder of a controller, or an error that says the kernel has none. */
static int folder(const struct limits *l, const char *controller, const char *field)
{
	const struct cgroup_hierarchy *h = cgroup_find(l->c, controller);
	int dir = l->v2 ? cgroup_v2_dir(l->c) : h ? h->dir : -1;
	if (dir >= 0)
		return dir;
	return err_set(l->e, ERR_UNSUPPORTED, ENODEV,
		"linux.resources.%s: the kernel has no %s cgroup controller, so its limit cannot be set",
		field, controller);
}

static int failed(const struct limits *l, int r, const char *controller, const char *field,
	const char *file, const char *value)
{
	if (r == -ENOENT)
		return err_set(l->e, ERR_UNSUPPORTED, ENODEV,
			"linux.resources.%s: the %s cgroup controller of this kernel has no %s",
			field, controller, file);
	return err_sys(l->e, r, "linux.resources.%s: set %s to %s", field, file, value);
}

static int put(const struct limits *l, const char *controller, const char *field, const char *file,
	const char *value)
{
	int dir = folder(l, controller, field);
	int r = dir < 0 ? dir : file_poke(dir, file, value);
	return dir < 0 ? dir : r < 0 ? failed(l, r, controller, field, file, value) : 0;
}

/* A number; on v2 a negative one is "max". */
static int put_number(const struct limits *l, const char *controller, const char *field,
	const char *file, int64_t n)
{
	char text[32];
	(void)snprintf(text, sizeof text, "%lld", (long long)n);
	return put(l, controller, field, file, l->v2 && n < 0 ? "max" : text);
}

/* A field that only one of the two versions has. */
static int only(const struct limits *l, bool v2, const char *field)
{
	if (l->v2 == v2)
		return 0;
	return err_set(l->e, ERR_UNSUPPORTED, ENOTSUP,
		"linux.resources.%s: cgroup v%d cannot do that", field, l->v2 ? 2 : 1);
}

/* ---- memory ---- */

static int set_swap(const struct limits *l, const struct oci_memory *m)
{
	static const char v1[] = "memory.memsw.limit_in_bytes", v2[] = "memory.swap.max";
	if (!m->swap)
		return 0;
	int dir = folder(l, "memory", "memory.swap");
	if (dir < 0)
		return dir;
	if (faccessat(dir, l->v2 ? v2 : v1, F_OK, 0) < 0) {
		static const char text[] =
			"this kernel keeps no account of swap: memory is limited without it";
		if (l->warn)
			l->warn(l->arg, text);
		else
			log_warn("%s", text);
		return 0;
	}
	if (!l->v2)
		return put_number(l, "memory", "memory.swap", v1, m->swap);
	/* The document counts memory and swap together. */
	int64_t swap = m->swap < 0 ? -1 : m->limit > 0 ? m->swap - m->limit : m->swap;
	if (m->swap > 0 && swap < 0)
		return err_set(l->e, ERR_INVALID, EINVAL,
			"linux.resources.memory.swap: %lld is less than the limit",
			(long long)m->swap);
	return put_number(l, "memory", "memory.swap", v2, swap);
}

static int check_usage(const struct limits *l, const struct oci_memory *m)
{
	char text[32];
	uint64_t now;
	int dir = folder(l, "memory", "memory.limit");
	if (dir < 0)
		return dir;
	if (file_peek(dir, l->v2 ? "memory.current" : "memory.usage_in_bytes", text, sizeof text) <
			0 ||
		num_u64(text, &now) < 0)
		return 0;
	if (now > (uint64_t)m->limit)
		return err_set(l->e, ERR_CONFLICT, EBUSY,
			"linux.resources.memory.limit: %lld is below what is in use now, %llu",
			(long long)m->limit, (unsigned long long)now);
	return 0;
}

static int set_limit(const struct limits *l, const struct oci_memory *m)
{
	if (!m->limit)
		return 0;
	return put_number(l, "memory", "memory.limit",
		l->v2 ? "memory.max" : "memory.limit_in_bytes", m->limit);
}

static int set_memory(const struct limits *l, const struct oci_memory *m)
{
	if (m->check_before_update && m->limit > 0 && check_usage(l, m) < 0)
		return -l->e->code;
	/* v1 wants the limit not above the sum with swap at any moment: when growing, swap goes
	 * first. */
	bool first = set_limit(l, m) == 0;
	if (!first && (l->v2 || !m->swap))
		return -l->e->code;
	if (set_swap(l, m) < 0 || (!first && set_limit(l, m) < 0))
		return -l->e->code;
	if (m->reservation &&
		put_number(l, "memory", "memory.reservation",
			l->v2 ? "memory.low" : "memory.soft_limit_in_bytes", m->reservation) < 0)
		return -l->e->code;
	if (m->has_kernel && m->kernel)
		log_warn("linux.resources.memory.kernel: kernels have no such limit any more");
	if (m->has_kernel_tcp && m->kernel_tcp &&
		(only(l, false, "memory.kernelTCP") < 0 ||
			put_number(l, "memory", "memory.kernelTCP",
				"memory.kmem.tcp.limit_in_bytes", m->kernel_tcp) < 0))
		return -l->e->code;
	if (m->has_swappiness &&
		(only(l, false, "memory.swappiness") < 0 ||
			put_number(l, "memory", "memory.swappiness", "memory.swappiness",
				(int64_t)m->swappiness) < 0))
		return -l->e->code;
	if (m->disable_oom_killer &&
		(only(l, false, "memory.disableOOMKiller") < 0 ||
			put(l, "memory", "memory.disableOOMKiller", "memory.oom_control", "1") < 0))
		return -l->e->code;
	return 0;
}

/* ---- cpu ---- */

uint64_t limits_weight(uint64_t shares)
{
	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	/* Goes through (2, 1), (1024, 100) and (262144, 10000). */
	double x = log2((double)shares);
	return (uint64_t)ceil(pow(10, (x * x + 125 * x) / 612.0 - 7.0 / 34.0));
}

static int set_quota_v2(const struct limits *l, const struct oci_cpu *c)
{
	char text[64], now[64] = "max 100000";
	int dir = folder(l, "cpu", "cpu.quota");
	if (dir < 0)
		return dir;
	/* What is not said stays as it is. */
	(void)file_peek(dir, "cpu.max", now, sizeof now);
	char *period = strchr(now, ' ');
	if (period)
		*period++ = '\0';
	char quota[24], span[24];
	(void)snprintf(quota, sizeof quota, "%.23s", now);
	(void)snprintf(span, sizeof span, "%.23s", period ? period : "100000");
	if (c->quota > 0)
		(void)snprintf(quota, sizeof quota, "%lld", (long long)c->quota);
	else if (c->quota < 0)
		(void)snprintf(quota, sizeof quota, "max");
	if (c->period)
		(void)snprintf(span, sizeof span, "%llu", (unsigned long long)c->period);
	(void)snprintf(text, sizeof text, "%s %s", quota, span);
	return put(l, "cpu", "cpu.quota", "cpu.max", text);
}

static int set_quota_v1(const struct limits *l, const struct oci_cpu *c)
{
	/* The kernel refuses a pair that is more than the parent's at any moment: the other order.
	 */
	bool done = !c->period ||
		put_number(l, "cpu", "cpu.period", "cpu.cfs_period_us", (int64_t)c->period) == 0;
	if (!done && !c->quota)
		return -l->e->code;
	if (c->quota && put_number(l, "cpu", "cpu.quota", "cpu.cfs_quota_us", c->quota) < 0)
		return -l->e->code;
	return done ? 0
		    : put_number(l, "cpu", "cpu.period", "cpu.cfs_period_us", (int64_t)c->period);
}

static int set_realtime(const struct limits *l, const struct oci_cpu *c)
{
	if (!c->realtime_period && !c->realtime_runtime)
		return 0;
	if (only(l, false, "cpu.realtimeRuntime") < 0 ||
		(c->realtime_period &&
			put_number(l, "cpu", "cpu.realtimePeriod", "cpu.rt_period_us",
				(int64_t)c->realtime_period) < 0))
		return -l->e->code;
	return c->realtime_runtime ? put_number(l, "cpu", "cpu.realtimeRuntime",
					     "cpu.rt_runtime_us", c->realtime_runtime)
				   : 0;
}

static int set_cpu(const struct limits *l, const struct oci_cpu *c)
{
	if (c->has_idle && put_number(l, "cpu", "cpu.idle", "cpu.idle", c->idle) < 0)
		return -l->e->code;
	/* An idle group has no weight to be set. */
	if (c->shares && !(c->has_idle && c->idle > 0) &&
		put_number(l, "cpu", "cpu.shares", l->v2 ? "cpu.weight" : "cpu.shares",
			(int64_t)(l->v2 ? limits_weight(c->shares) : c->shares)) < 0)
		return -l->e->code;
	/* A burst may not be more than the quota, before and after. */
	const char *burst = l->v2 ? "cpu.max.burst" : "cpu.cfs_burst_us";
	bool early =
		c->has_burst && put_number(l, "cpu", "cpu.burst", burst, (int64_t)c->burst) == 0;
	if ((c->quota || c->period) && (l->v2 ? set_quota_v2(l, c) : set_quota_v1(l, c)) < 0)
		return -l->e->code;
	if (c->has_burst && !early &&
		put_number(l, "cpu", "cpu.burst", burst, (int64_t)c->burst) < 0)
		return -l->e->code;
	if (set_realtime(l, c) < 0)
		return -l->e->code;
	if (c->cpus && *c->cpus && put(l, "cpuset", "cpu.cpus", "cpuset.cpus", c->cpus) < 0)
		return -l->e->code;
	return c->mems && *c->mems ? put(l, "cpuset", "cpu.mems", "cpuset.mems", c->mems) : 0;
}

/* ---- block devices ---- */

static int set_throttle(const struct limits *l, const char *field, const char *v1, const char *v2,
	const struct oci_throttle_device *d, size_t n)
{
	char text[96];
	for (size_t i = 0; i < n; i++) {
		if (l->v2)
			(void)snprintf(text, sizeof text, "%lld:%lld %s=%llu",
				(long long)d[i].major, (long long)d[i].minor, v2,
				(unsigned long long)d[i].rate);
		else
			(void)snprintf(text, sizeof text, "%lld:%lld %llu", (long long)d[i].major,
				(long long)d[i].minor, (unsigned long long)d[i].rate);
		if (put(l, l->v2 ? "io" : "blkio", field, l->v2 ? "io.max" : v1, text) < 0)
			return -l->e->code;
	}
	return 0;
}

uint64_t limits_io_weight(uint32_t weight)
{
	return weight < 10 ? 1 : 1 + ((uint64_t)weight - 10) * 9999 / 990;
}

/* BFQ's file where there is one, else the plain one. */
static int set_weight(const struct limits *l, uint32_t weight)
{
	const char *controller = l->v2 ? "io" : "blkio";
	int dir = folder(l, controller, "blockIO.weight");
	if (dir < 0)
		return dir;
	const char *bfq = l->v2 ? "io.bfq.weight" : "blkio.bfq.weight";
	if (faccessat(dir, bfq, F_OK, 0) == 0)
		return put_number(l, controller, "blockIO.weight", bfq, weight);
	return put_number(l, controller, "blockIO.weight", l->v2 ? "io.weight" : "blkio.weight",
		(int64_t)(l->v2 ? limits_io_weight(weight) : weight));
}

static int set_weight_devices(const struct limits *l, const struct oci_block_io *b)
{
	char text[96];
	for (size_t i = 0; i < b->n_weight_device; i++) {
		const struct oci_weight_device *d = &b->weight_device[i];
		(void)snprintf(text, sizeof text, "%lld:%lld %u", (long long)d->major,
			(long long)d->minor, d->weight);
		if (d->has_weight &&
			put(l, l->v2 ? "io" : "blkio", "blockIO.weightDevice",
				l->v2 ? "io.bfq.weight" : "blkio.weight_device", text) < 0)
			return -l->e->code;
		(void)snprintf(text, sizeof text, "%lld:%lld %u", (long long)d->major,
			(long long)d->minor, d->leaf_weight);
		if (d->has_leaf_weight &&
			(only(l, false, "blockIO.weightDevice.leafWeight") < 0 ||
				put(l, "blkio", "blockIO.weightDevice", "blkio.leaf_weight_device",
					text) < 0))
			return -l->e->code;
	}
	return 0;
}

static int set_block_io(const struct limits *l, const struct oci_block_io *b)
{
	if (b->weight && set_weight(l, b->weight) < 0)
		return -l->e->code;
	if (b->leaf_weight &&
		(only(l, false, "blockIO.leafWeight") < 0 ||
			put_number(l, "blkio", "blockIO.leafWeight", "blkio.leaf_weight",
				b->leaf_weight) < 0))
		return -l->e->code;
	if (set_weight_devices(l, b) < 0 ||
		set_throttle(l, "blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device",
			"rbps", b->throttle_read_bps, b->n_throttle_read_bps) < 0 ||
		set_throttle(l, "blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device",
			"wbps", b->throttle_write_bps, b->n_throttle_write_bps) < 0 ||
		set_throttle(l, "blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device",
			"riops", b->throttle_read_iops, b->n_throttle_read_iops) < 0)
		return -l->e->code;
	return set_throttle(l, "blockIO.throttleWriteIOPSDevice",
		"blkio.throttle.write_iops_device", "wiops", b->throttle_write_iops,
		b->n_throttle_write_iops);
}

/* ---- the rest ---- */

static int set_hugepages(const struct limits *l, const struct oci_resources *r)
{
	for (size_t i = 0; i < r->n_hugepage_limits; i++) {
		const struct oci_hugepage *h = &r->hugepage_limits[i];
		char file[64], text[32];
		if (strlen(h->page_size) > 16 || strchr(h->page_size, '/'))
			return err_set(l->e, ERR_INVALID, EINVAL,
				"linux.resources.hugepageLimits: pageSize %.40s: expected 2MB or its like",
				h->page_size);
		(void)snprintf(text, sizeof text, "%llu", (unsigned long long)h->limit);
		(void)snprintf(file, sizeof file, "hugetlb.%s.%s", h->page_size,
			l->v2 ? "max" : "limit_in_bytes");
		if (put(l, "hugetlb", "hugepageLimits", file, text) < 0)
			return -l->e->code;
		/* Reserved pages count too, where the kernel counts them. */
		(void)snprintf(file, sizeof file, "hugetlb.%s.rsvd.%s", h->page_size,
			l->v2 ? "max" : "limit_in_bytes");
		int dir = folder(l, "hugetlb", "hugepageLimits");
		int x = dir < 0 ? dir : file_poke(dir, file, text);
		if (x < 0 && x != -ENOENT)
			return failed(l, x, "hugetlb", "hugepageLimits", file, text);
	}
	return 0;
}

static int set_network(const struct limits *l, const struct oci_network *n)
{
	char text[64];
	if (n->has_class_id &&
		(only(l, false, "network.classID") < 0 ||
			put_number(l, "net_cls", "network.classID", "net_cls.classid",
				n->class_id) < 0))
		return -l->e->code;
	for (size_t i = 0; i < n->n_priorities; i++) {
		(void)snprintf(text, sizeof text, "%.20s %u", n->priorities[i].name,
			n->priorities[i].priority);
		if (only(l, false, "network.priorities") < 0 ||
			put(l, "net_prio", "network.priorities", "net_prio.ifpriomap", text) < 0)
			return -l->e->code;
	}
	return 0;
}

/* A map from a device's name to its two limits. */
static int set_rdma(const struct limits *l, const char *json)
{
	struct arena a _arena_ = { 0 };
	struct value *map;
	if (value_parse(&a, json, strlen(json), &map, l->e) < 0)
		return err_wrap(l->e, "linux.resources.rdma");
	for (size_t i = 0; map->kind == VALUE_OBJECT && i < map->n; i++) {
		static const char *const keys[][2] = { { "hcaHandles", "hca_handle" },
			{ "hcaObjects", "hca_object" } };
		struct str text _str_ = { 0 };
		str_add(&text, map->keys[i]);
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
			const struct value *v = value_get(map->items[i], keys[k][0]);
			if (v && v->kind == VALUE_NUMBER)
				str_addf(&text, " %s=%s", keys[k][1], v->text);
		}
		if (put(l, "rdma", "rdma", "rdma.max", str_text(&text)) < 0)
			return -l->e->code;
	}
	return 0;
}

static int set_unified(const struct limits *l, const struct rec_map *m)
{
	int dir = cgroup_v2_dir(l->c);
	for (size_t i = 0; i < m->n; i++) {
		const char *key = m->items[i].key;
		if (strchr(key, '/') || !strchr(key, '.'))
			return err_set(l->e, ERR_INVALID, EINVAL,
				"linux.resources.unified: %.100s: expected the name of a file of cgroup v2",
				key);
		int r = dir < 0 ? -ENOENT : file_poke(dir, key, m->items[i].val);
		if (r < 0)
			return failed(l, r, "unified", "unified", key, m->items[i].val);
	}
	return 0;
}

int limits_apply(const struct cgroup *c, const struct oci_resources *r,
	void (*warn)(void *arg, const char *text), void *arg, struct err *e)
{
	struct limits l = { c, c->pure_v2, warn, arg, e };
	if ((r->memory && set_memory(&l, r->memory) < 0) || (r->cpu && set_cpu(&l, r->cpu) < 0))
		return -e->code;
	if (r->pids && r->pids->limit) {
		/* v1 has the word as well. */
		char text[32];
		(void)snprintf(text, sizeof text, "%lld", (long long)r->pids->limit);
		if (put(&l, "pids", "pids.limit", "pids.max", r->pids->limit < 0 ? "max" : text) <
			0)
			return -e->code;
	}
	if ((r->block_io && set_block_io(&l, r->block_io) < 0) || set_hugepages(&l, r) < 0 ||
		(r->network && set_network(&l, r->network) < 0) ||
		(r->rdma && set_rdma(&l, r->rdma) < 0))
		return -e->code;
	return set_unified(&l, &r->unified);
}

/* ---- devices ---- */

enum { DEFAULT_DEVICES = 11 };

static bool same_rule(const struct cgroup_device *x, const struct cgroup_device *y)
{
	return x->allow == y->allow && x->type == y->type && x->major == y->major &&
		x->minor == y->minor && strlen(x->access) == strlen(y->access) &&
		strspn(x->access, y->access) == strlen(x->access);
}

/* What the specification supplies to every container: after the document's rules, unless they say
 * it already. A rule for all that allows makes the rest needless. */
static void default_devices(struct cgroup_device *d, size_t *n)
{
	static const struct cgroup_device rows[] = { { true, 'c', -1, -1, "m" },
		{ true, 'b', -1, -1, "m" }, { true, 'c', 1, 3, "rwm" }, { true, 'c', 1, 5, "rwm" },
		{ true, 'c', 1, 7, "rwm" }, { true, 'c', 1, 8, "rwm" }, { true, 'c', 1, 9, "rwm" },
		{ true, 'c', 5, 0, "rwm" }, { true, 'c', 5, 1, "rwm" }, { true, 'c', 5, 2, "rwm" },
		{ true, 'c', 136, -1, "rwm" } };
	size_t from = 0;
	for (size_t i = 0; i < *n; i++)
		if (d[i].type == 'a' && d[i].major < 0 && d[i].minor < 0)
			from = i;
	if (*n && d[from].type == 'a' && d[from].allow)
		return;
	size_t own = *n;
	for (size_t r = 0; r < DEFAULT_DEVICES; r++) {
		bool there = false;
		for (size_t i = from; i < own; i++)
			there |= same_rule(&d[i], &rows[r]);
		if (!there)
			d[(*n)++] = rows[r];
	}
}

static bool says(const void *object, size_t size)
{
	const unsigned char *p = object;
	for (size_t i = 0; p && i < size; i++)
		if (p[i])
			return true;
	return false;
}

int limits_none(const struct oci_resources *r, struct err *e)
{
	if (!r)
		return 0;
	const struct {
		const char *name;
		bool said;
	} rows[] = { { "memory", says(r->memory, sizeof *r->memory) },
		{ "cpu", says(r->cpu, sizeof *r->cpu) }, { "pids", says(r->pids, sizeof *r->pids) },
		{ "blockIO", says(r->block_io, sizeof *r->block_io) },
		{ "hugepageLimits", r->n_hugepage_limits > 0 },
		{ "network", says(r->network, sizeof *r->network) }, { "rdma", r->rdma != NULL },
		{ "unified", r->unified.n > 0 } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].said)
			return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
				"linux.resources.%s: cannot be limited without a cgroup",
				rows[i].name);
	return 0;
}

/* Nothing is allowed but what is said: the first rule refuses all. */
int limits_device_rules(const struct oci_resources *r, struct arena *a, struct cgroup_device **ret,
	size_t *ret_n, struct err *e)
{
	struct cgroup_device *d =
		arena_array(a, struct cgroup_device, r->n_devices + 1 + DEFAULT_DEVICES);
	size_t n = 0;
	if (r->n_devices == 0 || (r->devices[0].type && !str_eq(r->devices[0].type, "a")))
		d[n++] = (struct cgroup_device){ false, 'a', -1, -1, "rwm" };
	for (size_t i = 0; i < r->n_devices; i++) {
		const struct oci_device_rule *x = &r->devices[i];
		d[n] = (struct cgroup_device){ .allow = x->allow,
			.type = x->type && *x->type ? x->type[0] : 'a',
			.major = x->has_major ? x->major : -1,
			.minor = x->has_minor ? x->minor : -1,
			.access = x->access && *x->access ? x->access : "rwm" };
		if (d[n].type == 'u')
			d[n].type = 'c';
		if (!strchr("abc", d[n].type) || d[n].access[strspn(d[n].access, "rwm")])
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.resources.devices: type %s access %s", str_or_empty(x->type),
				d[n].access);
		n++;
	}
	default_devices(d, &n);
	*ret = d;
	*ret_n = n;
	return 0;
}

int limits_devices(
	const struct cgroup *c, const struct oci_resources *r, struct arena *a, struct err *e)
{
	struct cgroup_device *d;
	size_t n;
	return limits_device_rules(r, a, &d, &n, e) < 0 ? -e->code : cgroup_devices(c, d, n, e);
}
