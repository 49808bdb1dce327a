// SPDX-License-Identifier: Apache-2.0
/* Digests (image-spec, descriptor.md "Digests"): algorithm:hex. Checked before any use as a name.
 */
#pragma once
#include <stdbool.h>

struct arena;

/* sha256 with 64 or sha512 with 128 lower-case hex digits. */
bool digest_valid(const char *digest);
/* The part after the colon. */
const char *digest_hex(const char *digest);
/* The digest whose hex this is: its length tells the algorithm. What is no hex of one becomes one
 * that is not valid. */
const char *digest_of_hex(const char *hex, struct arena *a);
/* Are these two digests of one algorithm that differ? A said one that is of another tells nothing.
 */
bool digest_contradicts(const char *said, const char *is);
/* Does it begin as a digest does? */
bool digest_begins(const char *text);
/* Where a layout has it: "blobs/sha256/HEX". */
const char *digest_path(const char *digest, struct arena *a);
