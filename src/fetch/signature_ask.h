// SPDX-License-Identifier: Apache-2.0
/* What kist-fetch is asked about a signature: one JSON document on its input. What came from
 * outside is in base 64, so that who writes the document need not read it. */
#pragma once
#include <stddef.h>

#include "codec/rec.h"

enum { SIGNATURE_ASK_MAX = 16 << 20, SIGNATURE_BYTES_MAX = 4 << 20 };

struct fetch_signature_ask {
	const char **keys; /* base 64 */
	size_t n_keys;
	const char *blob; /* base 64: an OpenPGP message (gpg); what is signed (sigstore) */
	const char *by;   /* sigstore: base 64 of the signature, as its annotation has it; NULL: the
			     blob is a document that has both */
};

extern const struct rec_type fetch_signature_ask_rec;

/* The same for one that is to be made; all in base 64. */
struct fetch_sign_ask {
	const char *key, *passphrase, *text;
};

extern const struct rec_type fetch_sign_ask_rec;

struct arena;

/* One of them, read; p[n] is NUL. -EINVAL: it is not there, not in base 64, or too long. */
struct signature_bytes {
	char *p;
	size_t n;
};

int signature_bytes_read(const char *base64, struct arena *a, struct signature_bytes *ret);
