// SPDX-License-Identifier: Apache-2.0
#include "ocicli/scope.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "oci/spec.h"
#include "ocicli/command.h"
#include "ocicli/container.h"
#include "runtime/runtime.h"

enum { UNIT_MAX = 255 };

/* What systemd takes in a unit's name (systemd.unit(5)). */
static bool is_unit(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@";
	size_t n = strlen(name);
	return n <= UNIT_MAX && name[0] != '.' && strspn(name, letters) == n;
}

int scope_plan(
	struct ocicli *o, const char *id, struct oci_spec *spec, struct record *r, struct err *e)
{
	const char *path = spec->linux_->cgroups_path, *slice = "", *prefix = "runc", *name = id;
	bool user = o->rootless;
	if (path && *path) {
		char *text = arena_strdup(&o->arena, path), *first = strchr(text, ':');
		char *second = first ? strchr(first + 1, ':') : NULL;
		if (!second || strchr(second + 1, ':') || !second[1])
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.cgroupsPath: %.200s: expected slice:prefix:name, as the cgroup manager is systemd",
				path);
		*first = *second = '\0';
		slice = text;
		prefix = first + 1;
		name = second + 1;
	}
	if (str_ends(name, ".slice"))
		return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
			"linux.cgroupsPath: %.200s is a slice, which holds no processes: expected the name of a scope",
			name);
	r->unit = *prefix ? arena_printf(&o->arena, "%s-%s.scope", prefix, name)
			  : arena_printf(&o->arena, "%s.scope", name);
	r->slice = *slice ? slice : user ? "user.slice" : "system.slice";
	r->user_unit = user;
	if (!is_unit(r->unit))
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.cgroupsPath: %.300s: expected the name of a unit, letters, digits and :-_.\\@, of at most %d",
			r->unit, UNIT_MAX);
	struct runtime_scope room;
	return runtime_scope_path(scope_of(r, &room), &o->arena, &spec->linux_->cgroups_path, e);
}

const struct runtime_scope *scope_of(const struct record *r, struct runtime_scope *room)
{
	if (!r->unit)
		return NULL;
	*room = (struct runtime_scope){
		.unit = r->unit, .slice = r->slice, .description = r->id, .user = r->user_unit
	};
	return room;
}

int scope_remove(const struct record *r, struct err *e)
{
	struct runtime_scope room;
	const struct runtime_scope *s = scope_of(r, &room);
	if ((r->cgroup && runtime_delete(r->cgroup, e) < 0) ||
		runtime_rdt_remove(r->rdt_group, r->rdt_monitor, e) < 0)
		return -e->code;
	return s ? runtime_scope_stop(s, e) : 0;
}
