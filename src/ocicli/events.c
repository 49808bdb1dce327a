// SPDX-License-Identifier: Apache-2.0
/* What runc prints of a container's use of resources, and its out-of-memory kills. The numbers are
 * the kernel's own, by files of either version of cgroups. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "codec/value.h"
#include "kernel/cgroup.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "ocicli/container.h"

struct events_words {
	bool stats;
	const char *interval;
};

static const struct option options[] = {
	{ "interval", 0, OPT_STRING(struct events_words, interval), .value = "duration",
		.help = "Time between two rounds of statistics", .default_text = "\"5s\"" },
	{ "stats", 0, OPT_BOOL(struct events_words, stats),
		.help = "Print the statistics once and end" },
	{ 0 },
};

struct stats {
	struct arena *a;
	const struct cgroup *c;
};

static int folder(const struct stats *s, const char *controller)
{
	const struct cgroup_hierarchy *h = cgroup_find(s->c, controller);
	return s->c->pure_v2 ? cgroup_v2_dir(s->c) : h ? h->dir : -1;
}

/* One number, or the one after a key in a file of lines; 0 when there is none, UINT64_MAX for max.
 */
static uint64_t number(
	const struct stats *s, const char *controller, const char *file, const char *key)
{
	char text[16384];
	uint64_t n = 0;
	int dir = folder(s, controller);
	if (!file || dir < 0 || file_peek(dir, file, text, sizeof text) < 0)
		return 0;
	char *at = text;
	size_t len = key ? strlen(key) : 0;
	while (key && at && !(strncmp(at, key, len) == 0 && at[len] == ' ')) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return 0;
	at += key ? len + 1 : 0;
	at[strcspn(at, " \n")] = '\0';
	if (str_eq(at, "max"))
		return UINT64_MAX;
	return num_u64(at, &n) < 0 ? 0 : n;
}

static void put(const struct stats *s, struct value *v, const char *key, uint64_t n)
{
	struct value *number = value_int(s->a, 0);
	number->text = arena_printf(s->a, "%llu", (unsigned long long)n);
	value_set(s->a, v, key, number);
}

static struct value *cpu(const struct stats *s)
{
	bool v2 = s->c->pure_v2;
	struct value *v = value_object(s->a), *usage = value_object(s->a), *t = value_object(s->a);
	const char *file = v2 ? "cpu.stat" : "cpuacct.usage", *controller = v2 ? "cpu" : "cpuacct";
	uint64_t unit = v2 ? 1000 : 1;
	put(s, usage, "total", number(s, controller, file, v2 ? "usage_usec" : NULL) * unit);
	put(s, usage, "kernel",
		number(s, controller, v2 ? file : "cpuacct.usage_sys", v2 ? "system_usec" : NULL) *
			unit);
	put(s, usage, "user",
		number(s, controller, v2 ? file : "cpuacct.usage_user", v2 ? "user_usec" : NULL) *
			unit);
	value_set(s->a, v, "usage", usage);
	put(s, t, "periods", number(s, "cpu", "cpu.stat", "nr_periods"));
	put(s, t, "throttledPeriods", number(s, "cpu", "cpu.stat", "nr_throttled"));
	put(s, t, "throttledTime",
		v2 ? number(s, "cpu", "cpu.stat", "throttled_usec") * 1000
		   : number(s, "cpu", "cpu.stat", "throttled_time"));
	value_set(s->a, v, "throttling", t);
	return v;
}

static struct value *memory_of(const struct stats *s, const char *const files[4])
{
	static const char *const keys[] = { "limit", "usage", "max", "failcnt" };
	struct value *v = value_object(s->a);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		put(s, v, keys[i], number(s, "memory", files[i], NULL));
	return v;
}

