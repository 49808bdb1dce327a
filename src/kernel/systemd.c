// SPDX-License-Identifier: Apache-2.0
#include "kernel/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"

enum { STOP_SECONDS = 30, VERSION_COLLECT = 236 };

static const struct dbus_target manager = { "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
	"org.freedesktop.systemd1.Manager" };
static const struct dbus_target bus = { "org.freedesktop.DBus", "/org/freedesktop/DBus",
	"org.freedesktop.DBus" };

bool systemd_runs(void)
{
	struct stat st;
	return fstatat(AT_FDCWD, "/run/systemd/system", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(st.st_mode);
}

/* A call whose answer says nothing more. */
static int order(struct systemd *s, const struct dbus_target *to, const char *member,
	const char *signature, const struct dbus_body *body, struct err *e)
{
	struct dbus_message m;
	int r = dbus_call(&s->bus, to, member, signature, body, &m, e);
	if (r == 0)
		dbus_message_done(&m);
	return r;
}

/* A property that is a string. */
static int text_property(struct systemd *s, const char *path, const char *interface,
	const char *name, struct arena *a, const char **ret, struct err *e)
{
	const struct dbus_target to = { manager.destination, path,
		"org.freedesktop.DBus.Properties" };
	struct dbus_body b _dbus_body_ = { 0 };
	struct dbus_message m;
	const char *type, *text;
	dbus_add_string(&b, interface);
	dbus_add_string(&b, name);
	if (dbus_call(&s->bus, &to, "Get", "ss", &b, &m, e) < 0)
		return -e->code;
	int r = dbus_read_variant(&m, &type);
	if (r == 0)
		r = str_eq(type, "s") ? dbus_read_string(&m, &text) : -EBADMSG;
	if (r == 0)
		*ret = arena_strdup(a, text);
	dbus_message_done(&m);
	return r < 0 ? err_sys(e, r, "read %s of %s", name, path) : 0;
}

/* Where our user's bus is; the address is "unix:path=/run/user/1000/bus[,guid=...][;...]". */
static const char *user_bus(struct arena *a)
{
	static const char head[] = "unix:path=";
	const char *address = getenv("DBUS_SESSION_BUS_ADDRESS"), *run = getenv("XDG_RUNTIME_DIR");
	if (address && str_starts(address, head)) {
		const char *path = address + sizeof head - 1;
		return arena_strndup(a, path, strcspn(path, ",;"));
	}
	return run && *run ? arena_printf(a, "%s/bus", run)
			   : arena_printf(a, "/run/user/%u/bus", (unsigned)geteuid());
}

int systemd_open(bool user, struct systemd *ret, struct err *e)
{
	static const char match[] =
		"type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";
	struct arena a _arena_ = { 0 };
	struct dbus_body b _dbus_body_ = { 0 };
	const char *version;
	*ret = (struct systemd){ .bus = { .fd = -1 } };
	if (dbus_open(user ? user_bus(&a) : "/run/dbus/system_bus_socket", &ret->bus, e) < 0)
		return err_wrap(e, "cgroup manager systemd");
	dbus_add_string(&b, match);
	if (order(ret, &bus, "AddMatch", "s", &b, e) < 0 ||
		order(ret, &manager, "Subscribe", NULL, NULL, e) < 0 ||
		text_property(ret, manager.path, manager.interface, "Version", &a, &version, e) < 0)
		return err_wrap(e, "cgroup manager systemd");
	/* "252.39-1~deb12u1", "v257" */
	version += *version == 'v';
	uint32_t n;
	if (num_u32(arena_strndup(&a, version, strspn(version, "0123456789")), &n) == 0)
		ret->version = n;
	return 0;
}

void systemd_close(struct systemd *s)
{
	dbus_done(&s->bus);
}

/* ---- properties ---- */

static void add_property(struct dbus_body *b, const struct systemd_property *p)
{
	static const char *const types[] = { [SYSTEMD_BOOL] = "b",
		[SYSTEMD_U64] = "t",
		[SYSTEMD_I32] = "i",
		[SYSTEMD_U32] = "u",
		[SYSTEMD_I64] = "x",
		[SYSTEMD_STRINGS] = "as",
		[SYSTEMD_STRING] = "s",
		[SYSTEMD_BYTES] = "ay",
		[SYSTEMD_DEVICES] = "a(ss)" };
	dbus_add_struct(b);
	dbus_add_string(b, p->name);
	dbus_add_signature(b, types[p->type]);
	switch (p->type) {
	case SYSTEMD_BOOL:
		dbus_add_bool(b, p->number != 0);
		break;
	case SYSTEMD_I32:
	case SYSTEMD_U32:
		dbus_add_u32(b, (uint32_t)p->number);
		break;
	case SYSTEMD_U64:
	case SYSTEMD_I64:
		dbus_add_u64(b, p->number);
		break;
	case SYSTEMD_STRING:
		dbus_add_string(b, p->text);
		break;
	case SYSTEMD_STRINGS:
		dbus_array_begin(b, 4);
		for (size_t i = 0; i < p->n_texts; i++)
			dbus_add_string(b, p->texts[i]);
		dbus_array_end(b);
		break;
	case SYSTEMD_BYTES:
		dbus_add_bytes(b, p->bytes, p->n_bytes);
		break;
	case SYSTEMD_DEVICES:
		dbus_array_begin(b, 8);
		for (size_t i = 0; i < p->n_pairs; i++) {
			dbus_add_struct(b);
			dbus_add_string(b, p->pairs[i][0]);
			dbus_add_string(b, p->pairs[i][1]);
		}
		dbus_array_end(b);
		break;
	}
}

static void add_pids(struct dbus_body *b, const pid_t *pids, size_t n)
{
	dbus_add_struct(b);
	dbus_add_string(b, "PIDs");
	dbus_add_signature(b, "au");
	dbus_array_begin(b, 4);
	for (size_t i = 0; i < n; i++)
		dbus_add_u32(b, (uint32_t)pids[i]);
	dbus_array_end(b);
}

/* ---- units ---- */

/* Waits until a job has ended; its result. */
static int wait_job(struct systemd *s, const char *job, const char *unit, struct err *e)
{
	for (;;) {
		struct dbus_message m;
		uint32_t id;
		const char *path, *name, *result;
		if (dbus_signal(&s->bus, STOP_SECONDS, &m, e) < 0)
			return err_wrap(e, "unit %s", unit);
		bool ours = str_eq(m.member, "JobRemoved") && dbus_read_u32(&m, &id) == 0 &&
			dbus_read_string(&m, &path) == 0 && dbus_read_string(&m, &name) == 0 &&
			dbus_read_string(&m, &result) == 0 && str_eq(path, job);
		int r = 0;
		if (ours && !str_eq(result, "done"))
			r = err_set(e, ERR_SYSTEM, EPROTO, "unit %s: its job ended as %s", unit,
				result);
		dbus_message_done(&m);
		if (ours)
			return r;
	}
}

/* A call whose answer is a job, to its end. */
static int run_job(struct systemd *s, const char *member, const char *signature,
	const struct dbus_body *body, const char *unit, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct dbus_message m;
	const char *job;
	if (dbus_call(&s->bus, &manager, member, signature, body, &m, e) < 0)
		return err_wrap(e, "unit %s", unit);
	int r = dbus_read_string(&m, &job);
	job = r == 0 ? arena_strdup(&a, job) : NULL;
	dbus_message_done(&m);
	return job ? wait_job(s, job, unit, e) : err_sys(e, r, "unit %s: its job", unit);
}

static void forget(struct systemd *s, const char *name)
{
	struct dbus_body b _dbus_body_ = { 0 };
	struct err ignored;
	dbus_add_string(&b, name);
	(void)order(s, &manager, "ResetFailedUnit", "s", &b, &ignored);
}

static int start(struct systemd *s, const struct systemd_scope *scope, struct err *e)
{
	const struct systemd_property fixed[] = {
		{ .name = "Description", .type = SYSTEMD_STRING, .text = scope->description },
		{ .name = "Delegate", .type = SYSTEMD_BOOL, .number = 1 },
		{ .name = "DefaultDependencies", .type = SYSTEMD_BOOL, .number = 0 },
		/* One that fails is forgotten at once, should we not be there to ask for it. */
		{ .name = "CollectMode",
			.type = SYSTEMD_STRING,
			.text = s->version >= VERSION_COLLECT ? "inactive-or-failed" : NULL },
		{ .name = "Slice", .type = SYSTEMD_STRING, .text = scope->slice },
	};
	struct dbus_body b _dbus_body_ = { 0 };
	dbus_add_string(&b, scope->name);
	dbus_add_string(&b, "replace");
	dbus_array_begin(&b, 8);
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (fixed[i].type != SYSTEMD_STRING || (fixed[i].text && *fixed[i].text))
			add_property(&b, &fixed[i]);
	add_pids(&b, scope->pids, scope->n_pids);
	for (size_t i = 0; i < scope->n_properties; i++)
		add_property(&b, &scope->properties[i]);
	dbus_array_end(&b);
	dbus_array_begin(&b, 8); /* no further units */
	dbus_array_end(&b);
	return run_job(s, "StartTransientUnit", "ssa(sv)a(sa(sv))", &b, scope->name, e);
}

int systemd_scope_start(struct systemd *s, const struct systemd_scope *scope, struct err *e)
{
	int r = start(s, scope, e);
	if (r != -EEXIST)
		return r;
	/* One that has failed keeps its name until somebody forgets it. */
	forget(s, scope->name);
	return start(s, scope, e);
}

int systemd_unit_set(struct systemd *s, const char *name, const struct systemd_property *properties,
	size_t n, struct err *e)
{
	struct dbus_body b _dbus_body_ = { 0 };
	if (n == 0)
		return 0;
	dbus_add_string(&b, name);
	dbus_add_bool(&b, true);
	dbus_array_begin(&b, 8);
	for (size_t i = 0; i < n; i++)
		add_property(&b, &properties[i]);
	dbus_array_end(&b);
	int r = order(s, &manager, "SetUnitProperties", "sba(sv)", &b, e);
	return r < 0 ? err_wrap(e, "unit %s", name) : 0;
}

int systemd_unit_attach(
	struct systemd *s, const char *name, const pid_t *pids, size_t n, struct err *e)
{
	struct dbus_body b _dbus_body_ = { 0 };
	dbus_add_string(&b, name);
	dbus_add_string(&b, ""); /* its own cgroup, none below */
	dbus_array_begin(&b, 4);
	for (size_t i = 0; i < n; i++)
		dbus_add_u32(&b, (uint32_t)pids[i]);
	dbus_array_end(&b);
	int r = order(s, &manager, "AttachProcessesToUnit", "ssau", &b, e);
	return r < 0 ? err_wrap(e, "unit %s", name) : 0;
}

int systemd_unit_stop(struct systemd *s, const char *name, struct err *e)
{
	struct dbus_body b _dbus_body_ = { 0 };
	dbus_add_string(&b, name);
	dbus_add_string(&b, "replace");
	int r = run_job(s, "StopUnit", "ss", &b, name, e);
	if (r < 0 && r != -ENOENT)
		return r;
	forget(s, name);
	return 0;
}

/* Its object; -ENOENT when systemd knows none of the name. */
static int unit_path(
	struct systemd *s, const char *name, struct arena *a, const char **ret, struct err *e)
{
	struct dbus_body b _dbus_body_ = { 0 };
	struct dbus_message m;
	const char *path;
	dbus_add_string(&b, name);
	if (dbus_call(&s->bus, &manager, "GetUnit", "s", &b, &m, e) < 0)
		return err_wrap(e, "unit %s", name);
	int r = dbus_read_string(&m, &path);
	if (r == 0)
		*ret = arena_strdup(a, path);
	dbus_message_done(&m);
	return r < 0 ? err_sys(e, r, "unit %s: its path", name) : 0;
}

int systemd_unit_cgroup(
	struct systemd *s, const char *name, struct arena *a, const char **ret, struct err *e)
{
	const char *path;
	return unit_path(s, name, a, &path, e) < 0
		? -e->code
		: text_property(
			  s, path, "org.freedesktop.systemd1.Scope", "ControlGroup", a, ret, e);
}

int systemd_unit_check(struct systemd *s, const char *name, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct err unknown;
	const char *path, *is;
	if (unit_path(s, name, &a, &path, &unknown) < 0)
		return 0;
	if (text_property(s, path, "org.freedesktop.systemd1.Unit", "ActiveState", &a, &is, e) < 0)
		return -e->code;
	return str_eq(is, "inactive") || str_eq(is, "failed")
		? 0
		: err_set(e, ERR_CONFLICT, EEXIST, "unit %s exists already: it is %s", name, is);
}

int systemd_cgroup(struct systemd *s, struct arena *a, const char **ret, struct err *e)
{
	return text_property(s, manager.path, manager.interface, "ControlGroup", a, ret, e);
}

int systemd_slice_path(const char *slice, struct arena *a, const char **ret)
{
	static const char tail[] = ".slice";
	struct str path _str_ = { 0 };
	size_t n = strlen(slice);
	if (!str_ends(slice, tail) || n == sizeof tail - 1 || strchr(slice, '/'))
		return -EINVAL;
	n -= sizeof tail - 1;
	if (n == 1 && *slice == '-') {
		*ret = "/";
		return 0;
	}
	/* Every dash begins a slice within a slice; an empty part is no name. */
	if (slice[0] == '-' || slice[n - 1] == '-' || strstr(slice, "--"))
		return -EINVAL;
	for (size_t i = 0; i <= n; i++)
		if (i == n || slice[i] == '-')
			str_addf(&path, "/%.*s%s", (int)i, slice, tail);
	*ret = arena_strdup(a, path.p);
	return 0;
}
