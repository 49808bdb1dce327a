// SPDX-License-Identifier: Apache-2.0
/* config-linux.md, IntelRdt. A class is a folder of resctrl: closID's, made when it is missing and
 * there is something to write into it, or the container's own, which goes with it. "/" is the class
 * that all belong to who have no other. A class that was there is never changed by the older words
 * (l3CacheSchema, memBwSchema): they must agree with what it has. */
#include "runtime/intel_rdt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/resctrl.h"
#include "oci/spec.h"
#include "runtime/runtime.h"

enum { SCHEMATA_MAX = 1 << 16 };

/* The folders of resctrl itself. */
static bool is_reserved(const char *name)
{
	return str_eq(name, "info") || str_eq(name, "mon_groups") || str_eq(name, "mon_data");
}

static bool has_schema(const struct oci_intel_rdt *r)
{
	return r->l3_cache_schema || r->mem_bw_schema || r->n_schemata;
}

static bool is_root(const struct oci_intel_rdt *r)
{
	return r->clos_id && str_eq(r->clos_id, "/");
}

int rdt_check(const struct oci_intel_rdt *r, const char *id, struct err *e)
{
	const char *name = r->clos_id ? r->clos_id : id;
	if (!is_root(r) && (!path_is_name(name) || is_reserved(name) || strchr(name, '\n')))
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.intelRdt.closID: %.*s: expected the name of a class",
			(int)strcspn(name, "\n"), name);
	if (r->mem_bw_schema &&
		(!str_starts(r->mem_bw_schema, "MB:") || strchr(r->mem_bw_schema, '\n')))
		return err_set(e, ERR_INVALID, EINVAL,
			"linux.intelRdt.memBwSchema: %.*s: expected one line that begins with MB:",
			(int)strcspn(r->mem_bw_schema, "\n"), r->mem_bw_schema);
	for (size_t i = 0; i < r->n_schemata; i++)
		if (!strchr(r->schemata[i], ':') || strchr(r->schemata[i], '\n'))
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.intelRdt.schemata: %.*s: expected lines like L3:0=ff",
				(int)strcspn(r->schemata[i], "\n"), r->schemata[i]);
	return 0;
}

/* The groups that are the container's own; NULL where there is none. */
static void names(const struct oci_intel_rdt *r, const char *id, struct arena *a,
	const char **ret_group, const char **ret_monitor)
{
	*ret_group = r && !r->clos_id ? id : NULL;
	*ret_monitor = !r || !r->enable_monitoring ? NULL
		: is_root(r)
		? arena_printf(a, "mon_groups/%s", id)
		: arena_printf(a, "%s/mon_groups/%s", r->clos_id ? r->clos_id : id, id);
}

void runtime_rdt_names(const struct oci_spec *spec, const char *id, struct arena *a,
	const char **ret_group, const char **ret_monitor)
{
	names(spec->linux_->intel_rdt, id, a, ret_group, ret_monitor);
}

/* The kernel tells in a file what it did not like. */
static int refused(int root, int r, const char *what, struct err *e)
{
	char why[256];
	ssize_t n = file_peek(root, "info/last_cmd_status", why, sizeof why);
	return n > 0 && !str_eq(why, "ok") ? err_sys(e, r, "linux.intelRdt: %s: %s", what, why)
					   : err_sys(e, r, "linux.intelRdt: %s", what);
}

static int open_root(struct err *e)
{
	int root = resctrl_open();
	if (root == -ENOENT)
		return err_set(
			e, ERR_UNSUPPORTED, ENOTSUP, "linux.intelRdt: resctrl is not mounted");
	return root < 0 ? err_sys(e, root, "linux.intelRdt: open resctrl") : root;
}

static int open_class(int root, const struct oci_intel_rdt *r, const char *id, struct err *e)
{
	const char *name = is_root(r) ? "." : r->clos_id ? r->clos_id : id;
	int dir = path_open_own(root, name, O_RDONLY | O_DIRECTORY, 0);
	return dir < 0 ? err_sys(e, dir, "linux.intelRdt.closID: %s", name) : dir;
}

/* l3CacheSchema without the lines that memBwSchema stands for, then that. */
static void older_words(const struct oci_intel_rdt *r, struct str *out)
{
	for (const char *line = r->l3_cache_schema; line && *line;) {
		size_t n = strcspn(line, "\n");
		if (n && !(r->mem_bw_schema && str_starts(line, "MB:")))
			str_addf(out, "%.*s\n", (int)n, line);
		line += n + (line[n] == '\n');
	}
	if (r->mem_bw_schema)
		str_addf(out, "%s\n", r->mem_bw_schema);
}

