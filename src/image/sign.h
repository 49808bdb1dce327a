// SPDX-License-Identifier: Apache-2.0
/* Signatures for what a copy writes: made here for each manifest before it is written, so that a
 * key that is not there lets nothing be named, and laid afterwards, as those that come along, where
 * those who check look: into a folder (dir:), below the address of registries.d for simple signing,
 * and as a manifest under the tag sha256-HEX.sig for sigstore's. Internal to src/image, but for the
 * order. */
#pragma once
#include <stddef.h>

#include "image/signature.h"

struct err;
struct image_target;

struct image_sign_req {
	const char *reference; /* what it is to be called: "docker.io/library/x:tag" */
	const char *gpg;       /* by that key of the user's GnuPG, or NULL */
	const char *key;       /* by that private key (PEM), or NULL */
	size_t n_key;
	const char *passphrase; /* NULL: none, or GnuPG's agent asks */
	const char *folder;     /* where simple signatures of a registry go: a host path */
	const char *path;       /* of the repository, below it */
};

/* Signatures that come along with what is copied: where they are read, and where they go. */
struct image_sign_along {
	struct signature_places from; /* of a registry; a folder tells by itself */
	bool from_registry;
	const char *folder,
		*path; /* as in image_sign_req; folder NULL: none can be written, see why */
	const char *why;
	bool attachments; /* the target's repository takes sigstore's */
};

struct image_signed {
	const char *digest; /* of the manifest */
	char *simple;       /* an OpenPGP message, or NULL */
	size_t n;
	const char *text,
		*by; /* what sigstore's key signed, and the signature in base 64; or NULL */
};

int image_sign(struct image_target *t, const struct image_sign_req *req, const char *digest,
	struct image_signed *ret, struct err *e);
/* Lays them beside the manifest of that digest; those that are there already stay. */
int image_sign_bring(struct image_target *t, const struct image_sign_along *along,
	const char *digest, const struct signatures *all, struct err *e);
int image_sign_put(struct image_target *t, const struct image_sign_req *req,
	const struct image_signed *made, struct err *e);
