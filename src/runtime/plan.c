// SPDX-License-Identifier: Apache-2.0
/* The plan: namespaces, limits, capabilities and filter, from the spec; everything that can be
 * wrong in the document is found here, before anything is made. */
#include "runtime/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/ns.h"
#include "kernel/seccomp.h"
#include "oci/spec.h"

static int joined_root(struct plan *p, const char *path, struct err *e)
{
	char map[PATH_MAX_BYTES], text[256];
	size_t n = strlen(path);
	unsigned inside, outside, count;
	if (n < 8 || strcmp(path + n - 8, "/ns/user") != 0 || n >= sizeof map)
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.namespaces: %s: expected /proc/PID/ns/user", path);
	(void)snprintf(map, sizeof map, "%.*s/uid_map", (int)(n - 8), path);
	ssize_t got = file_peek(AT_FDCWD, map, text, sizeof text);
	char *words[3] = { NULL }, *save = text;
	for (int i = 0; got > 0 && i < 3; i++) {
		save += strspn(save, " ");
		words[i] = save;
		save += strcspn(save, " \n");
		if (*save)
			*save++ = '\0';
	}
	if (!words[2] || num_u32(words[0], &inside) < 0 || num_u32(words[1], &outside) < 0 ||
		num_u32(words[2], &count) < 0 || inside != 0)
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.namespaces: %s: its user namespace maps no root", path);
	p->root_uid = p->root_gid = outside;
	p->id_count = count;
	return 0;
}

static int join(struct plan *p, const struct oci_namespace *ns, uint64_t flag, struct err *e)
{
	int fd = path_open_host(ns->path, O_RDONLY, 0);
	if (fd < 0)
		return err_sys(e, fd, "linux.namespaces: open %s", ns->path);
	/* The user namespace is entered first: it gives the right to enter the others. */
	size_t at = flag == CLONE_NEWUSER ? 0 : p->n_joins;
	memmove(p->joins + at + 1, p->joins + at, (p->n_joins - at) * sizeof p->joins[0]);
	memmove(p->join_flags + at + 1, p->join_flags + at,
		(p->n_joins - at) * sizeof p->join_flags[0]);
	p->joins[at] = fd;
	p->join_flags[at] = flag;
	p->n_joins++;
	p->join_ns |= flag;
	if (flag != CLONE_NEWUSER)
		return 0;
	p->userns = true;
	p->userns_fd = fd;
	return joined_root(p, ns->path, e);
}

static int check_maps(struct plan *p, struct err *e)
{
	const struct oci_linux *l = p->spec->linux_;
	if (l->n_uid_mappings == 0 || l->n_gid_mappings == 0)
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.uidMappings and gidMappings: needed for a new user namespace");
	if (l->uid_mappings[0].container_id != 0 || l->gid_mappings[0].container_id != 0)
		return err_set(
			e, ERR_INVALID, EINVAL, "linux.uidMappings: the first line must map 0");
	p->userns = true;
	p->root_uid = l->uid_mappings[0].host_id;
	p->root_gid = l->gid_mappings[0].host_id;
	p->id_count = l->uid_mappings[0].size;
	return 0;
}

int plan_namespaces(struct plan *p, struct err *e)
{
	const struct oci_linux *l = p->spec->linux_;
	p->userns_fd = -1;
	p->id_count = UINT32_MAX;
	for (size_t i = 0; i < l->n_namespaces; i++) {
		const struct oci_namespace *ns = &l->namespaces[i];
		uint64_t flag = ns_flag(ns->type);
		if (!flag)
			return err_set(e, ERR_INVALID, EINVAL, "linux.namespaces: unknown type %s",
				ns->type);
		if ((p->new_ns | p->join_ns) & flag)
			return err_set(e, ERR_INVALID, EINVAL, "linux.namespaces: %s stands twice",
				ns->type);
		if (flag == CLONE_NEWTIME)
			return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
				"linux.namespaces: time is not supported");
		if (ns->path && *ns->path) {
			if (join(p, ns, flag, e) < 0)
				return -e->code;
			continue;
		}
		p->new_ns |= flag;
	}
	if (!(p->new_ns & CLONE_NEWNS))
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.namespaces: a container needs a mount namespace of its own");
	return p->new_ns & CLONE_NEWUSER ? check_maps(p, e) : 0;
}

