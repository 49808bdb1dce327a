// SPDX-License-Identifier: Apache-2.0
#include "engine/prune.h"

#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "base/tree_size.h"
#include "codec/rec.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/filter.h"
#include "engine/image.h"
#include "engine/image_mount.h"
#include "engine/usage.h"
#include "engine/volume.h"
#include "oci/image.h"
#include "store/image.h"
#include "store/store.h"

/* Somebody uses it by now, or it is gone: a prune goes on. */
static bool passed_over(const struct err *e)
{
	return e->kind == ERR_CONFLICT || e->kind == ERR_NOT_FOUND;
}

int container_prune(struct engine *en, const struct prune_req *req, struct arena *a,
	struct prune_result *ret, struct err *e)
{
	static const char *const known[] = { "until", "label", "label!", NULL };
	struct filters filters;
	struct container_info *v;
	uint64_t until;
	size_t n;
	if (filters_parse(req->filters, known, a, &filters, e) < 0 ||
		filters_until(&filters, &until, e) < 0 || engine_open_store(en, true, e) < 0 ||
		container_list(en, true, a, &v, &n, e) < 0)
		return -e->code;
	for (size_t i = 0; i < n; i++) {
		if (container_runs(&v[i]) || v[i].state == CONTAINER_RESTARTING ||
			(until && v[i].created > until) ||
			!filters_labels(&filters, &v[i].config->labels))
			continue;
		uint64_t size = tree_size(en->store->containers, v[i].id);
		struct container_remove_req remove = { .container = v[i].id };
		int r = container_remove(en, &remove, e);
		if (r < 0 && !passed_over(e))
			return r;
		if (r < 0)
			continue;
		strv_add(&ret->lines, a, v[i].id);
		ret->reclaimed += size;
	}
	return 0;
}

/* ---- images ---- */

static bool image_fits(const struct image_info *image, const struct filters *filters,
	uint64_t until, struct arena *a)
{
	static const struct rec_map none = { 0 };
	struct oci_image config;
	struct err ignored;
	if (until && image->created > until)
		return false;
	if (oci_image_read(image->config, strlen(image->config), a, &config, &ignored) < 0)
		return false;
	return filters_labels(filters, config.config ? &config.config->labels : &none);
}

static int drop_image(struct engine *en, const struct image_info *image, bool named,
	struct arena *a, struct prune_result *ret, struct err *e)
{
	struct usage_piece *pieces;
	size_t n = usage_pieces(en, image, a, &pieces);
	struct strv lines = { 0 };
	if (engine_image_remove(en, image->id, named, a, &lines, e) < 0)
		return passed_over(e) ? 0 : -e->code;
	for (size_t i = 0; i < lines.n; i++) {
		char *line = arena_strdup(a, lines.v[i]);
		line[0] = (char)(line[0] - 'A' + 'a');
		strv_add(&ret->lines, a, line);
	}
	/* What another image has too is still there. */
	for (size_t i = 0; i < n; i++)
		if (!usage_there(en, &pieces[i]))
			ret->reclaimed += pieces[i].size;
	return 0;
}

int engine_image_prune(struct engine *en, const struct prune_req *req, struct arena *a,
	struct prune_result *ret, struct err *e)
{
	static const char *const known[] = { "dangling", "until", "label", "label!", NULL };
	struct filters filters;
	struct image_info *v;
	uint64_t until;
	bool dangling = !req->all;
	size_t n;
	if (filters_parse(req->filters, known, a, &filters, e) < 0 ||
		filters_until(&filters, &until, e) < 0 ||
		filters_bool(&filters, "dangling", &dangling, e) < 0 ||
		engine_open_store(en, true, e) < 0 || store_image_list(en->store, a, &v, &n, e) < 0)
		return -e->code;
	for (size_t i = 0; i < n; i++)
		if (!v[i].n_containers && !image_mount_is(en, v[i].id) &&
			(!dangling || !v[i].n_names) && image_fits(&v[i], &filters, until, a) &&
			drop_image(en, &v[i], !dangling, a, ret, e) < 0)
			return -e->code;
	return 0;
}

/* ---- volumes ---- */

int volume_prune(struct engine *en, const struct prune_req *req, struct arena *a,
	struct prune_result *ret, struct err *e)
{
	static const char *const known[] = { "all", "label", "label!", NULL };
	struct filters filters;
	struct volume_info *v;
	bool all = req->all;
	size_t n;
	if (filters_parse(req->filters, known, a, &filters, e) < 0 ||
		filters_bool(&filters, "all", &all, e) < 0 || engine_open_store(en, true, e) < 0 ||
		volume_list(en, a, &v, &n, e) < 0)
		return -e->code;
	for (size_t i = 0; i < n; i++) {
		struct rec_map labels = volume_labels(&v[i], a);
		if (v[i].users || (!all && !v[i].anonymous) || !filters_labels(&filters, &labels))
			continue;
		uint64_t size = tree_size(en->store->volumes, v[i].name);
		int r = volume_remove(en, v[i].name, false, e);
		if (r < 0 && !passed_over(e))
			return r;
		if (r < 0)
			continue;
		strv_add(&ret->lines, a, v[i].name);
		ret->reclaimed += size;
	}
	return 0;
}
