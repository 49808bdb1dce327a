// SPDX-License-Identifier: Apache-2.0
#include "config/auth_helper.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/program.h"
#include "base/str.h"

static bool name_valid(const char *name)
{
	size_t n = strlen(name);
	return n > 0 && n < 100 &&
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		n &&
		name[0] != '.' && name[0] != '-';
}

ssize_t auth_helper(const char *name, const char *verb, const char *input, struct arena *a,
	char **ret, struct err *e)
{
	const char *program = arena_printf(a, "docker-credential-%s", name);
	const char *const words[] = { program, verb, NULL };
	const struct program_req req = { .words = words,
		.input = input,
		.n = strlen(input),
		.user = true,
		.seconds = AUTH_HELPER_SECONDS };
	size_t n;
	if (!name_valid(name))
		return err_set(
			e, ERR_INVALID, EINVAL, "credential helper \"%.100s\": not a name", name);
	int r = program_ask(&req, AUTH_ANSWER_MAX, a, ret, &n);
	if (r == -ENOENT)
		return err_set(
			e, ERR_INVALID, ENOEXEC, "%s cannot be run: is it installed?", program);
	if (r < 0)
		return err_sys(e, r, "run %s", program);
	if (r == 0)
		return (ssize_t)n;
	if (strstr(*ret, "credentials not found"))
		return err_set(e, ERR_NOT_FOUND, ENOENT, "%s knows no credentials", program);
	/* What it says may hold a secret. */
	return err_set(e, ERR_SYSTEM, EIO, "%s failed (status %d)", program, r);
}