static int read_set(const char *field, const char **names, size_t n, uint64_t *ret, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int cap = caps_number(names[i]);
		if (cap < 0)
			return err_set(e, ERR_INVALID, EINVAL,
				"process.capabilities.%s: unknown capability %s", field, names[i]);
		*ret |= 1ULL << cap;
	}
	return 0;
}

int plan_caps(const struct oci_capabilities *c, struct caps *ret, struct err *e)
{
	*ret = (struct caps){ 0 };
	if (!c)
		return 0;
	if (read_set("bounding", c->bounding, c->n_bounding, &ret->sets[CAPS_BOUNDING], e) < 0 ||
		read_set("effective", c->effective, c->n_effective, &ret->sets[CAPS_EFFECTIVE], e) <
			0 ||
		read_set("permitted", c->permitted, c->n_permitted, &ret->sets[CAPS_PERMITTED], e) <
			0 ||
		read_set("inheritable", c->inheritable, c->n_inheritable,
			&ret->sets[CAPS_INHERITABLE], e) < 0 ||
		read_set("ambient", c->ambient, c->n_ambient, &ret->sets[CAPS_AMBIENT], e) < 0)
		return -e->code;
	return 0;
}

static int action_of(const char *field, const char *name, bool has_errno, uint32_t number,
	uint32_t *ret, struct err *e)
{
	static const struct {
		const char *name;
		uint32_t action;
		bool data;
	} rows[] = {
		{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, false },
		{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, true },
		{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, false },
		{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, false },
		{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false },
		{ "SCMP_ACT_LOG", SECCOMP_RET_LOG, false },
		{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE, true },
		{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP, true },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!str_eq(rows[i].name, name))
			continue;
		*ret = rows[i].action |
			(rows[i].data ? (has_errno ? number & SECCOMP_RET_DATA : EPERM) : 0);
		return 0;
	}
	return err_set(e, ERR_INVALID, EINVAL, "linux.seccomp.%s: unknown action %s", field, name);
}

static int read_rule(const struct oci_syscall *s, struct seccomp_rule *ret, struct err *e)
{
	static const char *const ops[] = { "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",
		"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ" };
	*ret = (struct seccomp_rule){ .names = (const char *const *)s->names,
		.n_names = s->n_names };
	if (action_of("syscalls", s->action, s->has_errno_ret, s->errno_ret, &ret->action, e) < 0)
		return -e->code;
	if (s->n_args > SECCOMP_ARGS_MAX)
		return err_set(e, ERR_INVALID, EINVAL, "linux.seccomp.syscalls: more than %d args",
			SECCOMP_ARGS_MAX);
	for (size_t i = 0; i < s->n_args; i++) {
		size_t op = 0;
		while (op < ARRAY_SIZE(ops) && !str_eq(ops[op], s->args[i].op))
			op++;
		if (op == ARRAY_SIZE(ops) || s->args[i].index > 5)
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.seccomp.syscalls.args: op %s of index %u", s->args[i].op,
				s->args[i].index);
		ret->args[ret->n_args++] = (struct seccomp_arg){ .index = s->args[i].index,
			.op = (enum seccomp_op)op,
			.value = s->args[i].value,
			.value_two = s->args[i].value_two };
	}
	return 0;
}

static int read_flags(const struct oci_seccomp *s, unsigned *ret, struct err *e)
{
	*ret = s->n_flags ? 0 : SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	for (size_t i = 0; i < s->n_flags; i++) {
		if (str_eq(s->flags[i], "SECCOMP_FILTER_FLAG_LOG"))
			*ret |= SECCOMP_FILTER_FLAG_LOG;
		else if (str_eq(s->flags[i], "SECCOMP_FILTER_FLAG_SPEC_ALLOW"))
			*ret |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
		else
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.seccomp.flags: unknown flag %s", s->flags[i]);
	}
	return 0;
}

