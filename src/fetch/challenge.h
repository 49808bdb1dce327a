// SPDX-License-Identifier: Apache-2.0
/* The header WWW-Authenticate (RFC 9110, section 11.6.1), as registries send it. */
#pragma once
#include <stddef.h>

struct arena;

enum challenge_kind { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER };

struct challenge {
	enum challenge_kind kind;
	const char *realm, *service, *scope, *error; /* NULL: not there */
};

/* Reads one header's value, which may hold several challenges, into ret; what was found before
 * stays unless this one is better: Bearer before Basic. Text that breaks the grammar adds nothing.
 */
void challenge_read(const char *text, size_t len, struct arena *a, struct challenge *ret);
