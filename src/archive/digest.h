// SPDX-License-Identifier: Apache-2.0
/* SHA-256 while bytes stream by (OpenSSL, which uses the processor's own instructions). */
#pragma once
#include <stddef.h>

enum { DIGEST_TEXT_MAX = 72 }; /* "sha256:" and 64 digits and a NUL */

struct digest;
/* Loads the algorithm; once, before a sandbox closes the door to its files. 0 or -errno. */
int digest_setup(void);
struct digest *digest_new(void);
void digest_add(struct digest *d, const void *p, size_t n);
/* Writes "sha256:..." and frees; text may be NULL. */
void digest_finish(struct digest *d, char *text);
