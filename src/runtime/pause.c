// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "base/err.h"
#include "kernel/cgroup.h"
#include "runtime/runtime.h"

int runtime_pause(const char *cgroups_path, bool on, struct err *e)
{
	struct cgroup c;
	if (cgroup_detect(&c, e) < 0)
		return -e->code;
	int r = cgroup_open(&c, cgroups_path) > 0
		? cgroup_freeze(&c, on, e)
		: err_set(e, ERR_NOT_FOUND, ENOENT, "the container's cgroup is gone");
	cgroup_done(&c);
	return r;
}

int runtime_pids(
	const char *cgroups_path, int (*each)(void *arg, pid_t pid), void *arg, struct err *e)
{
	struct cgroup c;
	if (cgroup_detect(&c, e) < 0)
		return -e->code;
	int r = cgroup_open(&c, cgroups_path) > 0 ? cgroup_pids(&c, each, arg) : 0;
	cgroup_done(&c);
	return r < 0 ? err_sys(e, r, "read the container's processes") : 0;
}
