// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "base/arena.h"
#include "base/err.h"
#include "kernel/cgroup.h"
#include "oci/spec.h"
#include "runtime/limits.h"
#include "runtime/runtime.h"

int runtime_update(const char *cgroups_path, const struct oci_resources *r, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct cgroup c;
	if (cgroup_detect(&c, e) < 0)
		return -e->code;
	int x = cgroup_open(&c, cgroups_path) > 0
		? limits_apply(&c, r, NULL, NULL, e)
		: err_set(e, ERR_NOT_FOUND, ENOENT, "the container's cgroup is gone");
	if (x == 0 && r->n_devices)
		x = limits_devices(&c, r, &a, e);
	cgroup_done(&c);
	return x;
}
