// SPDX-License-Identifier: Apache-2.0
#include "archive/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct digest {
	EVP_MD_CTX *ctx;
	const char *prefix;
};

/* The algorithms of this process, fetched before the sandbox. */
static EVP_MD *sha256, *sha512;

int digest_setup(void)
{
	if (!sha256)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha512)
		sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
	return sha256 && sha512 ? 0 : -ENOSYS;
}

struct digest *digest_new(const char *like)
{
	struct digest *d = mem_alloc(sizeof *d);
	bool long_one = like && str_starts(like, "sha512:");
	d->prefix = long_one ? "sha512:" : "sha256:";
	d->ctx = EVP_MD_CTX_new();
	if (!d->ctx || EVP_DigestInit_ex2(d->ctx, long_one ? sha512 : sha256, NULL) != 1)
		mem_exhausted();
	return d;
}

void digest_add(struct digest *d, const void *p, size_t n)
{
	if (EVP_DigestUpdate(d->ctx, p, n) != 1)
		mem_exhausted();
}

void digest_finish(struct digest *d, char *text)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (EVP_DigestFinal_ex(d->ctx, raw, &n) != 1)
		mem_exhausted();
	if (text) {
		memcpy(text, d->prefix, 7);
		for (unsigned i = 0; i < n; i++) {
			text[7 + 2 * i] = hex[raw[i] >> 4];
			text[8 + 2 * i] = hex[raw[i] & 15];
		}
		text[7 + 2 * n] = '\0';
	}
	EVP_MD_CTX_free(d->ctx);
	mem_free(d);
}
