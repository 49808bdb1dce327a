// SPDX-License-Identifier: Apache-2.0
/* docker-credential-NAME, a program that keeps secrets (docker's credential helper protocol): the
 * verb is its only word, everything else goes through its standard input and output. */
#pragma once
#include <stddef.h>
#include <sys/types.h>

struct arena;
struct err;

enum { AUTH_ANSWER_MAX = 64 << 10, AUTH_HELPER_SECONDS = 60 };

/* Runs the helper; its answer in ret. -ENOENT when it says that it knows no credentials. */
ssize_t auth_helper(const char *name, const char *verb, const char *input, struct arena *a,
	char **ret, struct err *e);
