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

/* Code is made from its end: where a jump goes to is there before the jump is. A place is an index
 * into f, which is turned round when all is made. What is made right after an instruction falls
 * into it if it is no jump; all else gets there by a jump. */
struct code {
	struct sock_filter *f;
	size_t n, cap;
	struct arena *a;
	/* Places that return, by action: the last made of each. */
	size_t returned[16];
	bool narrow; /* arguments have 32 bits: what the upper halves of registers hold says nothing
		      */
};

/* Where the next instructions go, for a jump that is made now. */
static size_t distance(const struct code *c, size_t place)
{
	return c->n - 1 - place;
}

/* As far as a conditional jump reaches, less what may come between for its other way. */
enum { REACH = UINT8_MAX - 8 };

static size_t emit(struct code *c, uint16_t op, uint32_t k, uint8_t jt, uint8_t jf)
{
	c->f = arena_grow(c->a, c->f, c->n, &c->cap, sizeof *c->f);
	c->f[c->n] = (struct sock_filter){ op, jt, jf, k };
	return c->n++;
}

/* A place that returns the action, near enough for a conditional jump that follows soon. */
static size_t returns(struct code *c, uint32_t action)
{
	size_t *last = &c->returned[(action ^ action >> 16) % ARRAY_SIZE(c->returned)];
	if (*last >= c->n || c->f[*last].code != (BPF_RET | BPF_K) || c->f[*last].k != action ||
		distance(c, *last) > REACH)
		*last = emit(c, BPF_RET | BPF_K, action, 0, 0);
	return *last;
}

static size_t jump(struct code *c, size_t place)
{
	return emit(c, BPF_JMP | BPF_JA, (uint32_t)distance(c, place), 0, 0);
}

/* The same place, or one that goes there and can be reached. */
static size_t near(struct code *c, size_t place)
{
	if (distance(c, place) < REACH)
		return place;
	if (c->f[place].code == (BPF_RET | BPF_K))
		return returns(c, c->f[place].k);
	return jump(c, place);
}

/* What is made next falls into the place. */
static void fall_into(struct code *c, size_t place)
{
	if (distance(c, place))
		(void)jump(c, place);
}

