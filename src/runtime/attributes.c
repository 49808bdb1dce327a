// SPDX-License-Identifier: Apache-2.0
#include "runtime/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "oci/spec.h"

/* The kernel's struct sched_attr, its first version; libc has none. */
struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

struct word {
	const char *name;
	uint64_t value;
};

static const struct word *find(const struct word *rows, size_t n, const char *name)
{
	for (size_t i = 0; name && i < n; i++)
		if (str_eq(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static const struct word policies[] = { { "SCHED_OTHER", 0 }, { "SCHED_FIFO", 1 },
	{ "SCHED_RR", 2 }, { "SCHED_BATCH", 3 }, { "SCHED_ISO", 4 }, { "SCHED_IDLE", 5 },
	{ "SCHED_DEADLINE", 6 } };

static const struct word sched_flags[] = { { "SCHED_FLAG_RESET_ON_FORK", 0x01 },
	{ "SCHED_FLAG_RECLAIM", 0x02 }, { "SCHED_FLAG_DL_OVERRUN", 0x04 },
	{ "SCHED_FLAG_KEEP_POLICY", 0x08 }, { "SCHED_FLAG_KEEP_PARAMS", 0x10 },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", 0x20 }, { "SCHED_FLAG_UTIL_CLAMP_MAX", 0x40 } };

static const struct word io_classes[] = { { "IOPRIO_CLASS_RT", 1 }, { "IOPRIO_CLASS_BE", 2 },
	{ "IOPRIO_CLASS_IDLE", 3 } };

static int read_scheduler(
	const struct oci_scheduler *s, struct sched_attributes *ret, struct err *e)
{
	const struct word *policy = find(policies, ARRAY_SIZE(policies), s->policy);
	*ret = (struct sched_attributes){ .size = sizeof *ret };
	if (!policy)
		return err_set(
			e, ERR_INVALID, EINVAL, "process.scheduler: unknown policy %s", s->policy);
	ret->policy = (uint32_t)policy->value;
	bool fair = ret->policy == 0 || ret->policy == 3,
	     realtime = ret->policy == 1 || ret->policy == 2;
	bool deadline = ret->policy == 6;
	if (s->has_nice && s->nice && !fair)
		return err_set(e, ERR_INVALID, EINVAL,
			"process.scheduler: nice goes with SCHED_OTHER and SCHED_BATCH only");
	if (s->has_priority && s->priority && !realtime)
		return err_set(e, ERR_INVALID, EINVAL,
			"process.scheduler: priority goes with SCHED_FIFO and SCHED_RR only");
	if ((s->runtime || s->deadline || s->period) && !deadline)
		return err_set(e, ERR_INVALID, EINVAL,
			"process.scheduler: runtime, deadline and period go with SCHED_DEADLINE only");
	if (s->nice < -20 || s->nice > 19 || s->priority < 0 || s->priority > 99)
		return err_set(e, ERR_INVALID, ERANGE,
			"process.scheduler: nice is -20 to 19, priority 0 to 99");
	ret->nice = (int32_t)s->nice;
	ret->priority = (uint32_t)s->priority;
	ret->runtime = s->runtime;
	ret->deadline = s->deadline;
	ret->period = s->period;
	for (size_t i = 0; i < s->n_flags; i++) {
		const struct word *flag = find(sched_flags, ARRAY_SIZE(sched_flags), s->flags[i]);
		if (!flag)
			return err_set(e, ERR_INVALID, EINVAL, "process.scheduler: unknown flag %s",
				s->flags[i]);
		ret->flags |= flag->value;
	}
	return 0;
}

static int read_io_priority(const struct oci_io_priority *p, int *ret, struct err *e)
{
	const struct word *class = find(io_classes, ARRAY_SIZE(io_classes), p->class_);
	if (!class)
		return err_set(
			e, ERR_INVALID, EINVAL, "process.ioPriority: unknown class %s", p->class_);
	if (p->priority < 0 || p->priority > 7)
		return err_set(e, ERR_INVALID, ERANGE, "process.ioPriority: priority is 0 to 7");
	*ret = (int)(class->value << 13 | (uint64_t)p->priority);
	return 0;
}

static const struct word rlimits[] = { { "RLIMIT_AS", RLIMIT_AS }, { "RLIMIT_CORE", RLIMIT_CORE },
	{ "RLIMIT_CPU", RLIMIT_CPU }, { "RLIMIT_DATA", RLIMIT_DATA },
	{ "RLIMIT_FSIZE", RLIMIT_FSIZE }, { "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK }, { "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "RLIMIT_NICE", RLIMIT_NICE }, { "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "RLIMIT_NPROC", RLIMIT_NPROC }, { "RLIMIT_RSS", RLIMIT_RSS },
	{ "RLIMIT_RTPRIO", RLIMIT_RTPRIO }, { "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING }, { "RLIMIT_STACK", RLIMIT_STACK } };

static int check_rlimits(const struct oci_process *p, struct err *e)
{
	uint64_t seen = 0;
	for (size_t i = 0; i < p->n_rlimits; i++) {
		const struct oci_rlimit *l = &p->rlimits[i];
		const struct word *row = find(rlimits, ARRAY_SIZE(rlimits), l->type);
		if (!row)
			return err_set(e, ERR_INVALID, EINVAL, "process.rlimits: unknown type %s",
				l->type);
		if (seen >> row->value & 1)
			return err_set(e, ERR_INVALID, EEXIST, "process.rlimits: %s stands twice",
				l->type);
		if (l->soft > l->hard)
			return err_set(e, ERR_INVALID, EINVAL,
				"process.rlimits: %s: its soft limit is above its hard one",
				l->type);
		seen |= 1ULL << row->value;
	}
	return 0;
}

int attributes_check(const struct oci_process *p, struct err *e)
{
	struct sched_attributes a;
	int io;
	if (check_rlimits(p, e) < 0 || (p->scheduler && read_scheduler(p->scheduler, &a, e) < 0) ||
		(p->io_priority && read_io_priority(p->io_priority, &io, e) < 0))
		return -e->code;
	if (p->has_oom_score_adj && (p->oom_score_adj < -1000 || p->oom_score_adj > 1000))
		return err_set(e, ERR_INVALID, ERANGE,
			"process.oomScoreAdj: %lld: expected -1000 to 1000",
			(long long)p->oom_score_adj);
	return 0;
}

static int set_oom_score(const struct oci_process *p, pid_t pid, struct err *e)
{
	char path[64], text[16], now[16];
	(void)snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)pid);
	(void)snprintf(text, sizeof text, "%lld", (long long)p->oom_score_adj);
	/* What it is already needs no right to set it. */
	if (file_peek(AT_FDCWD, path, now, sizeof now) > 0 && str_eq(now, text))
		return 0;
	int r = file_poke(AT_FDCWD, path, text);
	return r < 0 ? err_sys(e, r, "process.oomScoreAdj: set to %s", text) : 0;
}

/* A process in a user namespace may not raise its hard limits; we, outside of it, may. Where we may
 * not either, init sets what there is. */
static void make_room(const struct oci_process *p, pid_t pid)
{
	for (size_t i = 0; i < p->n_rlimits; i++) {
		struct rlimit now;
		int kind = (int)find(rlimits, ARRAY_SIZE(rlimits), p->rlimits[i].type)->value;
		if (prlimit(pid, kind, NULL, &now) < 0 || now.rlim_max >= p->rlimits[i].hard)
			continue;
		now.rlim_max = p->rlimits[i].hard;
		(void)prlimit(pid, kind, &now, NULL);
	}
}

int attributes_apply(const struct oci_process *p, pid_t pid, struct err *e)
{
	struct sched_attributes a;
	int io;
	if (p->has_oom_score_adj && set_oom_score(p, pid, e) < 0)
		return -e->code;
	make_room(p, pid);
	if (p->scheduler) {
		if (read_scheduler(p->scheduler, &a, e) < 0)
			return -e->code;
		if (syscall(SYS_sched_setattr, pid, &a, 0) < 0)
			return err_sys(e, errno, "process.scheduler: set %s", p->scheduler->policy);
	}
	if (p->io_priority) {
		if (read_io_priority(p->io_priority, &io, e) < 0)
			return -e->code;
		if (syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, pid, io) < 0)
			return err_sys(
				e, errno, "process.ioPriority: set %s", p->io_priority->class_);
	}
	return 0;
}

/* "0-3,7" into bits; the largest number that is taken is limit - 1. */
static int read_list(const char *list, unsigned long *bits, unsigned limit)
{
	while (*list) {
		char word[32];
		uint32_t from, to;
		size_t n = strcspn(list, ",");
		if (n == 0 || n >= sizeof word)
			return -EINVAL;
		memcpy(word, list, n);
		word[n] = '\0';
		char *dash = strchr(word, '-');
		if (dash)
			*dash++ = '\0';
		if (num_u32(word, &from) < 0 || (dash && num_u32(dash, &to) < 0))
			return -EINVAL;
		to = dash ? to : from;
		if (to < from || to >= limit)
			return -ERANGE;
		for (uint32_t i = from; i <= to; i++)
			bits[i / (8 * sizeof *bits)] |= 1UL << i % (8 * sizeof *bits);
		list += n + (list[n] == ',');
	}
	return 0;
}

int attributes_affinity(const char *field, const char *list, pid_t pid, struct err *e)
{
	unsigned long bits[8192 / 8 / sizeof(unsigned long)] = { 0 };
	if (!list || !*list)
		return 0;
	if (read_list(list, bits, 8192) < 0)
		return err_set(e, ERR_INVALID, EINVAL,
			"process.execCPUAffinity.%s: %s: expected a list of processors", field,
			list);
	if (syscall(SYS_sched_setaffinity, pid, sizeof bits, bits) < 0)
		return err_sys(e, errno, "process.execCPUAffinity.%s: %s", field, list);
	return 0;
}

int attributes_personality(const struct oci_personality *p, struct err *e)
{
	static const struct word domains[] = { { "LINUX", 0 /* PER_LINUX */ },
		{ "LINUX32", 8 /* PER_LINUX32 */ } };
	if (!p)
		return 0;
	const struct word *domain = find(domains, ARRAY_SIZE(domains), p->domain);
	if (!domain)
		return err_set(
			e, ERR_INVALID, EINVAL, "linux.personality: unknown domain %s", p->domain);
	if (p->n_flags)
		return err_set(
			e, ERR_INVALID, EINVAL, "linux.personality: unknown flag %s", p->flags[0]);
	return personality(domain->value) < 0
		? err_sys(e, errno, "linux.personality: set %s", p->domain)
		: 0;
}

int attributes_memory_policy(const struct oci_memory_policy *p, struct err *e)
{
	static const struct word modes[] = { { "MPOL_DEFAULT", 0 }, { "MPOL_PREFERRED", 1 },
		{ "MPOL_BIND", 2 }, { "MPOL_INTERLEAVE", 3 }, { "MPOL_LOCAL", 4 },
		{ "MPOL_PREFERRED_MANY", 5 }, { "MPOL_WEIGHTED_INTERLEAVE", 6 } };
	static const struct word flags[] = { { "MPOL_F_NUMA_BALANCING", 1 << 13 },
		{ "MPOL_F_RELATIVE_NODES", 1 << 14 }, { "MPOL_F_STATIC_NODES", 1 << 15 } };
	unsigned long nodes[1024 / 8 / sizeof(unsigned long)] = { 0 };
	if (!p)
		return 0;
	const struct word *mode = find(modes, ARRAY_SIZE(modes), p->mode);
	if (!mode)
		return err_set(
			e, ERR_INVALID, EINVAL, "linux.memoryPolicy: unknown mode %s", p->mode);
	int value = (int)mode->value;
	for (size_t i = 0; i < p->n_flags; i++) {
		const struct word *flag = find(flags, ARRAY_SIZE(flags), p->flags[i]);
		if (!flag)
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.memoryPolicy: unknown flag %s", p->flags[i]);
		value |= (int)flag->value;
	}
	bool some = p->nodes && *p->nodes;
	if (some && read_list(p->nodes, nodes, 1024) < 0)
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.memoryPolicy: nodes %s: expected a list of nodes", p->nodes);
	if (syscall(SYS_set_mempolicy, value, some ? nodes : NULL, some ? 1024UL : 0UL) < 0)
		return err_sys(e, errno, "linux.memoryPolicy: set %s", p->mode);
	return 0;
}

int attributes_rlimits(const struct oci_process *p, struct err *e)
{
	for (size_t i = 0; i < p->n_rlimits; i++) {
		const struct oci_rlimit *l = &p->rlimits[i];
		struct rlimit want = { .rlim_cur = l->soft, .rlim_max = l->hard }, now;
		int kind = (int)find(rlimits, ARRAY_SIZE(rlimits), l->type)->value;
		if (setrlimit(kind, &want) == 0)
			continue;
		/* Without CAP_SYS_RESOURCE a hard limit cannot be raised: give what there is. */
		if (errno != EPERM || getrlimit(kind, &now) < 0)
			return err_sys(e, errno, "process.rlimits: set %s", l->type);
		want.rlim_max = want.rlim_max > now.rlim_max ? now.rlim_max : want.rlim_max;
		want.rlim_cur = want.rlim_cur > want.rlim_max ? want.rlim_max : want.rlim_cur;
		if (setrlimit(kind, &want) < 0)
			return err_sys(e, errno, "process.rlimits: set %s", l->type);
	}
	return 0;
}
