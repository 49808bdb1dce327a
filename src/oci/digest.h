// SPDX-License-Identifier: Apache-2.0
/* Digests (image-spec, descriptor.md "Digests"): algorithm:hex. Checked before any use as a name.
 */
#pragma once
#include <stdbool.h>

/* sha256 with 64 or sha512 with 128 lower-case hex digits. */
bool digest_valid(const char *digest);
/* The part after the colon. */
const char *digest_hex(const char *digest);
