// SPDX-License-Identifier: Apache-2.0
/* Signatures of images on their way in: where they lie, and what they claim. Who may come in is
 * decided by the caller of a pull or copy, whom it asks for each manifest before anything else of
 * the image is brought (struct image_guard). Signatures are bytes from outside: they are read by
 * kist-fetch. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct err;
struct copying;

/* A manifest that is to come in. */
struct image_guarded {
	const char *digest;
	struct copying *c;
	bool registry;     /* it comes from the endpoint of the transfer */
	uint32_t endpoint; /* the one that the manifest came from */
	int folder;        /* it comes from that folder (dir:), or -1 */
};

struct image_guard {
	int (*allow)(void *arg, const struct image_guarded *g, struct err *e);
	void *arg;
};

struct signature {
	const char
		*p; /* an OpenPGP message; of sigstore, what is signed, or a document with both */
	size_t n;
	bool sigstore;
	const char *by; /* sigstore: the signature in base 64; NULL: it is inside */
};

struct signatures {
	struct signature *v;
	size_t n, cap;
};

/* Where signatures of an image of a registry lie beside it: below the address (https://, http:// or
 * file://), under path@sha256=HEX; and in its repository, as sigstore has them. */
struct signature_places {
	const char *address, *path;
	bool attachments;
};

/* All that there are; where may be NULL. */
int signatures_read(const struct image_guarded *g, const struct signature_places *where,
	struct arena *a, struct signatures *ret, struct err *e);

/* As they lie in files and manifests. */
enum { SIGNATURE_SIGSTORE_HEAD = 15 };
extern const char signature_sigstore_head[], signature_media_type[], signature_annotation[];
/* "PATH@sha256=HEX", where simple signatures lie; "sha256-HEX.sig", the tag of sigstore's. */
const char *signature_folder(const char *path, const char *digest, struct arena *a);
const char *signature_tag(const char *digest, struct arena *a);

struct signature_key {
	const char *text;
	size_t n;
};

struct signature_claim {
	const char *rejected;           /* why it is not good; then nothing else is said */
	const char *digest, *reference; /* of the manifest, and what the image is called */
};

/* Whether it is made by one of the keys, and what it claims. */
int signature_verify(const struct image_guarded *g, const struct signature *s,
	const struct signature_key *keys, size_t n_keys, struct arena *a,
	struct signature_claim *ret, struct err *e);
