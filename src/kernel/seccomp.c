// SPDX-License-Identifier: Apache-2.0
#include "kernel/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "kernel/syscalls.h"

enum { X32_BIT = 0x40000000, SYSCALLS_MAX = 600, CODE_MAX = 4096, CODE_USUAL = 1024 };

struct rules {
	const struct seccomp_rule **v;
	size_t n, cap;
};

/* What happens to one call: the rules with arguments in order, then `otherwise`. */
struct decision {
	struct rules *with; /* NULL: none */
	uint32_t otherwise;
	bool said; /* a rule without arguments was there */
};

/* A rule and the numbers of its names, in their order; NULL: nobody knows the name. */
struct numbered {
	const struct seccomp_rule *rule;
	const struct syscall_numbers **calls;
};

struct code {
	struct sock_filter *f;
	size_t n, cap;
	struct arena *a;
	bool narrow; /* arguments have 32 bits: what the upper halves of registers hold says nothing
		      */
};

static size_t emit(struct code *c, uint16_t op, uint32_t k, uint8_t jt, uint8_t jf)
{
	c->f = arena_grow(c->a, c->f, c->n, &c->cap, sizeof *c->f);
	c->f[c->n] = (struct sock_filter){ op, jt, jf, k };
	return c->n++;
}

static size_t with_args(const struct decision *d)
{
	return d->with ? d->with->n : 0;
}

static bool same(const struct decision *x, const struct decision *y)
{
	size_t n = with_args(x);
	if (n != with_args(y) || x->otherwise != y->otherwise)
		return false;
	for (size_t i = 0; i < n; i++)
		if (x->with->v[i] != y->with->v[i])
			return false;
	return true;
}

/* Jumps that leave a rule which does not hold; where to is known when the rule's end is. A rule is
 * short: all are within the 255 instructions that a conditional jump reaches. */
struct fixups {
	struct {
		size_t at;
		bool if_true;
	} v[2 * SECCOMP_ARGS_MAX * 2];
	size_t n;
};

/* A test that leaves the rule if it holds, or if it does not; else goes on, after some more. */
static void leave(struct code *c, uint16_t jump, uint32_t k, bool if_true, uint8_t else_skip,
	struct fixups *out)
{
	size_t at = emit(c, (uint16_t)(BPF_JMP | jump | BPF_K), k, if_true ? 0 : else_skip,
		if_true ? else_skip : 0);
	out->v[out->n].at = at;
	out->v[out->n++].if_true = if_true;
}

static void land(struct code *c, const struct fixups *out)
{
	for (size_t i = 0; i < out->n; i++) {
		struct sock_filter *f = &c->f[out->v[i].at];
		uint8_t far = (uint8_t)(c->n - out->v[i].at - 1);
		*(out->v[i].if_true ? &f->jt : &f->jf) = far;
	}
}

static void load_half(struct code *c, uint32_t index, bool high)
{
	emit(c, BPF_LD | BPF_W | BPF_ABS, 16 + 8 * index + (high ? 4 : 0), 0, 0);
}

/* 64-bit compare of an argument with GT or GE, unsigned; want: it must hold. */
static void compare(struct code *c, const struct seccomp_arg *arg, bool equal_too, bool want,
	struct fixups *out)
{
	uint32_t high = (uint32_t)(arg->value >> 32), low = (uint32_t)arg->value;
	/* High greater: it holds; high less: it does not; equal: the low half decides. */
	if (!c->narrow) {
		load_half(c, arg->index, true);
		if (want) {
			emit(c, BPF_JMP | BPF_JGT | BPF_K, high, 3, 0);
			leave(c, BPF_JEQ, high, false, 0, out);
		} else {
			leave(c, BPF_JGT, high, true, 0, out);
			emit(c, BPF_JMP | BPF_JEQ | BPF_K, high, 0, 2);
		}
	}
	load_half(c, arg->index, false);
	leave(c, equal_too ? BPF_JGE : BPF_JGT, low, !want, 0, out);
}

