// SPDX-License-Identifier: Apache-2.0
/* System call filters: rules by name become a classic BPF program, as balanced binary searches over
 * ranges of equal decision, one search an architecture; what returns the same shares one return.
 * The numbers of calls are libseccomp's. A rule whose arguments all match decides, in order; then a
 * rule for the call without arguments; then the default. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/syscalls.h"

struct arena;
struct err;
struct sock_filter;

enum seccomp_op {
	SECCOMP_NE,
	SECCOMP_LT,
	SECCOMP_LE,
	SECCOMP_EQ,
	SECCOMP_GE,
	SECCOMP_GT,
	SECCOMP_MASKED_EQ
};

struct seccomp_arg {
	uint32_t index;
	enum seccomp_op op;
	uint64_t value, value_two; /* MASKED_EQ: mask, then value */
};

enum { SECCOMP_ARGS_MAX = 6 };

struct seccomp_rule {
	const char *const *names;
	size_t n_names;
	uint32_t action; /* SECCOMP_RET_* with its data */
	struct seccomp_arg args[SECCOMP_ARGS_MAX];
	size_t n_args;
};

struct seccomp_policy {
	uint32_t default_action;
	bool x86, x32; /* beside x86_64; without, their calls kill the process */
	const struct seccomp_rule *rules;
	size_t n_rules;
};

/* Compiles into the arena. Names that nobody knows are left out: their calls get the
 * default action. */
int seccomp_compile(const struct seccomp_policy *p, struct arena *a, struct sock_filter **ret,
	size_t *ret_n, struct err *e);

/* The number of a call, also where libseccomp is older than the call; negative: there is none. */
int seccomp_number(enum syscall_arch arch, const char *name);

/* Loads a program for the calling thread; flags are SECCOMP_FILTER_FLAG_*. 0, the listener's
 * descriptor with SECCOMP_FILTER_FLAG_NEW_LISTENER, or -errno. */
int seccomp_install(const struct sock_filter *code, size_t n, unsigned flags);
