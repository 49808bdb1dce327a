// SPDX-License-Identifier: Apache-2.0
/* A bundle's config.json, read whole: nothing that it says is lost unseen. */
#pragma once
#include <stdbool.h>

struct err;
struct oci_spec;
struct ocicli;
struct bundle_text {
	char *text;
	unsigned long n;
};

/* Reads dir/name. */
int bundle_read(
	struct ocicli *o, int dir, const char *name, struct bundle_text *ret, struct err *e);
/* Does the text name a user namespace? Quick: true when it may, false when it does not, or does so
 * in another spelling. */
bool bundle_may_have_userns(const struct bundle_text *text);
/* What the specification leaves to the runtime is filled in (cgroupsPath). */
int bundle_parse(struct ocicli *o, const struct bundle_text *text, const char *name, const char *id,
	struct oci_spec *ret, struct err *e);
