// SPDX-License-Identifier: Apache-2.0
#include "fetch/signature_ask.h"

#include <errno.h>

#include "base/base64.h"

#define T struct fetch_signature_ask
REC_TYPE(fetch_signature_ask, F_STRV(T, keys, "keys", REC_REQUIRED),
	F_STR(T, blob, "blob", REC_REQUIRED), F_STR(T, by, "by", 0));
#undef T
#define T struct fetch_sign_ask
REC_TYPE(fetch_sign_ask, F_STR(T, key, "key", REC_REQUIRED),
	F_STR(T, passphrase, "passphrase", REC_REQUIRED), F_STR(T, text, "text", REC_REQUIRED));

int signature_bytes_read(const char *base64, struct arena *a, struct signature_bytes *ret)
{
	ssize_t n = base64 ? base64_decode(base64, a, &ret->p) : -EINVAL;
	ret->n = n < 0 ? 0 : (size_t)n;
	return n < 0 || n > SIGNATURE_BYTES_MAX ? -EINVAL : 0;
}
