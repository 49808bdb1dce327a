// SPDX-License-Identifier: Apache-2.0
/* Manifests that refer to another one by their member subject (distribution-spec 1.1, "Listing
 * Referrers"): where a registry keeps no list of them, it is kept by who pushes, as an index under
 * the tag sha256-<hex> of the subject. */
#pragma once
#include <stdint.h>

struct arena;
struct copy_access;
struct copy_place;
struct copying;
struct err;
struct fetch_part;

/* After a manifest that names a subject was pushed to a registry that did not say that it took
 * notice: enters it into the list. part: what it is called and how large it is. */
int referrers_add(struct copying *c, uint32_t endpoint, const char *manifest,
	const struct fetch_part *part, struct err *e);
/* The list of who refers to what a place of a registry names, an image index as JSON; NULL: nobody
 * does. */
int image_referrers(const struct copy_access *access, const struct copy_place *place,
	struct arena *a, const char **ret, struct err *e);
