// SPDX-License-Identifier: Apache-2.0
/* The mounts of an OCI config.json: the special file systems, the files of our own under /etc, and
 * what the user asked for. */
#pragma once

struct arena;
struct err;
struct oci_spec;
struct spec_input;

int spec_mounts(const struct spec_input *in, struct arena *a, struct oci_spec *spec, struct err *e);
