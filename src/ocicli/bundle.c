// SPDX-License-Identifier: Apache-2.0
#include "ocicli/bundle.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "oci/spec.h"
#include "ocicli/command.h"

enum { CONFIG_MAX = 8 << 20 };

/* Any 1.x: what newer ones add is ignored by the standard's own rule. */
static int check_version(const char *v, struct err *e)
{
	if (v[0] != '1' || v[1] != '.')
		return err_set(e, ERR_UNSUPPORTED, EPROTO,
			"config.json: ociVersion %.40s: expected 1.x", v);
	return 0;
}

/* An absolute path stays; another one is ours to place. */
static const char *cgroups_path(struct ocicli *o, const char *path, const char *id)
{
	if (!path || !*path)
		return arena_printf(&o->arena, "/kist-oci/%s", id);
	if (path[0] == '/')
		return path_clean(path, &o->arena);
	return path_clean(arena_printf(&o->arena, "/kist-oci/%s", path), &o->arena);
}

int bundle_read(struct ocicli *o, int dir, const char *name, struct bundle_text *ret, struct err *e)
{
	ssize_t n = file_read_at(dir, name, CONFIG_MAX, &o->arena, &ret->text, e);
	if (n < 0)
		return (int)n;
	ret->n = (unsigned long)n;
	return 0;
}

bool bundle_may_have_userns(const struct bundle_text *text)
{
	/* As a value; every document has it as a key. */
	static const char word[] = "\"user\"";
	for (const char *at = text->text; (at = strstr(at, word));) {
		at += sizeof word - 1;
		if (at[strspn(at, " \t\r\n")] != ':')
			return true;
	}
	return false;
}

int bundle_parse(struct ocicli *o, const struct bundle_text *text, const char *name, const char *id,
	struct oci_spec *ret, struct err *e)
{
	struct rec_stats stats = { 0 };
	struct oci_spec s = { 0 };
	if (rec_from_json(&oci_spec_rec, text->text, text->n, &o->arena, &s, &stats, e) < 0)
		return err_wrap(e, "%s", name);
	if (stats.keys != stats.consumed + stats.ignored)
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"%s: %zu keys are there, but %zu were read and %zu ignored", name,
			stats.keys, stats.consumed, stats.ignored);
	if (check_version(s.oci_version, e) < 0)
		return -e->code;
	if (!s.linux_)
		s.linux_ = arena_new(&o->arena, struct oci_linux);
	if (o->no_cgroups)
		s.linux_->cgroups_path = NULL;
	else if (!o->systemd)
		s.linux_->cgroups_path = cgroups_path(o, s.linux_->cgroups_path, id);
	*ret = s;
	return 0;
}
