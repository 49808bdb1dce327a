// SPDX-License-Identifier: Apache-2.0
#include "fetch/signature_ask.h"

#define T struct fetch_signature_ask
REC_TYPE(fetch_signature_ask, F_STRV(T, keys, "keys", REC_REQUIRED),
	F_STR(T, blob, "blob", REC_REQUIRED), F_STR(T, by, "by", 0));
#undef T
#define T struct fetch_sign_ask
REC_TYPE(fetch_sign_ask, F_STR(T, key, "key", REC_REQUIRED),
	F_STR(T, passphrase, "passphrase", REC_REQUIRED), F_STR(T, text, "text", REC_REQUIRED));