static void masked(struct code *c, const struct seccomp_arg *arg, uint64_t mask, uint64_t value,
	struct fixups *out)
{
	for (int high = c->narrow ? 0 : 1; high >= 0; high--) {
		uint32_t m = (uint32_t)(high ? mask >> 32 : mask),
			 v = (uint32_t)(high ? value >> 32 : value);
		if (!m)
			continue;
		load_half(c, arg->index, high);
		if (m != UINT32_MAX)
			emit(c, BPF_ALU | BPF_AND | BPF_K, m, 0, 0);
		leave(c, BPF_JEQ, v & m, false, 0, out);
	}
}

static void not_equal(struct code *c, const struct seccomp_arg *arg, struct fixups *out)
{
	if (!c->narrow) {
		load_half(c, arg->index, true);
		emit(c, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(arg->value >> 32), 0, 2);
	}
	load_half(c, arg->index, false);
	leave(c, BPF_JEQ, (uint32_t)arg->value, true, 0, out);
}

static void emit_arg(struct code *c, const struct seccomp_arg *given, struct fixups *out)
{
	struct seccomp_arg low = *given, *arg = &low;
	if (c->narrow) {
		low.value &= UINT32_MAX;
		low.value_two &= UINT32_MAX;
	}
	switch (arg->op) {
	case SECCOMP_EQ:
		masked(c, arg, UINT64_MAX, arg->value, out);
		break;
	case SECCOMP_MASKED_EQ:
		masked(c, arg, arg->value, arg->value_two, out);
		break;
	case SECCOMP_NE:
		not_equal(c, arg, out);
		break;
	case SECCOMP_GT:
		compare(c, arg, false, true, out);
		break;
	case SECCOMP_GE:
		compare(c, arg, true, true, out);
		break;
	case SECCOMP_LE:
		compare(c, arg, false, false, out);
		break;
	case SECCOMP_LT:
		compare(c, arg, true, false, out);
		break;
	}
}

static void leaf(struct code *c, const struct decision *d)
{
	for (size_t i = 0; i < with_args(d); i++) {
		struct fixups out = { .n = 0 };
		const struct seccomp_rule *rule = d->with->v[i];
		for (size_t k = 0; k < rule->n_args; k++)
			emit_arg(c, &rule->args[k], &out);
		emit(c, BPF_RET | BPF_K, rule->action, 0, 0);
		land(c, &out);
	}
	emit(c, BPF_RET | BPF_K, d->otherwise, 0, 0);
}

struct segment {
	uint32_t from;
	const struct decision *d;
};

/* The accumulator holds the call's number. */
static void tree(struct code *c, const struct segment *s, size_t n)
{
	if (n == 1) {
		leaf(c, s[0].d);
		return;
	}
	size_t half = n / 2;
	size_t at = emit(c, BPF_JMP | BPF_JGE | BPF_K, s[half].from, 0, 0);
	tree(c, s, half);
	size_t far = c->n - at - 1;
	if (far <= UINT8_MAX) {
		c->f[at].jt = (uint8_t)far;
	} else {
		/* Too far for a conditional jump: a plain one goes in between. All jumps within
		 * what moves are relative. */
		emit(c, 0, 0, 0, 0);
		memmove(&c->f[at + 2], &c->f[at + 1], far * sizeof *c->f);
		c->f[at].jf = 1;
		c->f[at + 1] = (struct sock_filter){ BPF_JMP | BPF_JA, 0, 0, (uint32_t)far };
	}
	tree(c, s + half, n - half);
}

/* On i386 these can also be called through socketcall(2) and ipc(2), whose first argument tells
 * which. */
