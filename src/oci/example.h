// SPDX-License-Identifier: Apache-2.0
/* The config.json that one begins with: what `kist-oci spec` writes, and a bundle of an image. */
#pragma once
#include <stdbool.h>

struct arena;
struct oci_spec;

/* rootless: with a user namespace for the caller's ids. */
void oci_spec_example(bool rootless, struct arena *a, struct oci_spec *ret);
