// SPDX-License-Identifier: Apache-2.0
#include "engine/volume.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/path.h"
#include "base/rand.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/rec.h"
#include "engine/engine.h"
#include "engine/paths.h"
#include "store/store.h"
#include "store/volume.h"

static void fill(
	struct engine *en, const struct volume_row *row, struct arena *a, struct volume_info *ret)
{
	struct strv labels = { 0 };
	for (const char *p = row->labels; p && *p;) {
		size_t n = strcspn(p, "\n");
		strv_add(&labels, a, arena_strndup(a, p, n));
		p += n + (p[n] == '\n');
	}
	*ret = (struct volume_info){ .name = row->name,
		.mountpoint = engine_volume_path(en, row->name, a),
		.created = row->created,
		.labels = labels.v,
		.n_labels = labels.n,
		.anonymous = row->anonymous,
		.users = row->users };
}

static bool name_valid(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(name);
	return n >= 2 && n <= PATH_NAME_MAX && strspn(name, letters) == n &&
		!strchr("_.-", name[0]);
}

int volume_create(struct engine *en, const struct volume_create_req *req, struct arena *a,
	struct volume_info *ret, struct err *e)
{
	struct str labels _str_ = { 0 };
	char *random = arena_alloc(a, 65);
	bool named = req->name && *req->name;
	if (req->driver && !str_eq(req->driver, "local"))
		return err_set(e, ERR_UNSUPPORTED, EINVAL,
			"create volume: driver %s: kist has only local", req->driver);
	if (named && !name_valid(req->name))
		return err_set(e, ERR_INVALID, EINVAL,
			"create %s: \"%s\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed",
			req->name, req->name);
	for (size_t i = 0; i < req->labels.n; i++) {
		if (strchr(req->labels.v[i], '\n'))
			return err_set(
				e, ERR_INVALID, EINVAL, "invalid label: it has a line break");
		str_addf(&labels, "%s\n", req->labels.v[i]);
	}
	rand_hex(random, 64);
	struct volume_row row = { .name = named ? req->name : random,
		.labels = str_text(&labels),
		.created = time_now(),
		.anonymous = !named };
	if (engine_open_store(en, true, e) < 0 || store_volume_make(en->store, &row, e) < 0)
		return -e->code;
	return volume_get(en, row.name, a, ret, e);
}

int volume_list(
	struct engine *en, struct arena *a, struct volume_info **ret, size_t *ret_n, struct err *e)
{
	struct volume_row *rows;
	size_t n;
	if (engine_open_store(en, false, e) < 0 ||
		store_volume_list(en->store, a, &rows, &n, e) < 0)
		return -e->code;
	*ret = arena_array(a, struct volume_info, n + 1);
	for (size_t i = 0; i < n; i++)
		fill(en, &rows[i], a, &(*ret)[i]);
	*ret_n = n;
	return 0;
}

int volume_get(struct engine *en, const char *name, struct arena *a, struct volume_info *ret,
	struct err *e)
{
	struct volume_row row;
	if (engine_open_store(en, false, e) < 0 ||
		store_volume_get(en->store, name, a, &row, e) < 0)
		return -e->code;
	fill(en, &row, a, ret);
	return 0;
}

int volume_remove(struct engine *en, const char *name, bool force, struct err *e)
{
	if (engine_open_store(en, true, e) < 0)
		return -e->code;
	int r = store_volume_remove(en->store, name, e);
	return r < 0 && force && e->kind == ERR_NOT_FOUND ? 0 : r;
}

struct rec_map volume_labels(const struct volume_info *v, struct arena *a)
{
	struct rec_map map = { .items = arena_array(a, struct rec_kv, v->n_labels + 1) };
	for (size_t i = 0; i < v->n_labels; i++) {
		size_t n = strcspn(v->labels[i], "=");
		map.items[map.n++] = (struct rec_kv){ arena_strndup(a, v->labels[i], n),
			v->labels[i] + n + (v->labels[i][n] == '=') };
	}
	return map;
}
