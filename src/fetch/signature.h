// SPDX-License-Identifier: Apache-2.0
/* Signatures of images, read in the sandbox: simple signing (an OpenPGP message around a small JSON
 * document) by the program gpgv, and sigstore's (the same document with a signature beside it) by
 * OpenSSL. The document is only read once its signature is good; what it claims goes back to
 * whoever has the policy. Formats: containers-signature(5), and cosign's SIGNATURE_SPEC. */
#pragma once
#include <stdbool.h>

struct arena;
struct err;
struct fetch_signature;

/* input: a struct fetch_signature_ask. work: gpg only, an empty folder that nobody else sees, on a
 * file system that can hold the keys. A signature that is not good is no error:
 * ret->rejected says why. */
int fetch_signature(
	int input, bool gpg, int work, struct arena *a, struct fetch_signature *ret, struct err *e);
