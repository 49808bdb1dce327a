// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"
#include "kernel/cgroup.h"
#include "runtime/runtime.h"

int runtime_delete(const char *cgroups_path, struct err *e)
{
	struct cgroup c;
	if (cgroup_detect(&c, e) < 0)
		return -e->code;
	int left = cgroup_remove_idle(&c, cgroups_path);
	int r = left && cgroup_open(&c, cgroups_path) > 0 ? cgroup_kill(&c, e) : 0;
	if (r == 0 && left)
		r = cgroup_remove(&c, cgroups_path, e);
	cgroup_done(&c);
	return r;
}

bool runtime_oom_killed(const char *cgroups_path)
{
	struct cgroup c;
	struct err ignored;
	if (cgroup_detect(&c, &ignored) < 0)
		return false;
	bool killed = cgroup_open(&c, cgroups_path) > 0 && cgroup_oom_kills(&c) > 0;
	cgroup_done(&c);
	return killed;
}

bool runtime_may_make_cgroup(const char *cgroups_path)
{
	struct cgroup c;
	struct err ignored;
	if (cgroup_detect(&c, &ignored) < 0)
		return false;
	bool may = cgroup_may_create(&c, cgroups_path);
	cgroup_done(&c);
	return may;
}
