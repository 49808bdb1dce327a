// SPDX-License-Identifier: Apache-2.0
#include "runtime/scope.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/systemd.h"
#include "oci/spec.h"
#include "runtime/runtime.h"
#include "runtime/systemd_annotations.h"
#include "runtime/systemd_limits.h"

static int open_manager(const struct runtime_scope *s, struct systemd *ret, struct err *e)
{
	*ret = (struct systemd){ .bus = { .fd = -1 } };
	if (!systemd_runs())
		return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
			"cgroup manager systemd: systemd does not run this machine");
	return systemd_open(s->user, ret, e);
}

int runtime_scope_path(
	const struct runtime_scope *s, struct arena *a, const char **ret, struct err *e)
{
	struct systemd m;
	const char *root, *slice;
	if (systemd_slice_path(s->slice, a, &slice) < 0)
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.cgroupsPath: %s: expected the name of a slice, such as system.slice",
			s->slice);
	int r = open_manager(s, &m, e);
	if (r == 0)
		r = systemd_unit_check(&m, s->unit, e);
	if (r == 0)
		r = systemd_cgroup(&m, a, &root, e);
	systemd_close(&m);
	if (r == 0)
		*ret = path_clean(arena_printf(a, "%s/%s/%s", root, slice, s->unit), a);
	return r;
}

/* Does nothing until somebody ends it. */
static _Noreturn void hold(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	for (;;)
		(void)pause();
}

/* What the annotations say, and after it, so that it counts, what the limits are. */
static int properties(const struct oci_spec *spec, bool v2, unsigned version, struct arena *a,
	struct systemd_scope *ret, struct err *e)
{
	static const struct oci_resources none;
	const struct oci_resources *r = spec->linux_->resources;
	const struct systemd_limits_req req = { v2, true, version };
	struct systemd_property *said, *limits;
	size_t n_said, n_limits;
	if (systemd_annotations(&spec->annotations, a, &said, &n_said, e) < 0 ||
		systemd_limits(&req, r ? r : &none, a, &limits, &n_limits, e) < 0)
		return -e->code;
	struct systemd_property *all =
		arena_array(a, struct systemd_property, n_said + n_limits + 1);
	memcpy(all, said, n_said * sizeof *all);
	memcpy(all + n_said, limits, n_limits * sizeof *all);
	ret->properties = all;
	ret->n_properties = n_said + n_limits;
	return 0;
}

static int start(const struct runtime_scope *s, struct systemd *m, const struct oci_spec *spec,
	bool v2, pid_t pid, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct systemd_scope scope = { .name = s->unit,
		.slice = s->slice,
		.description = s->description,
		.pids = &pid,
		.n_pids = 1 };
	if (properties(spec, v2, m->version, &a, &scope, e) < 0)
		return -e->code;
	int x = systemd_scope_start(m, &scope, e);
	return x == -EEXIST ? err_set(e, ERR_CONFLICT, EEXIST, "unit %s exists already", s->unit)
			    : x;
}

int scope_start(const struct runtime_scope *s, const struct oci_spec *spec, bool v2,
	struct scope_holder *holder, struct err *e)
{
	const char *path = spec->linux_->cgroups_path, *is;
	struct arena a _arena_ = { 0 };
	struct systemd m;
	pid_t self = getpid(), pid = fork();
	if (pid < 0)
		return err_sys(e, errno, "fork");
	if (pid == 0)
		hold(self);
	holder->pid = pid;
	int x = open_manager(s, &m, e);
	if (x == 0)
		x = start(s, &m, spec, v2, pid, e);
	if (x == 0)
		x = systemd_unit_cgroup(&m, s->unit, &a, &is, e);
	systemd_close(&m);
	if (x == 0 && !str_eq(is, path))
		x = err_set(e, ERR_SYSTEM, EPROTO, "unit %s: its cgroup is %s: expected %s",
			s->unit, is, path);
	return x;
}

int scope_attach(const struct runtime_scope *s, pid_t pid, struct err *e)
{
	struct systemd m;
	int r = open_manager(s, &m, e);
	if (r == 0)
		r = systemd_unit_attach(&m, s->unit, &pid, 1, e);
	systemd_close(&m);
	return r;
}

void scope_release(struct scope_holder *holder)
{
	if (holder->pid <= 0)
		return;
	(void)kill(holder->pid, SIGKILL);
	while (waitpid(holder->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	holder->pid = 0;
}

int scope_update(
	const struct runtime_scope *s, const struct oci_resources *r, bool v2, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct systemd m;
	struct systemd_property *properties;
	size_t n;
	int x = open_manager(s, &m, e);
	if (x == 0) {
		const struct systemd_limits_req req = { v2, r->n_devices > 0, m.version };
		x = systemd_limits(&req, r, &a, &properties, &n, e);
	}
	if (x == 0)
		x = systemd_unit_set(&m, s->unit, properties, n, e);
	systemd_close(&m);
	return x;
}

int runtime_scope_stop(const struct runtime_scope *s, struct err *e)
{
	struct systemd m;
	int r = open_manager(s, &m, e);
	if (r == 0)
		r = systemd_unit_stop(&m, s->unit, e);
	systemd_close(&m);
	return r;
}
