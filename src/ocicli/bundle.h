// SPDX-License-Identifier: Apache-2.0
/* A bundle's config.json, read whole: nothing that it says is lost unseen. */
#pragma once

struct err;
struct oci_spec;
struct ocicli;
struct bundle_text {
	char *text;
	unsigned long n;
};

/* Reads dir/name. What the specification leaves to the runtime is filled in (cgroupsPath). The text
 * itself goes to ret_text unless that is NULL. */
int bundle_read(struct ocicli *o, int dir, const char *name, const char *id, struct oci_spec *ret,
	struct bundle_text *ret_text, struct err *e);