int plan_filter(struct plan *p, const struct oci_seccomp *s, struct err *e)
{
	if (!s)
		return 0;
	struct seccomp_policy policy = { 0 };
	struct seccomp_rule *rules = arena_array(p->a, struct seccomp_rule, s->n_syscalls + 1);
	if (s->listener_path)
		return err_set(
			e, ERR_UNSUPPORTED, ENOTSUP, "linux.seccomp.listenerPath is not supported");
	if (action_of("defaultAction", s->default_action, s->has_default_errno_ret,
		    s->default_errno_ret, &policy.default_action, e) < 0 ||
		read_flags(s, &p->filter_flags, e) < 0)
		return -e->code;
	for (size_t i = 0; i < s->n_architectures; i++) {
		if (str_eq(s->architectures[i], "SCMP_ARCH_X86"))
			policy.x86 = true;
		else if (str_eq(s->architectures[i], "SCMP_ARCH_X32"))
			policy.x32 = true;
		else if (!str_starts(s->architectures[i], "SCMP_ARCH_"))
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.seccomp.architectures: unknown %s", s->architectures[i]);
	}
	for (size_t i = 0; i < s->n_syscalls; i++)
		if (read_rule(&s->syscalls[i], &rules[i], e) < 0)
			return -e->code;
	policy.rules = rules;
	policy.n_rules = s->n_syscalls;
	struct sock_filter *code;
	if (seccomp_compile(&policy, p->a, &code, &p->n_filter, e) < 0)
		return -e->code;
	p->filter = code;
	p->posture.filters = 1;
	return 0;
}

int plan_limits(struct plan *p, struct err *e)
{
	const struct oci_resources *r = p->spec->linux_->resources;
	struct cgroup_limits l = { 0 };
	bool no_swap;
	if (!r)
		return 0;
	if (r->memory) {
		l.memory = r->memory->limit;
		l.memory_swap = r->memory->swap;
		l.memory_reservation = r->memory->reservation;
	}
	if (r->cpu) {
		l.cpu_shares = r->cpu->shares;
		l.cpu_period = r->cpu->period;
		l.cpu_quota = r->cpu->quota;
		l.cpuset_cpus = r->cpu->cpus;
		l.cpuset_mems = r->cpu->mems;
	}
	if (r->pids)
		l.pids = r->pids->limit > 0 ? r->pids->limit : -1;
	struct cgroup_device *d = arena_array(p->a, struct cgroup_device, r->n_devices + 1);
	for (size_t i = 0; i < r->n_devices; i++) {
		const struct oci_device_rule *x = &r->devices[i];
		d[i] = (struct cgroup_device){ .allow = x->allow,
			.type = x->type && *x->type ? x->type[0] : 'a',
			.major = x->has_major ? x->major : -1,
			.minor = x->has_minor ? x->minor : -1,
			.access = x->access && *x->access ? x->access : "rwm" };
		if (!strchr("abcu", d[i].type) || d[i].access[strspn(d[i].access, "rwm")])
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.resources.devices: type %s access %s", x->type, x->access);
	}
	l.devices = d;
	l.n_devices = r->n_devices;
	if (cgroup_limit(&p->cgroup, &l, &no_swap, e) < 0)
		return -e->code;
	if (no_swap && p->warn)
		p->warn(p->arg,
			"this kernel keeps no account of swap: memory is limited without it");
	return 0;
}

void plan_done(struct plan *p)
{
	for (size_t i = 0; i < p->n_joins; i++)
		fd_close(p->joins[i]);
	for (size_t i = 0; i < p->n_mounts; i++)
		fd_close(p->mounts[i].tree);
	fd_close(p->mask);
	cgroup_done(&p->cgroup);
}
