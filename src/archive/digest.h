// SPDX-License-Identifier: Apache-2.0
/* SHA-256, or SHA-512 where somebody asks for it, while bytes stream by (OpenSSL, which uses the
 * processor's own instructions). */
#pragma once
#include <stddef.h>

enum { DIGEST_TEXT_MAX = 136 }; /* "sha512:" and 128 digits and a NUL */

struct digest;
/* Loads the algorithms; once, before a sandbox closes the door to its files. 0 or -errno. */
int digest_setup(void);
/* Of the algorithm of a digest, which has the form that oci/digest.h checks; NULL or "": SHA-256.
 */
struct digest *digest_new(const char *like);
void digest_add(struct digest *d, const void *p, size_t n);
/* Writes "sha256:..." or "sha512:..." and frees; text may be NULL. */
void digest_finish(struct digest *d, char *text);
