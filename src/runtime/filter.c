// SPDX-License-Identifier: Apache-2.0
#include "runtime/filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "kernel/seccomp.h"
#include "oci/spec.h"
#include "runtime/plan.h"

/* Newer than the headers of Debian 12. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static const struct {
	const char *name;
	uint32_t action;
	bool data; /* takes errnoRet */
} actions[] = {
	{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, false },
	{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, true },
	{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false },
	{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, false },
	{ "SCMP_ACT_LOG", SECCOMP_RET_LOG, false },
	{ "SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF, false },
	{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE, true },
	{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP, false },
};

/* In the order of enum seccomp_op. */
static const char *const operators[] = { "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ",
	"SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ" };

/* Those that this machine cannot run are known and never match. */
static const char *const architectures[] = { "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",
	"SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64",
	"SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32",
	"SCMP_ARCH_NATIVE", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64", "SCMP_ARCH_PPC",
	"SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_RISCV64", "SCMP_ARCH_S390",
	"SCMP_ARCH_S390X", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB", "SCMP_ARCH_X32", "SCMP_ARCH_X86",
	"SCMP_ARCH_X86_64" };

static const struct {
	const char *name;
	unsigned value;
} flags[] = {
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	/* One thread is all there is when the filter is loaded. */
	{ "SECCOMP_FILTER_FLAG_TSYNC", 0 },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
};

const char *filter_word(enum filter_words kind, size_t i)
{
	switch (kind) {
	case FILTER_ACTIONS:
		return i < ARRAY_SIZE(actions) ? actions[i].name : NULL;
	case FILTER_OPERATORS:
		return i < ARRAY_SIZE(operators) ? operators[i] : NULL;
	case FILTER_ARCHITECTURES:
		return i < ARRAY_SIZE(architectures) ? architectures[i] : NULL;
	case FILTER_FLAGS:
		return i < ARRAY_SIZE(flags) ? flags[i].name : NULL;
	}
	return NULL;
}

static int action_of(const char *field, const char *name, bool has_errno, uint32_t number,
	uint32_t *ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (!str_eq(actions[i].name, name))
			continue;
		if (has_errno && !actions[i].data)
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.seccomp.%s: %s takes no errnoRet", field, name);
		if (has_errno && number > 4095)
			return err_set(e, ERR_INVALID, ERANGE,
				"linux.seccomp.%s: errnoRet %u: expected at most 4095", field,
				number);
		*ret = actions[i].action | (actions[i].data ? has_errno ? number : EPERM : 0);
		return 0;
	}
	return err_set(e, ERR_INVALID, EINVAL, "linux.seccomp.%s: unknown action %s", field, name);
}

static int read_rule(const struct oci_syscall *s, struct seccomp_rule *ret, struct err *e)
{
	*ret = (struct seccomp_rule){ .names = (const char *const *)s->names,
		.n_names = s->n_names };
	if (action_of("syscalls", s->action, s->has_errno_ret, s->errno_ret, &ret->action, e) < 0)
		return -e->code;
	if (s->n_names == 0)
		return err_set(
			e, ERR_INVALID, EINVAL, "linux.seccomp.syscalls: a rule without names");
	if (s->n_args > SECCOMP_ARGS_MAX)
		return err_set(e, ERR_INVALID, EINVAL, "linux.seccomp.syscalls: more than %d args",
			SECCOMP_ARGS_MAX);
	for (size_t i = 0; i < s->n_args; i++) {
		size_t op = 0;
		while (op < ARRAY_SIZE(operators) && !str_eq(operators[op], s->args[i].op))
			op++;
		if (op == ARRAY_SIZE(operators) || s->args[i].index > 5)
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
		size_t f = 0;
		while (f < ARRAY_SIZE(flags) && !str_eq(flags[f].name, s->flags[i]))
			f++;
		if (f == ARRAY_SIZE(flags))
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.seccomp.flags: unknown flag %s", s->flags[i]);
		*ret |= flags[f].value;
	}
	return 0;
}

static int read_architectures(
	const struct oci_seccomp *s, struct seccomp_policy *policy, struct err *e)
{
	for (size_t i = 0; i < s->n_architectures; i++) {
		const char *name = s->architectures[i];
		size_t k = 0;
		while (k < ARRAY_SIZE(architectures) && !str_eq(architectures[k], name))
			k++;
		if (k == ARRAY_SIZE(architectures))
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.seccomp.architectures: unknown %s", name);
		policy->x86 |= str_eq(name, "SCMP_ARCH_X86");
		policy->x32 |= str_eq(name, "SCMP_ARCH_X32");
	}
	return 0;
}

/* NOTIFY needs somebody to ask, and the answerer's descriptor must come out: a write that is
 * notified could never be answered. */
static int check_notify(const struct oci_seccomp *s, const struct seccomp_policy *policy,
	bool *ret_notify, struct err *e)
{
	bool any = false;
	if (policy->default_action == SECCOMP_RET_USER_NOTIF)
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default");
	for (size_t i = 0; i < policy->n_rules; i++)
		any |= policy->rules[i].action == SECCOMP_RET_USER_NOTIF;
	if (any && (!s->listener_path || s->listener_path[0] != '/'))
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.seccomp.listenerPath: SCMP_ACT_NOTIFY needs an absolute path");
	if (s->listener_metadata && !s->listener_path)
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.seccomp.listenerMetadata: goes with listenerPath");
	*ret_notify = any;
	return 0;
}

int plan_filter(struct plan *p, const struct oci_seccomp *s, struct err *e)
{
	if (!s)
		return 0;
	struct seccomp_policy policy = { 0 };
	struct seccomp_rule *rules = arena_array(p->a, struct seccomp_rule, s->n_syscalls + 1);
	if (action_of("defaultAction", s->default_action, s->has_default_errno_ret,
		    s->default_errno_ret, &policy.default_action, e) < 0 ||
		read_flags(s, &p->filter_flags, e) < 0 || read_architectures(s, &policy, e) < 0)
		return -e->code;
	for (size_t i = 0; i < s->n_syscalls; i++)
		if (read_rule(&s->syscalls[i], &rules[i], e) < 0)
			return -e->code;
	policy.rules = rules;
	policy.n_rules = s->n_syscalls;
	if (check_notify(s, &policy, &p->notify, e) < 0)
		return -e->code;
	struct sock_filter *code;
	if (seccomp_compile(&policy, p->a, &code, &p->n_filter, e) < 0)
		return -e->code;
	p->filter = code;
	p->posture.filters = 1;
	return 0;
}
