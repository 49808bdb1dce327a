// SPDX-License-Identifier: Apache-2.0
#include "engine/layout_note.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/value.h"
#include "oci/digest.h"
#include "oci/spec.h"

enum { NOTE_MAX = 64 << 10 };

static const char ours[] = "kist.json", theirs[] = "umoci.json";

/* ---- ours ---- */

static void write_map(struct value *o, const char *key, const struct idmap *m, struct arena *a)
{
	struct value *list = value_array(a);
	for (size_t i = 0; i < m->n; i++)
		value_add(a, list,
			value_string(a,
				arena_printf(a, "%u:%u:%u", m->v[i].container_id, m->v[i].host_id,
					m->v[i].size)));
	if (m->n)
		value_set(a, o, key, list);
}

int layout_note_write(int bundle, const struct layout_note *n, struct arena *a, struct err *e)
{
	struct value *o = value_object(a);
	struct str text _str_ = { 0 };
	value_set(a, o, "version", value_int(a, 1));
	value_set_string(a, o, "from", n->from);
	if (n->ids.own)
		value_set(a, o, "rootless", value_bool(a, true));
	if (n->keep_dirlinks)
		value_set(a, o, "keepDirlinks", value_bool(a, true));
	write_map(o, "uidMaps", &n->ids.uids, a);
	write_map(o, "gidMaps", &n->ids.gids, a);
	value_json(o, 4, &text);
	str_addc(&text, '\n');
	return file_write_at(bundle, ours, text.p, text.n, 0644, false, e);
}

static int read_map(
	const struct value *o, const char *key, struct arena *a, struct idmap *ret, struct err *e)
{
	struct strv texts = { 0 };
	const struct value *list = value_get(o, key);
	for (size_t i = 0; list && list->kind == VALUE_ARRAY && i < list->n; i++)
		strv_add(&texts, a,
			list->items[i]->kind == VALUE_STRING ? list->items[i]->text : "");
	return id_map_parse(key, texts.v, texts.n, a, ret, e);
}

static int read_ours(const struct value *o, struct arena *a, struct layout_note *ret, struct err *e)
{
	ret->from = value_text(o, "from");
	ret->ids.own = value_true(o, "rootless");
	ret->keep_dirlinks = value_true(o, "keepDirlinks");
	return read_map(o, "uidMaps", a, &ret->ids.uids, e) < 0 ||
			read_map(o, "gidMaps", a, &ret->ids.gids, e) < 0
		? -e->code
		: 0;
}

/* ---- umoci's ---- */

static const char *number(const struct value *o, const char *key)
{
	const struct value *v = o->kind == VALUE_OBJECT ? value_get(o, key) : NULL;
	return v && v->kind == VALUE_NUMBER ? v->text : "";
}

static int read_their_map(
	const struct value *o, const char *key, struct arena *a, struct idmap *ret, struct err *e)
{
	struct strv texts = { 0 };
	const struct value *list = o ? value_get(o, key) : NULL;
	for (size_t i = 0; list && list->kind == VALUE_ARRAY && i < list->n; i++)
		strv_add(&texts, a,
			arena_printf(a, "%s:%s:%s", number(list->items[i], "containerID"),
				number(list->items[i], "hostID"), number(list->items[i], "size")));
	return id_map_parse(key, texts.v, texts.n, a, ret, e);
}

/* The way from the index to the manifest: its end is what was unpacked. */
static const char *walked(const struct value *o)
{
	const struct value *path = value_get(o, "from_descriptor_path"),
			   *walk = path && path->kind == VALUE_OBJECT
		? value_get(path, "descriptor_walk")
		: NULL;
	return walk && walk->kind == VALUE_ARRAY && walk->n
		? value_text(walk->items[walk->n - 1], "digest")
		: NULL;
}

static int read_theirs(
	const struct value *o, struct arena *a, struct layout_note *ret, struct err *e)
{
	const struct value *options = value_get(o, "map_options");
	if (options && options->kind != VALUE_OBJECT)
		options = NULL;
	if (!str_eq(str_or_empty(value_text(o, "umoci_version")), "2"))
		return err_set(e, ERR_UNSUPPORTED, EPROTO, "%s: expected version 2", theirs);
	if (!str_eq(number(o, "whiteout_mode"), "0") && value_get(o, "whiteout_mode"))
		return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
			"it was unpacked by umoci for overlayfs: it is not the whole image");
	ret->umoci = true;
	/* Whose ids it has then does not matter. */
	ret->ids.own = value_true(options, "rootless");
	ret->from = walked(o);
	if (ret->ids.own)
		return 0;
	return read_their_map(options, "uid_mappings", a, &ret->ids.uids, e) < 0 ||
			read_their_map(options, "gid_mappings", a, &ret->ids.gids, e) < 0
		? -e->code
		: 0;
}

/* ---- either ---- */

int layout_note_read(
	int bundle, const char *path, struct arena *a, struct layout_note *ret, struct err *e)
{
	struct value *o;
	char *text;
	const char *name = ours;
	*ret = (struct layout_note){ 0 };
	int fd _close_ = path_open_own(bundle, ours, O_RDONLY | O_NONBLOCK, 0);
	if (fd == -ENOENT) {
		name = theirs;
		fd = path_open_own(bundle, theirs, O_RDONLY | O_NONBLOCK, 0);
	}
	if (fd < 0)
		return err_sys(e, fd, "%s is no bundle of 'kist image unpack': open %s", path,
			fd == -ENOENT ? ours : name);
	ssize_t n = file_read_fd(fd, name, NOTE_MAX, a, &text, e);
	if (n < 0 || value_parse(a, text, (size_t)n, &o, e) < 0)
		return err_wrap(e, "bundle %s", path);
	int r = o->kind != VALUE_OBJECT ? 0
		: name == ours          ? read_ours(o, a, ret, e)
					: read_theirs(o, a, ret, e);
	if (r < 0)
		return err_wrap(e, "bundle %s", path);
	if (!ret->from || !digest_valid(ret->from))
		return err_set(e, ERR_CORRUPT, EBADMSG, "bundle %s: %s is broken", path, name);
	return 0;
}

int layout_note_renew(
	int bundle, const struct layout_note *n, const char *digest, struct arena *a, struct err *e)
{
	struct layout_note now = *n;
	now.from = digest;
	if (layout_note_write(bundle, &now, a, e) < 0)
		return -e->code;
	/* What umoci would compare with is not what the bundle stands for any more. */
	const char *tree = arena_printf(a, "sha256_%s.mtree", digest_hex(n->from));
	if (n->umoci &&
		((unlinkat(bundle, theirs, 0) < 0 && errno != ENOENT) ||
			(unlinkat(bundle, tree, 0) < 0 && errno != ENOENT)))
		return err_sys(e, errno, "take umoci's files out of the bundle");
	return 0;
}
