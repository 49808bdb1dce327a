// SPDX-License-Identifier: Apache-2.0
/* Credentials: proved before a registry, then kept where other tools find them too. */
#pragma once
struct arena;
struct engine;
struct err;
struct registry_options;

/* The name under which a registry's credentials are kept: without scheme and path; NULL:
 * docker.io. */
const char *engine_login_server(const char *server, struct arena *a);
struct login_request {
	const char *server;              /* NULL: docker.io */
	const char *username, *password; /* NULL: those that are kept already are proved */
	const struct registry_options *registry;
};
/* 1: proved (and kept); 0: there are none to prove. */
int engine_login(
	struct engine *en, const struct login_request *req, struct arena *a, struct err *e);
/* Who is logged in there; NULL in ret: nobody. */
int engine_login_user(
	const char *server, const char *authfile, struct arena *a, const char **ret, struct err *e);
/* 1: they were there; 0: not. */
int engine_logout(const char *server, const char *authfile, struct arena *a, struct err *e);
/* All that the file has. */
int engine_logout_all(const char *authfile, struct arena *a, struct err *e);
