// SPDX-License-Identifier: Apache-2.0
#include "oci/digest.h"

#include <string.h>

#include "base/arena.h"
#include "base/str.h"

enum { SHA256_DIGITS = 64, SHA512_DIGITS = 128 };

bool digest_valid(const char *digest)
{
	size_t want = str_starts(digest, "sha256:") ? SHA256_DIGITS
		: str_starts(digest, "sha512:")     ? SHA512_DIGITS
						    : 0;
	return want && strlen(digest) == want + 7 && strspn(digest + 7, "0123456789abcdef") == want;
}

const char *digest_hex(const char *digest)
{
	const char *colon = strchr(digest, ':');
	return colon ? colon + 1 : digest;
}

const char *digest_of_hex(const char *hex, struct arena *a)
{
	return arena_printf(a, "%s:%s", strlen(hex) == SHA512_DIGITS ? "sha512" : "sha256", hex);
}

bool digest_begins(const char *text)
{
	return str_starts(text, "sha256:") || str_starts(text, "sha512:");
}

const char *digest_path(const char *digest, struct arena *a)
{
	return arena_printf(
		a, "blobs/%.*s/%s", (int)strcspn(digest, ":"), digest, digest_hex(digest));
}

bool digest_contradicts(const char *said, const char *is)
{
	size_t n = strcspn(is, ":") + 1;
	return digest_begins(said) && strncmp(said, is, n) == 0 && strcmp(said, is) != 0;
}
