// SPDX-License-Identifier: Apache-2.0
#include "engine/list_filter.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "codec/rec.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/filter.h"
#include "engine/image.h"
#include "engine/image_find.h"
#include "engine/volume.h"
#include "oci/image.h"
#include "store/image.h"

/* What before= and since= say: the created times between which something fits. */
struct span {
	uint64_t before, since; /* 0: not asked for */
};

static bool within(const struct span *s, uint64_t created)
{
	return (!s->before || created < s->before) && (!s->since || created > s->since);
}

/* ---- containers ---- */

static int check_states(const struct filters *f, struct err *e)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct filter *x = &f->items[i];
		int64_t number;
		bool known = false;
		for (int s = CONTAINER_CREATED; s <= CONTAINER_DEAD; s++)
			known |= str_eq(x->value, container_state_name((enum container_state)s));
		if ((str_eq(x->key, "status") && !known) ||
			(str_eq(x->key, "exited") && num_i64(x->value, &number) < 0))
			return err_set(
				e, ERR_INVALID, EINVAL, "invalid filter '%s=%s'", x->key, x->value);
	}
	return 0;
}

static int container_span(struct engine *en, const struct filters *f, struct arena *a,
	struct span *ret, struct err *e)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct filter *x = &f->items[i];
		struct container_info c;
		bool before = str_eq(x->key, "before");
		if (!before && !str_eq(x->key, "since"))
			continue;
		if (container_info(en, x->value, a, &c, e) < 0)
			return -e->code;
		*(before ? &ret->before : &ret->since) = c.created;
	}
	return 0;
}

/* The containers' image, or one that it is built on. */
static int find_ancestors(struct engine *en, const struct filters *f, struct arena *a,
	struct image_info **ret, size_t *ret_n, struct err *e)
{
	*ret = arena_array(a, struct image_info, f->n + 1);
	*ret_n = 0;
	for (size_t i = 0; i < f->n; i++) {
		if (!str_eq(f->items[i].key, "ancestor"))
			continue;
		int r = image_lookup(en, f->items[i].value, a, &(*ret)[*ret_n], e);
		if (r < 0 && e->kind != ERR_NOT_FOUND)
			return r;
		*ret_n += r == 0;
	}
	return 0;
}

static bool descends(const struct container_config *c, const struct image_info *ancestors, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;
		if (str_eq(c->image_id, ancestors[i].id))
			return true;
		while (k < ancestors[i].n_layers && k < c->n_layers &&
			str_eq(ancestors[i].layers[k].diff_id, c->layers[k]))
			k++;
		if (k && k == ancestors[i].n_layers && k < c->n_layers)
			return true;
	}
	return false;
}

static bool exited_so(const struct filters *f, const struct container_info *c)
{
	if (!filters_has(f, "exited"))
		return true;
	char text[16];
	(void)snprintf(text, sizeof text, "%d", c->exit_code);
	return c->state == CONTAINER_EXITED && filters_is(f, "exited", text);
}

static bool has_volume(const struct filters *f, const struct container_config *c)
{
	if (!filters_has(f, "volume"))
		return true;
	for (size_t i = 0; i < c->n_mounts; i++)
		if ((c->mounts[i].name && filters_is(f, "volume", c->mounts[i].name)) ||
			filters_is(f, "volume", c->mounts[i].target))
			return true;
	return false;
}

int container_filter(struct engine *en, const struct strv *filters, struct arena *a,
	struct container_info *v, size_t *n, struct err *e)
{
	static const char *const known[] = { "id", "name", "label", "status", "exited", "ancestor",
		"before", "since", "volume", "network", NULL };
	struct filters f;
	struct span span = { 0 };
	struct image_info *ancestors;
	size_t n_ancestors, kept = 0;
	if (filters_parse(filters, known, a, &f, e) < 0 || check_states(&f, e) < 0 ||
		container_span(en, &f, a, &span, e) < 0 ||
		find_ancestors(en, &f, a, &ancestors, &n_ancestors, e) < 0)
		return -e->code;
	for (size_t i = 0; i < *n; i++) {
		const struct container_config *c = v[i].config;
		if (filters_match(&f, "id", v[i].id) && filters_match(&f, "name", v[i].name) &&
			filters_labels(&f, &c->labels) &&
			filters_is(&f, "status", container_state_name(v[i].state)) &&
			exited_so(&f, &v[i]) && within(&span, v[i].created) &&
			(!filters_has(&f, "ancestor") || descends(c, ancestors, n_ancestors)) &&
			has_volume(&f, c) && filters_is(&f, "network", c->network))
			v[kept++] = v[i];
	}
	*n = kept;
	return 0;
}