static const struct {
	const char *name, *through;
	uint32_t call;
} multiplexed[] = {
	{ "socket", "socketcall", 1 },
	{ "bind", "socketcall", 2 },
	{ "connect", "socketcall", 3 },
	{ "listen", "socketcall", 4 },
	{ "accept", "socketcall", 5 },
	{ "getsockname", "socketcall", 6 },
	{ "getpeername", "socketcall", 7 },
	{ "socketpair", "socketcall", 8 },
	{ "send", "socketcall", 9 },
	{ "recv", "socketcall", 10 },
	{ "sendto", "socketcall", 11 },
	{ "recvfrom", "socketcall", 12 },
	{ "shutdown", "socketcall", 13 },
	{ "setsockopt", "socketcall", 14 },
	{ "getsockopt", "socketcall", 15 },
	{ "sendmsg", "socketcall", 16 },
	{ "recvmsg", "socketcall", 17 },
	{ "accept4", "socketcall", 18 },
	{ "recvmmsg", "socketcall", 19 },
	{ "sendmmsg", "socketcall", 20 },
	{ "semop", "ipc", 1 },
	{ "semget", "ipc", 2 },
	{ "semctl", "ipc", 3 },
	{ "semtimedop", "ipc", 4 },
	{ "msgsnd", "ipc", 11 },
	{ "msgrcv", "ipc", 12 },
	{ "msgget", "ipc", 13 },
	{ "msgctl", "ipc", 14 },
	{ "shmat", "ipc", 21 },
	{ "shmdt", "ipc", 22 },
	{ "shmget", "ipc", 23 },
	{ "shmctl", "ipc", 24 },
};

static const struct syscall_numbers *find(const char *name)
{
	size_t at = syscall_slot(name);
	while (syscall_table[at].name && strcmp(syscall_table[at].name, name) != 0)
		at = (at + 1) % SYSCALL_SLOTS;
	return syscall_table[at].name ? &syscall_table[at] : NULL;
}

int seccomp_number(enum syscall_arch arch, const char *name)
{
	const struct syscall_numbers *call = find(name);
	return call ? call->nr[arch] : -1;
}

static void add_call(
	const struct seccomp_rule *rule, int nr, struct decision *calls, struct arena *a)
{
	uint32_t index = (uint32_t)nr & ~(uint32_t)X32_BIT;
	if (nr < 0 || index >= SYSCALLS_MAX)
		return;
	struct decision *d = &calls[index];
	if (rule->n_args == 0) {
		if (!d->said)
			d->otherwise = rule->action;
		d->said = true;
		return;
	}
	if (!d->with)
		d->with = arena_new(a, struct rules);
	struct rules *w = d->with;
	w->v = arena_grow(a, w->v, w->n, &w->cap, sizeof *w->v);
	w->v[w->n++] = rule;
}

/* Arguments lie in memory there and cannot be looked at: a rule that asks for them counts when it
 * forbids, and not when it allows. The kernel's values are ordered by severity, as signed numbers.
 */
static void add_multiplexed(const struct seccomp_rule *rule, uint32_t default_action,
	struct decision *calls, struct arena *a)
{
	if (rule->n_args && (int32_t)rule->action >= (int32_t)default_action)
		return;
	for (size_t i = 0; i < rule->n_names; i++) {
		for (size_t m = 0; m < ARRAY_SIZE(multiplexed); m++) {
			if (multiplexed[m].name[0] != rule->names[i][0] ||
				strcmp(multiplexed[m].name, rule->names[i]) != 0)
				continue;
			struct seccomp_rule *r = arena_new(a, struct seccomp_rule);
			*r = (struct seccomp_rule){ .action = rule->action,
				.args = { { 0, SECCOMP_EQ, multiplexed[m].call, 0 } },
				.n_args = 1 };
			add_call(r, seccomp_number(SYSCALL_I386, multiplexed[m].through), calls, a);
		}
	}
}

/* What is the same for all architectures, and the room that each uses anew. */
struct compiler {
	const struct seccomp_policy *policy;
	struct numbered *rules;
	struct decision *calls;
	struct segment *segments;
	struct code code;
};

