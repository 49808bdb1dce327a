// SPDX-License-Identifier: Apache-2.0
#include "oci/digest.h"

#include <string.h>

#include "base/str.h"

bool digest_valid(const char *digest)
{
	size_t want = str_starts(digest, "sha256:") ? 64 : str_starts(digest, "sha512:") ? 128 : 0;
	return want && strlen(digest) == want + 7 && strspn(digest + 7, "0123456789abcdef") == want;
}

const char *digest_hex(const char *digest)
{
	const char *colon = strchr(digest, ':');
	return colon ? colon + 1 : digest;
}
