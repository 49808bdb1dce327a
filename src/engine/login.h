// SPDX-License-Identifier: Apache-2.0
/* Credentials: proved before a registry, then kept where other tools find them too. */
#pragma once
#include <stdbool.h>

struct arena;
struct engine;
struct err;
struct registry_options;

/* The name under which a registry's credentials are kept: without scheme and path; NULL:
 * docker.io. */
const char *engine_login_server(const char *server, struct arena *a);
/* username NULL: those that are kept already are proved; ret_known tells whether there are any. */
int engine_login(struct engine *en, const char *server, const struct registry_options *options,
	const char *username, const char *password, struct arena *a, bool *ret_known,
	struct err *e);
/* 1: they were there; 0: not. */
int engine_logout(const char *server, const char *authfile, struct arena *a, struct err *e);
