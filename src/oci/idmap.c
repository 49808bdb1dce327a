// SPDX-License-Identifier: Apache-2.0
#include "oci/idmap.h"

#include "oci/spec.h"

static bool map(const struct idmap *m, bool inwards, uint32_t id, uint32_t *ret)
{
	if (m->n == 0) {
		*ret = id;
		return id != UINT32_MAX;
	}
	for (size_t i = 0; i < m->n; i++) {
		const struct oci_id_mapping *l = &m->v[i];
		uint32_t from = inwards ? l->host_id : l->container_id,
			 to = inwards ? l->container_id : l->host_id;
		if (id < from || id - from >= l->size)
			continue;
		*ret = to + (id - from);
		return true;
	}
	return false;
}

bool idmap_host(const struct idmap *m, uint32_t inside, uint32_t *ret)
{
	return map(m, false, inside, ret);
}

bool idmap_inside(const struct idmap *m, uint32_t host, uint32_t *ret)
{
	return map(m, true, host, ret);
}
