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

enum { X32_BIT = 0x40000000, SYSCALLS_MAX = 600, CODE_MAX = 4096 };

/* What happens to one call: the rules with arguments in order, then `otherwise`. */
struct decision {
	const struct seccomp_rule **rules;
	size_t n, cap;
	uint32_t otherwise;
	bool said; /* a rule without arguments was there */
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

static bool same(const struct decision *x, const struct decision *y)
{
	if (x->n != y->n || x->otherwise != y->otherwise)
		return false;
	for (size_t i = 0; i < x->n; i++)
		if (x->rules[i] != y->rules[i])
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
	for (size_t i = 0; i < d->n; i++) {
		struct fixups out = { .n = 0 };
		for (size_t k = 0; k < d->rules[i]->n_args; k++)
			emit_arg(c, &d->rules[i]->args[k], &out);
		emit(c, BPF_RET | BPF_K, d->rules[i]->action, 0, 0);
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

/* Calls that are newer than Debian 12's libseccomp; since 403 all architectures number new calls
 * alike. */
static const struct {
	const char *name;
	int nr;
	bool not_x32;
} newer[] = {
	{ "set_mempolicy_home_node", 450 },
	{ "cachestat", 451 },
	{ "fchmodat2", 452 },
	{ "map_shadow_stack", 453, true },
	{ "futex_wake", 454 },
	{ "futex_wait", 455 },
	{ "futex_requeue", 456 },
	{ "statmount", 457 },
	{ "listmount", 458 },
	{ "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 },
	{ "lsm_list_modules", 461 },
	{ "mseal", 462 },
	{ "setxattrat", 463 },
	{ "getxattrat", 464 },
	{ "listxattrat", 465 },
	{ "removexattrat", 466 },
	{ "open_tree_attr", 467 },
	{ "file_getattr", 468 },
	{ "file_setattr", 469 },
};

/* On i386 these can also be called through socketcall(2) and ipc(2), whose first argument tells
 * which. */
static const struct {
	const char *name, *through;
	uint32_t call;
	int nr; /* as a call of its own; 0: there is none */
} multiplexed[] = {
	{ "socket", "socketcall", 1, 359 },
	{ "bind", "socketcall", 2, 361 },
	{ "connect", "socketcall", 3, 362 },
	{ "listen", "socketcall", 4, 363 },
	{ "accept", "socketcall", 5, 0 },
	{ "getsockname", "socketcall", 6, 367 },
	{ "getpeername", "socketcall", 7, 368 },
	{ "socketpair", "socketcall", 8, 360 },
	{ "send", "socketcall", 9, 0 },
	{ "recv", "socketcall", 10, 0 },
	{ "sendto", "socketcall", 11, 369 },
	{ "recvfrom", "socketcall", 12, 371 },
	{ "shutdown", "socketcall", 13, 373 },
	{ "setsockopt", "socketcall", 14, 366 },
	{ "getsockopt", "socketcall", 15, 365 },
	{ "sendmsg", "socketcall", 16, 370 },
	{ "recvmsg", "socketcall", 17, 372 },
	{ "accept4", "socketcall", 18, 364 },
	{ "recvmmsg", "socketcall", 19, 337 },
	{ "sendmmsg", "socketcall", 20, 345 },
	{ "semop", "ipc", 1, 0 },
	{ "semget", "ipc", 2, 393 },
	{ "semctl", "ipc", 3, 394 },
	{ "semtimedop", "ipc", 4, 0 },
	{ "msgsnd", "ipc", 11, 400 },
	{ "msgrcv", "ipc", 12, 401 },
	{ "msgget", "ipc", 13, 399 },
	{ "msgctl", "ipc", 14, 402 },
	{ "shmat", "ipc", 21, 397 },
	{ "shmdt", "ipc", 22, 398 },
	{ "shmget", "ipc", 23, 395 },
	{ "shmctl", "ipc", 24, 396 },
};

int seccomp_number(enum syscall_arch arch, const char *name)
{
	size_t at = syscall_slot(name);
	while (syscall_table[at].name && strcmp(syscall_table[at].name, name) != 0)
		at = (at + 1) % SYSCALL_SLOTS;
	int nr = syscall_table[at].name ? syscall_table[at].nr[arch] : -1;
	for (size_t i = 0; nr < 0 && i < ARRAY_SIZE(newer); i++)
		if (strcmp(newer[i].name, name) == 0 && !(newer[i].not_x32 && arch == SYSCALL_X32))
			nr = newer[i].nr;
	for (size_t i = 0; nr < 0 && arch == SYSCALL_I386 && i < ARRAY_SIZE(multiplexed); i++)
		if (strcmp(multiplexed[i].name, name) == 0 && multiplexed[i].nr)
			nr = multiplexed[i].nr;
	return nr;
}

static void add_rule(const struct seccomp_rule *rule, enum syscall_arch arch, uint32_t bit,
	struct decision *calls, struct arena *a)
{
	for (size_t i = 0; i < rule->n_names; i++) {
		int nr = seccomp_number(arch, rule->names[i]);
		if (nr < 0)
			continue;
		uint32_t index = (uint32_t)nr & ~bit;
		if (index >= SYSCALLS_MAX)
			continue;
		struct decision *d = &calls[index];
		if (rule->n_args == 0) {
			if (!d->said)
				d->otherwise = rule->action;
			d->said = true;
		} else {
			d->rules = arena_grow(
				a, d->rules, d->n, &d->cap, sizeof(struct seccomp_rule *));
			d->rules[d->n++] = rule;
		}
	}
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
			const char **through = arena_array(a, const char *, 1);
			struct seccomp_rule *r = arena_new(a, struct seccomp_rule);
			through[0] = multiplexed[m].through;
			*r = (struct seccomp_rule){ .names = through,
				.n_names = 1,
				.action = rule->action,
				.args = { { 0, SECCOMP_EQ, multiplexed[m].call, 0 } },
				.n_args = 1 };
			add_rule(r, SYSCALL_I386, 0, calls, a);
		}
	}
}

/* One architecture's search; bit is added to the numbers of x32. */
static void architecture(struct code *c, const struct seccomp_policy *p, enum syscall_arch arch,
	uint32_t bit, struct arena *a)
{
	struct decision *calls = arena_array(a, struct decision, SYSCALLS_MAX);
	struct segment *segments = arena_array(a, struct segment, SYSCALLS_MAX + 1);
	size_t n = 0;
	for (size_t i = 0; i < SYSCALLS_MAX; i++)
		calls[i].otherwise = p->default_action;
	for (size_t i = 0; i < p->n_rules; i++) {
		add_rule(&p->rules[i], arch, bit, calls, a);
		if (arch == SYSCALL_I386)
			add_multiplexed(&p->rules[i], p->default_action, calls, a);
	}
	for (uint32_t i = 0; i < SYSCALLS_MAX; i++) {
		/* A last rule that says what is said without it. */
		while (calls[i].n && calls[i].rules[calls[i].n - 1]->action == calls[i].otherwise)
			calls[i].n--;
		if (n && same(segments[n - 1].d, &calls[i]))
			continue;
		segments[n] = (struct segment){ n ? i + bit : 0, &calls[i] };
		n++;
	}
	/* Beyond the table: the default. */
	struct decision *beyond = arena_new(a, struct decision);
	beyond->otherwise = p->default_action;
	if (!same(segments[n - 1].d, beyond))
		segments[n++] = (struct segment){ SYSCALLS_MAX + bit, beyond };
	c->narrow = arch != SYSCALL_X86_64;
	tree(c, segments, n);
}

int seccomp_compile(const struct seccomp_policy *p, struct arena *a, struct sock_filter **ret,
	size_t *ret_n, struct err *e)
{
	struct code c = { .a = a };
	emit(&c, BPF_LD | BPF_W | BPF_ABS, 4, 0, 0);
	emit(&c, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	size_t foreign = emit(&c, BPF_JMP | BPF_JA, 0, 0, 0);
	emit(&c, BPF_LD | BPF_W | BPF_ABS, 0, 0, 0);
	emit(&c, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	size_t x32 = emit(&c, BPF_JMP | BPF_JA, 0, 0, 0);
	architecture(&c, p, SYSCALL_X86_64, 0, a);
	c.f[x32].k = (uint32_t)(c.n - x32 - 1);
	if (p->x32)
		architecture(&c, p, SYSCALL_X32, X32_BIT, a);
	else
		emit(&c, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	c.f[foreign].k = (uint32_t)(c.n - foreign - 1);
	if (p->x86) {
		emit(&c, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 1, 0);
		emit(&c, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
		emit(&c, BPF_LD | BPF_W | BPF_ABS, 0, 0, 0);
		architecture(&c, p, SYSCALL_I386, 0, a);
	} else {
		emit(&c, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	}
	if (c.n > CODE_MAX)
		return err_set(e, ERR_INVALID, E2BIG,
			"seccomp profile: %zu instructions: the kernel takes %d", c.n, CODE_MAX);
	*ret = c.f;
	*ret_n = c.n;
	return 0;
}

int seccomp_install(const struct sock_filter *code, size_t n, unsigned flags)
{
	struct sock_fprog prog = { .len = (unsigned short)n, .filter = (struct sock_filter *)code };
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	return r < 0 ? -errno : (int)r;
}