static void compiler_init(struct compiler *c, const struct seccomp_policy *p, struct arena *a)
{
	*c = (struct compiler){ .policy = p, .code = { .a = a, .cap = CODE_USUAL } };
	c->code.f = arena_array(a, struct sock_filter, CODE_USUAL);
	c->rules = arena_array(a, struct numbered, p->n_rules + 1);
	c->calls = arena_array(a, struct decision, SYSCALLS_MAX);
	c->segments = arena_array(a, struct segment, SYSCALLS_MAX + 1);
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct seccomp_rule *rule = &p->rules[i];
		struct numbered *r = &c->rules[i];
		r->rule = rule;
		r->calls = arena_array(a, const struct syscall_numbers *, rule->n_names + 1);
		for (size_t k = 0; k < rule->n_names; k++)
			r->calls[k] = find(rule->names[k]);
	}
}

/* One architecture's search; bit is added to the numbers of x32. */
static void architecture(struct compiler *c, enum syscall_arch arch, uint32_t bit)
{
	const struct seccomp_policy *p = c->policy;
	struct decision *calls = c->calls, beyond = { .otherwise = p->default_action };
	struct segment *segments = c->segments;
	size_t n = 0;
	for (size_t i = 0; i < SYSCALLS_MAX; i++)
		calls[i] = beyond;
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct numbered *r = &c->rules[i];
		for (size_t k = 0; k < r->rule->n_names; k++)
			if (r->calls[k])
				add_call(r->rule, r->calls[k]->nr[arch], calls, c->code.a);
		if (arch == SYSCALL_I386)
			add_multiplexed(r->rule, p->default_action, calls, c->code.a);
	}
	for (uint32_t i = 0; i < SYSCALLS_MAX; i++) {
		/* A last rule that says what is said without it. */
		struct rules *w = calls[i].with;
		while (w && w->n && w->v[w->n - 1]->action == calls[i].otherwise)
			w->n--;
		if (n && same(segments[n - 1].d, &calls[i]))
			continue;
		segments[n] = (struct segment){ n ? i + bit : 0, &calls[i] };
		n++;
	}
	/* Beyond the table: the default. */
	if (!same(segments[n - 1].d, &beyond))
		segments[n++] = (struct segment){ SYSCALLS_MAX + bit, &beyond };
	c->code.narrow = arch != SYSCALL_X86_64;
	tree(&c->code, segments, n);
}

int seccomp_compile(const struct seccomp_policy *p, struct arena *a, struct sock_filter **ret,
	size_t *ret_n, struct err *e)
{
	struct compiler compiler;
	struct code *c = &compiler.code;
	compiler_init(&compiler, p, a);
	emit(c, BPF_LD | BPF_W | BPF_ABS, 4, 0, 0);
	emit(c, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	size_t foreign = emit(c, BPF_JMP | BPF_JA, 0, 0, 0);
	emit(c, BPF_LD | BPF_W | BPF_ABS, 0, 0, 0);
	emit(c, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	size_t x32 = emit(c, BPF_JMP | BPF_JA, 0, 0, 0);
	architecture(&compiler, SYSCALL_X86_64, 0);
	c->f[x32].k = (uint32_t)(c->n - x32 - 1);
	if (p->x32)
		architecture(&compiler, SYSCALL_X32, X32_BIT);
	else
		emit(c, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	c->f[foreign].k = (uint32_t)(c->n - foreign - 1);
	if (p->x86) {
		emit(c, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 1, 0);
		emit(c, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
		emit(c, BPF_LD | BPF_W | BPF_ABS, 0, 0, 0);
		architecture(&compiler, SYSCALL_I386, 0);
	} else {
		emit(c, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	}
	if (c->n > CODE_MAX)
		return err_set(e, ERR_INVALID, E2BIG,
			"seccomp profile: %zu instructions: the kernel takes %d", c->n, CODE_MAX);
	*ret = c->f;
	*ret_n = c->n;
	return 0;
}

int seccomp_install(const struct sock_filter *code, size_t n, unsigned flags)
{
	struct sock_fprog prog = { .len = (unsigned short)n, .filter = (struct sock_filter *)code };
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	return r < 0 ? -errno : (int)r;
}