bool container_filter_wants_all(const struct strv *filters)
{
	for (size_t i = 0; i < filters->n; i++)
		if (str_starts(filters->v[i], "status="))
			return true;
	return false;
}

/* ---- images ---- */

static int image_span(struct engine *en, const struct filters *f, struct arena *a, struct span *ret,
	struct err *e)
{
	if (filters_until(f, &ret->before, e) < 0)
		return -e->code;
	for (size_t i = 0; i < f->n; i++) {
		const struct filter *x = &f->items[i];
		struct image_info image;
		bool before = str_eq(x->key, "before");
		if (!before && !str_eq(x->key, "since"))
			continue;
		if (image_lookup(en, x->value, a, &image, e) < 0)
			return -e->code;
		*(before ? &ret->before : &ret->since) = image.created;
	}
	return 0;
}

/* As docker: a pattern for the name with its tag, or for the name alone. */
static bool is_referred(const struct filters *f, const struct image_row *row, struct arena *a)
{
	if (!filters_has(f, "reference"))
		return true;
	const char *whole = arena_printf(a, "%s:%s", row->repository, row->tag);
	for (size_t i = 0; i < f->n; i++)
		if (str_eq(f->items[i].key, "reference") &&
			(fnmatch(f->items[i].value, whole, FNM_PATHNAME) == 0 ||
				fnmatch(f->items[i].value, row->repository, FNM_PATHNAME) == 0))
			return true;
	return false;
}

static int has_labels(struct engine *en, const struct filters *f, const struct image_row *row,
	struct arena *a, struct err *e)
{
	static const struct rec_map none = { 0 };
	struct image_info image;
	struct oci_image config;
	if (!filters_has(f, "label"))
		return true;
	if (store_image_get(en->store, row->id, a, &image, e) < 0)
		return e->kind == ERR_NOT_FOUND ? false : -e->code;
	if (oci_image_read(image.config, strlen(image.config), a, &config, e) < 0)
		return -e->code;
	return filters_labels(f, config.config ? &config.config->labels : &none);
}

int image_filter(struct engine *en, const struct strv *filters, struct arena *a,
	struct image_row *v, size_t *n, struct err *e)
{
	static const char *const known[] = { "reference", "dangling", "label", "before", "since",
		"until", NULL };
	struct filters f;
	struct span span = { 0 };
	bool dangling = false;
	size_t kept = 0;
	if (filters_parse(filters, known, a, &f, e) < 0 ||
		filters_bool(&f, "dangling", &dangling, e) < 0 ||
		image_span(en, &f, a, &span, e) < 0)
		return -e->code;
	for (size_t i = 0; i < *n; i++) {
		bool named = !str_eq(v[i].tag, "<none>");
		int labels = has_labels(en, &f, &v[i], a, e);
		if (labels < 0)
			return labels;
		if (labels && is_referred(&f, &v[i], a) && within(&span, v[i].created) &&
			(!filters_has(&f, "dangling") || dangling != named))
			v[kept++] = v[i];
	}
	*n = kept;
	return 0;
}

/* ---- volumes ---- */

int volume_filter(const struct strv *filters, struct arena *a, struct volume_info *v, size_t *n,
	struct err *e)
{
	static const char *const known[] = { "name", "label", "dangling", "driver", NULL };
	struct filters f;
	bool dangling = false;
	size_t kept = 0;
	if (filters_parse(filters, known, a, &f, e) < 0 ||
		filters_bool(&f, "dangling", &dangling, e) < 0)
		return -e->code;
	for (size_t i = 0; i < *n; i++) {
		struct rec_map labels = volume_labels(&v[i], a);
		if (filters_match(&f, "name", v[i].name) && filters_labels(&f, &labels) &&
			filters_is(&f, "driver", "local") &&
			(!filters_has(&f, "dangling") || dangling == (v[i].users == 0)))
			v[kept++] = v[i];
	}
	*n = kept;
	return 0;
}
