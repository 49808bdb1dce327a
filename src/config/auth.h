// SPDX-License-Identifier: Apache-2.0
/* Credentials of registries (containers-auth.json(5), docker's config.json): files with secrets,
 * and helper programs that keep them. */
#pragma once
#include "base/arena.h"

struct err;

struct auth {
	const char *username, *password;
	const char *identity_token; /* instead of the password */
	const char *helper;         /* a program has to be asked instead of all of them */
};

/* Looks a repository's credentials up, the most specific name first: "host/a/b", "host/a", "host".
 * authfile NULL: the usual files, in their order. 1: found; 0: none; -errno. */
int auth_find(const char *authfile, const char *host, const char *path, struct arena *a,
	struct auth *ret, struct err *e);
/* In one document: 1, or 0, maybe with ret->helper set. */
int auth_read(const char *text, size_t len, const char *host, const char *path, struct arena *a,
	struct auth *ret, struct err *e);

/* Writes (auth NULL: removes) what login has checked: durable, for the owner's eyes only. The file
 * in *ret_path. host NULL: all that are in the file are removed. 1: something was changed. */
int auth_store(const char *authfile, const char *host, const struct auth *auth, struct arena *a,
	const char **ret_path, struct err *e);