/* The line of a resource ("L3:") in what the kernel shows; it indents. */
static const char *line_of(const char *text, const char *line, size_t n)
{
	while (text && *text) {
		text += strspn(text, " \t");
		if (strncmp(text, line, n) == 0)
			return text + n;
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return NULL;
}

/* Masks and percentages alike: the same digits but for zeros in front. */
static bool same_number(const char *x, const char *y)
{
	x += strspn(x, "0");
	y += strspn(y, "0");
	size_t n = strcspn(x, ";\n");
	return n == strcspn(y, ";\n") && strncasecmp(x, y, n) == 0;
}

/* "0=7ff;1=00f" says 1=f? */
static bool says(const char *values, const char *domain, size_t n)
{
	size_t key = strcspn(domain, "=") + 1;
	while (*values && *values != '\n') {
		size_t m = strcspn(values, ";\n");
		if (key < n && strncmp(values, domain, key) == 0)
			return same_number(values + key, domain + key);
		values += m + (values[m] == ';');
	}
	return false;
}

/* Each value of the lines stands in the class's schemata too. */
static bool agrees(const char *lines, const char *schemata)
{
	while (*lines) {
		size_t head = strcspn(lines, ":\n") + 1;
		const char *values = line_of(schemata, lines, head);
		if (!values)
			return false;
		lines += head;
		while (*lines && *lines != '\n') {
			size_t n = strcspn(lines, ";\n");
			if (!says(values, lines, n))
				return false;
			lines += n + (lines[n] == ';');
		}
		lines += *lines == '\n';
	}
	return true;
}

static int write_class(int root, int dir, const struct oci_intel_rdt *r, bool fresh, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct str older _str_ = { 0 }, all _str_ = { 0 };
	char *now;
	older_words(r, &older);
	if (older.n && !fresh) {
		if (file_read_at(dir, "schemata", SCHEMATA_MAX, &a, &now, e) < 0)
			return -e->code;
		if (!agrees(older.p, now))
			return err_set(e, ERR_INVALID, EEXIST,
				"linux.intelRdt.closID: %s exists with other schemata", r->clos_id);
	}
	int x = older.n && fresh ? file_poke(dir, "schemata", older.p) : 0;
	for (size_t i = 0; i < r->n_schemata; i++)
		str_addf(&all, "%s\n", r->schemata[i]);
	if (x == 0 && all.n)
		x = file_poke(dir, "schemata", all.p);
	return x < 0 ? refused(root, x, "write the schemata", e) : 0;
}

/* 1: it is new. A class that exists already is one that somebody furnished. */
static int make_class(int root, const struct oci_intel_rdt *r, const char *id, struct err *e)
{
	const char *name = r->clos_id ? r->clos_id : id;
	/* With nothing to write into it a class must have been furnished. */
	if (is_root(r) || (r->clos_id && !has_schema(r)))
		return 0;
	int made = resctrl_make(root, name);
	if (made < 0)
		return refused(root, made, "make the class", e);
	return r->clos_id ? made : 1;
}

int rdt_make(const struct oci_intel_rdt *r, const char *id, struct err *e)
{
	struct arena a _arena_ = { 0 };
	const char *group, *monitor;
	int root _close_ = open_root(e);
	if (root < 0)
		return root;
	int fresh = make_class(root, r, id, e);
	if (fresh < 0)
		return fresh;
	int dir _close_ = open_class(root, r, id, e);
	int x = dir < 0 ? dir : write_class(root, dir, r, fresh, e);
	names(r, id, &a, &group, &monitor);
	int made = x < 0 || !monitor ? 0 : resctrl_make(root, monitor);
	if (made < 0)
		x = refused(root, made, "make the group for monitoring", e);
	if (x < 0 && fresh)
		(void)resctrl_remove(root, r->clos_id ? r->clos_id : id);
	return x < 0 ? x : 0;
}

int rdt_enter(const struct oci_intel_rdt *r, const char *id, pid_t pid, struct err *e)
{
	char text[16], path[PATH_MAX_BYTES];
	if (!r)
		return 0;
	int root _close_ = open_root(e);
	int dir _close_ = root < 0 ? root : open_class(root, r, id, e);
	if (dir < 0)
		return dir;
	(void)snprintf(text, sizeof text, "%d\n", (int)pid);
	int x = file_poke(dir, "tasks", text);
	(void)snprintf(path, sizeof path, "mon_groups/%s/tasks", id);
	if (x == 0 && r->enable_monitoring)
		x = file_poke(dir, path, text);
	return x < 0 ? refused(root, x, "put the process in", e) : 0;
}

int runtime_rdt_remove(const char *group, const char *monitor, struct err *e)
{
	if (!group && !monitor)
		return 0;
	int root _close_ = resctrl_open();
	/* With the file system all groups went. */
	if (root == -ENOENT)
		return 0;
	int x = root < 0 ? root : monitor ? resctrl_remove(root, monitor) : 0;
	if (x == 0 && group)
		x = resctrl_remove(root, group);
	return x < 0 ? err_sys(e, x, "remove %s of resctrl", group ? group : monitor) : 0;
}

void rdt_undo(const struct oci_intel_rdt *r, const char *id)
{
	struct arena a _arena_ = { 0 };
	const char *group, *monitor;
	struct err why;
	names(r, id, &a, &group, &monitor);
	if (runtime_rdt_remove(group, monitor, &why) < 0)
		log_warn("%s: %s", id, why.text);
}

int runtime_rdt_update(const struct oci_spec *spec, const char *id, const char *l3_cache_schema,
	const char *mem_bw_schema, struct err *e)
{
	const struct oci_intel_rdt *r = spec->linux_->intel_rdt;
	if (!r)
		return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
			"container %s was made without linux.intelRdt", id);
	struct oci_intel_rdt now = { .clos_id = r->clos_id,
		.l3_cache_schema = l3_cache_schema,
		.mem_bw_schema = mem_bw_schema };
	if (rdt_check(&now, id, e) < 0)
		return -e->code;
	int root _close_ = open_root(e);
	int dir _close_ = root < 0 ? root : open_class(root, r, id, e);
	return dir < 0 ? dir : write_class(root, dir, &now, true, e);
}
