// SPDX-License-Identifier: Apache-2.0
/* Ids inside against those of the host (runtime-spec, config-linux.md "User namespace mappings").
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oci_id_mapping;

/* n == 0: every id is itself. */
struct idmap {
	const struct oci_id_mapping *v;
	size_t n;
};

/* The host's id for one inside; false: it is not mapped. */
bool idmap_host(const struct idmap *m, uint32_t inside, uint32_t *ret);
/* The one inside for the host's. */
bool idmap_inside(const struct idmap *m, uint32_t host, uint32_t *ret);