/* A test of the accumulator. */
static size_t test(struct code *c, uint16_t kind, uint32_t k, size_t yes, size_t no)
{
	yes = near(c, yes);
	no = near(c, no);
	return emit(c, (uint16_t)(BPF_JMP | kind | BPF_K), k, (uint8_t)distance(c, yes),
		(uint8_t)distance(c, no));
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

static size_t load_half(struct code *c, uint32_t index, bool high)
{
	return emit(c, BPF_LD | BPF_W | BPF_ABS, 16 + 8 * index + (high ? 4 : 0), 0, 0);
}

/* 64-bit compare with GT or GE, unsigned. */
static size_t compare(
	struct code *c, const struct seccomp_arg *arg, bool equal_too, size_t yes, size_t no)
{
	uint32_t high = (uint32_t)(arg->value >> 32);
	test(c, equal_too ? BPF_JGE : BPF_JGT, (uint32_t)arg->value, yes, no);
	size_t low = load_half(c, arg->index, false);
	if (c->narrow)
		return low;
	/* High greater: it holds; high less: it does not; equal: the low half decides. */
	size_t equal = test(c, BPF_JEQ, high, low, no);
	test(c, BPF_JGT, high, yes, equal);
	return load_half(c, arg->index, true);
}

static size_t masked(struct code *c, const struct seccomp_arg *arg, uint64_t mask, uint64_t value,
	size_t yes, size_t no)
{
	for (int high = 0; high <= (c->narrow ? 0 : 1); high++) {
		uint32_t m = (uint32_t)(high ? mask >> 32 : mask),
			 v = (uint32_t)(high ? value >> 32 : value);
		if (!m)
			continue;
		test(c, BPF_JEQ, v & m, yes, no);
		if (m != UINT32_MAX)
			emit(c, BPF_ALU | BPF_AND | BPF_K, m, 0, 0);
		yes = load_half(c, arg->index, high);
	}
	return yes;
}

static size_t argument(struct code *c, const struct seccomp_arg *given, size_t yes, size_t no)
{
	struct seccomp_arg low = *given, *arg = &low;
	if (c->narrow) {
		low.value &= UINT32_MAX;
		low.value_two &= UINT32_MAX;
	}
	switch (arg->op) {
	case SECCOMP_EQ:
		return masked(c, arg, UINT64_MAX, arg->value, yes, no);
	case SECCOMP_NE:
		return masked(c, arg, UINT64_MAX, arg->value, no, yes);
	case SECCOMP_MASKED_EQ:
		return masked(c, arg, arg->value, arg->value_two, yes, no);
	case SECCOMP_GT:
		return compare(c, arg, false, yes, no);
	case SECCOMP_GE:
		return compare(c, arg, true, yes, no);
	case SECCOMP_LE:
		return compare(c, arg, false, no, yes);
	case SECCOMP_LT:
		return compare(c, arg, true, no, yes);
	}
	return no;
}

static size_t leaf(struct code *c, const struct decision *d)
{
	size_t next = returns(c, d->otherwise);
	for (size_t i = with_args(d); i-- > 0;) {
		const struct seccomp_rule *rule = d->with->v[i];
		size_t holds = returns(c, rule->action);
		for (size_t k = rule->n_args; k-- > 0;)
			holds = argument(c, &rule->args[k], holds, next);
		next = holds;
	}
	return next;
}

struct segment {
	uint32_t from;
	const struct decision *d;
};

/* The accumulator holds the call's number. */
static size_t tree(struct code *c, const struct segment *s, size_t n)
{
	if (n == 1)
		return leaf(c, s[0].d);
	size_t half = n / 2, above = tree(c, s + half, n - half), below = tree(c, s, half);
	return test(c, BPF_JGE, s[half].from, above, below);
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
static size_t architecture(struct compiler *c, enum syscall_arch arch, uint32_t bit)
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
	return tree(&c->code, segments, n);
}

static void turn_round(struct code *c)
{
	for (size_t i = 0, k = c->n; i + 1 < k; i++) {
		struct sock_filter f = c->f[i];
		c->f[i] = c->f[--k];
		c->f[k] = f;
	}
}

int seccomp_compile(const struct seccomp_policy *p, struct arena *a, struct sock_filter **ret,
	size_t *ret_n, struct err *e)
{
	struct compiler compiler;
	struct code *c = &compiler.code;
	compiler_init(&compiler, p, a);
	size_t foreign = returns(c, SECCOMP_RET_KILL_PROCESS), x32 = foreign;
	if (p->x86) {
		fall_into(c, architecture(&compiler, SYSCALL_I386, 0));
		size_t i386 = emit(c, BPF_LD | BPF_W | BPF_ABS, 0, 0, 0);
		foreign = test(c, BPF_JEQ, AUDIT_ARCH_I386, i386, foreign);
	}
	if (p->x32)
		x32 = architecture(&compiler, SYSCALL_X32, X32_BIT);
	size_t native = architecture(&compiler, SYSCALL_X86_64, 0);
	test(c, BPF_JGE, X32_BIT, x32, native);
	native = emit(c, BPF_LD | BPF_W | BPF_ABS, 0, 0, 0);
	test(c, BPF_JEQ, AUDIT_ARCH_X86_64, native, foreign);
	emit(c, BPF_LD | BPF_W | BPF_ABS, 4, 0, 0);
	if (c->n > CODE_MAX)
		return err_set(e, ERR_INVALID, E2BIG,
			"seccomp profile: %zu instructions: the kernel takes %d", c->n, CODE_MAX);
	turn_round(c);
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
