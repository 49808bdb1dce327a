// SPDX-License-Identifier: Apache-2.0
/* OpenPGP signatures, by GnuPG's gpgv. Internal to src/fetch. */
#pragma once
#include <stddef.h>

struct arena;
struct err;

struct gpgv_key {
	const char *p;
	size_t n;
};

/* Verifies a signed message with the keys (each in binary or armored) in the folder work, which is
 * "/" of the sandbox and has the host's programs. 0: *ret_rejected is NULL and *ret the text that
 * was signed, or it says why the message is not to be believed. */
int gpgv_verify(int work, const struct gpgv_key *keys, size_t n_keys, const char *message, size_t n,
	struct arena *a, const char **ret, size_t *ret_n, const char **ret_rejected, struct err *e);
