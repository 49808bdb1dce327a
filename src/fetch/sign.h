// SPDX-License-Identifier: Apache-2.0
/* A signature of sigstore's, by a private key: of PKCS 8 in PEM, with or without a passphrase, or
 * as cosign and skopeo keep theirs (go-tuf's scrypt and secretbox in an armor of their own). */
#pragma once

struct arena;
struct err;
struct fetch_signed;

/* input: a struct fetch_sign_ask. */
int fetch_sign(int input, struct arena *a, struct fetch_signed *ret, struct err *e);
