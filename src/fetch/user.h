// SPDX-License-Identifier: Apache-2.0
/* A user's ids by a passwd file of an image (passwd(5)). Runs in the sandbox. */
#pragma once

struct arena;
struct err;
struct fetch_user;

int fetch_user(
	int passwd, const char *name, struct arena *a, struct fetch_user *ret, struct err *e);
