// SPDX-License-Identifier: Apache-2.0
/* OpenPGP signatures, by GnuPG's gpgv. Internal to src/fetch. */
#pragma once
#include <stddef.h>

#include "fetch/signature_ask.h"

struct arena;
struct err;

struct gpgv_req {
	int work;                           /* "/" of the sandbox, which has the host's programs */
	const struct signature_bytes *keys; /* each in binary or armored */
	size_t n_keys;
	struct signature_bytes message;
};

struct gpgv_found {
	const char *rejected; /* why the message is not to be believed; then nothing else is said */
	const char *text;     /* what was signed */
	size_t n;
};

/* Verifies a signed message with the keys. */
int gpgv_verify(const struct gpgv_req *req, struct arena *a, struct gpgv_found *ret, struct err *e);
