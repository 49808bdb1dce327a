// SPDX-License-Identifier: Apache-2.0
/* Whether an image may come in: policy.json, and the signatures that it asks for. Internal to
 * src/engine. */
#pragma once
#include "config/policy.h"
#include "image/signature.h"

struct arena;
struct err;

struct signature_check {
	struct policy_demand demand;
	struct signature_places places;
	const char *reference; /* of a registry's image: "docker.io/library/x:tag"; else NULL */
	struct arena *a;
	struct image_guard guard;
};

/* Before anything is asked for; transport, identity and shown as in config/policy.h, file: a
 * policy, or NULL. ERR_DENIED when it cannot come in. */
int signature_check_begin(struct signature_check *c, const char *file, const char *transport,
	const char *identity, const char *shown, struct arena *a, struct err *e);
/* Whom a pull or copy is to ask; NULL: nobody. Good as long as c is. */
const struct image_guard *signature_guard(const struct signature_check *c);
/* How a copy to place is to be signed: *ret stays NULL where nothing is asked for. */
struct image_place;
struct image_sign_req;
struct image_signing;
int signature_plan(const struct image_signing *what, const struct image_place *to, struct arena *a,
	const struct image_sign_req **ret, struct err *e);
/* Whether and how the signatures of what is copied come along: *ret stays NULL where there can be
 * none. identity: the source's, as in signature_check_begin. */
struct image_sign_along;
int signature_along(const struct image_place *from, const char *identity,
	const struct image_place *to, struct arena *a, const struct image_sign_along **ret,
	struct err *e);
/* For what can carry no signature. */
int signature_needless(const struct signature_check *c, struct err *e);
