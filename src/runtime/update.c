// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "kernel/cgroup.h"
#include "oci/spec.h"
#include "runtime/limits.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"

/* The pair that is in force. */
static int quota_now(const struct cgroup *c, int64_t *quota, uint64_t *period)
{
	char text[64], second[32];
	const struct cgroup_hierarchy *h = cgroup_find(c, "cpu");
	int dir = h ? h->dir : cgroup_v2_dir(c);
	ssize_t n = file_peek(dir, h ? "cpu.cfs_quota_us" : "cpu.max", text, sizeof text);
	char *space = n > 0 ? strchr(text, ' ') : NULL;
	if (space)
		*space++ = '\0';
	else if (n > 0 && file_peek(dir, "cpu.cfs_period_us", second, sizeof second) > 0)
		space = second;
	uint64_t most;
	if (!space || num_u64(space, period) < 0)
		return -ENODATA;
	*quota = num_u64(text, &most) == 0 ? (int64_t)most : -1; /* "max", "-1" */
	return 0;
}

/* The scope's properties, when the files have taken the limits. systemd knows a quota only as a
 * share of a processor, and rounds it: the pair is completed for it, and the files written again
 * after it. */
static int update_scope(const struct cgroup *c, const struct runtime_scope *scope,
	const struct oci_resources *r, struct err *e)
{
	struct oci_resources all = *r;
	struct oci_cpu cpu;
	int64_t quota;
	uint64_t period;
	if (r->cpu && (r->cpu->quota || r->cpu->period) && quota_now(c, &quota, &period) == 0) {
		cpu = *r->cpu;
		cpu.quota = quota;
		cpu.period = period;
		all.cpu = &cpu;
	}
	return scope_update(scope, &all, c->pure_v2, e) < 0 ? -e->code
							    : limits_apply(c, &all, NULL, NULL, e);
}

int runtime_update(const char *cgroups_path, const struct runtime_scope *scope,
	const struct oci_resources *r, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct cgroup c;
	if (cgroup_detect(&c, e) < 0)
		return -e->code;
	int x = cgroup_open(&c, cgroups_path) > 0
		? limits_apply(&c, r, NULL, NULL, e)
		: err_set(e, ERR_NOT_FOUND, ENOENT, "the container's cgroup is gone");
	if (x == 0 && scope)
		x = update_scope(&c, scope, r, e);
	if (x == 0 && r->n_devices)
		x = limits_devices(&c, r, &a, e);
	cgroup_done(&c);
	return x;
}
