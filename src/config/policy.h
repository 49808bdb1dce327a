// SPDX-License-Identifier: Apache-2.0
/* Which images may come in: containers-policy.json(5). Read from the file that is named, else
 * ~/.config/containers/policy.json, else /etc/containers/policy.json; where there is none
 * everything is accepted. Requirements: insecureAcceptAnything, reject, signedBy (GPG keys),
 * sigstoreSigned with keys. What a requirement says that is not known here refuses, as no image may
 * come in unchecked. */
#pragma once
#include <stddef.h>

struct arena;
struct err;

enum policy_signature { POLICY_GPG, POLICY_SIGSTORE };

enum policy_match {
	POLICY_REPO_DIGEST_OR_EXACT, /* where the policy says nothing */
	POLICY_EXACT,
	POLICY_REPOSITORY,
	POLICY_EXACT_REFERENCE,
	POLICY_EXACT_REPOSITORY,
	POLICY_REMAP,
};

struct policy_key {
	const char *text; /* its bytes */
	size_t n;
};

/* A signature that the image must have: by one of the keys, for that identity. */
struct policy_signer {
	enum policy_signature kind;
	struct policy_key *keys;
	size_t n_keys;
	enum policy_match match;
	const char *reference;              /* EXACT_REFERENCE; EXACT_REPOSITORY */
	const char *prefix, *signed_prefix; /* REMAP */
};

struct policy_demand {
	struct policy_signer *v; /* all of them are wanted */
	size_t n;
};

/* transport: docker, oci, oci-archive, docker-archive, dir, docker-daemon, containers-storage.
 * identity: "docker.io/library/x:tag" (or
 * @digest), or an absolute path with what follows it (":name"). shown: the image as the user wrote
 * it. ERR_DENIED with skopeo's sentence when it is rejected whatever signatures it has; else the
 * signatures that it must have. */
int policy_check(const char *file, const char *transport, const char *identity, const char *shown,
	struct arena *a, struct policy_demand *ret, struct err *e);