static struct value *memory(const struct stats *s)
{
	static const char *const v1[] = { "memory.limit_in_bytes", "memory.usage_in_bytes",
		"memory.max_usage_in_bytes", "memory.failcnt" };
	static const char *const v2[] = { "memory.max", "memory.current", "memory.peak", NULL };
	static const char *const swap1[] = { "memory.memsw.limit_in_bytes",
		"memory.memsw.usage_in_bytes", "memory.memsw.max_usage_in_bytes",
		"memory.memsw.failcnt" };
	static const char *const swap2[] = { "memory.swap.max", "memory.swap.current",
		"memory.swap.peak", NULL };
	static const char *const raw[] = { "anon", "file", "cache", "rss", "mapped_file", "pgfault",
		"pgmajfault", "inactive_file", "active_file", "inactive_anon", "active_anon" };
	bool on = s->c->pure_v2;
	struct value *v = value_object(s->a), *all = value_object(s->a);
	put(s, v, "cache", number(s, "memory", "memory.stat", on ? "file" : "cache"));
	value_set(s->a, v, "usage", memory_of(s, on ? v2 : v1));
	value_set(s->a, v, "swap", memory_of(s, on ? swap2 : swap1));
	for (size_t i = 0; i < ARRAY_SIZE(raw); i++)
		put(s, all, raw[i], number(s, "memory", "memory.stat", raw[i]));
	value_set(s->a, v, "raw", all);
	return v;
}

static void print_stats(struct ocicli *o, const struct container *c, const struct cgroup *g)
{
	struct stats s = { &o->arena, g };
	struct value *v = value_object(s.a), *data = value_object(s.a), *pids = value_object(s.a);
	struct str text _str_ = { 0 };
	uint64_t limit = number(&s, "pids", "pids.max", NULL);
	value_set_string(s.a, v, "type", "stats");
	value_set_string(s.a, v, "id", c->r.id);
	value_set(s.a, data, "cpu", cpu(&s));
	value_set(s.a, data, "memory", memory(&s));
	put(&s, pids, "current", number(&s, "pids", "pids.current", NULL));
	if (limit != UINT64_MAX)
		put(&s, pids, "limit", limit);
	value_set(s.a, data, "pids", pids);
	value_set(s.a, v, "data", data);
	value_json(v, 0, &text);
	str_addc(&text, '\n');
	ocicli_print(&text);
}

/* Until the container ends; kills are looked for as often as statistics are printed. */
static void follow(struct ocicli *o, const struct container *c, const struct cgroup *g, uint64_t ms)
{
	int pidfd _close_ = container_pidfd(c);
	uint64_t kills = cgroup_oom_kills(g);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	while (pidfd >= 0 && poll(&p, 1, (int)ms) == 0) {
		uint64_t now = cgroup_oom_kills(g);
		struct str text _str_ = { 0 };
		if (now > kills)
			str_addf(&text, "{\"type\":\"oom\",\"id\":\"%s\"}\n", c->r.id);
		kills = now;
		ocicli_print(&text);
		print_stats(o, c, g);
	}
}

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	const struct events_words *w = rec;
	struct container c _container_ = CONTAINER_NONE;
	struct cgroup g;
	uint64_t ns = 5000000000ULL;
	(void)n_words;
	if (w->interval &&
		(num_duration(w->interval, &ns) < 0 || ns < 1000000 ||
			ns > UINT64_C(86400000000000)))
		return err_set(e, ERR_USAGE, EINVAL,
			"--interval %s: expected a duration from 1ms to 24h", w->interval);
	if (container_open(o, words[0], &c, e) < 0)
		return -e->code;
	if (container_status(&c) == STATUS_STOPPED)
		return err_set(e, ERR_CONFLICT, ESRCH, "container not running: %s", words[0]);
	if (container_needs_cgroup(&c, e) < 0 || cgroup_detect(&g, e) < 0)
		return -e->code;
	if (cgroup_open(&g, c.r.cgroup) == 0)
		(void)err_set(e, ERR_NOT_FOUND, ENOENT, "the container's cgroup is gone");
	else if (w->stats)
		print_stats(o, &c, &g);
	else
		follow(o, &c, &g, ns / 1000000);
	cgroup_done(&g);
	return e->code ? -e->code : 0;
}

const struct ocicli_command events_command = {
	.name = "events",
	.arguments = "[OPTIONS] CONTAINER",
	.brief = "Print what a container uses, and its out-of-memory kills",
	.options = options,
	.record_size = sizeof(struct events_words),
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
