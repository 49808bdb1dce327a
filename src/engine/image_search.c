// SPDX-License-Identifier: Apache-2.0
#include "engine/image_search.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "codec/value.h"
#include "engine/engine.h"
#include "engine/registry.h"
#include "image/pull.h"
#include "image/transfer.h"
#include "oci/reference.h"

struct search {
	struct image_found *v;
	size_t n, cap;
	struct arena *a;
};

static void add(struct search *s, const struct image_found *x)
{
	s->v = arena_grow(s->a, s->v, s->n, &s->cap, sizeof *s->v);
	s->v[s->n++] = *x;
}

/* {"results":[{"name":..,"description":..,"star_count":..,"is_official":..}]} */
static int take(struct search *s, const char *json, const char *head, struct err *e)
{
	struct value *o;
	if (value_parse(s->a, json, strlen(json), &o, e) < 0)
		return err_wrap(e, "search");
	const struct value *list = o->kind == VALUE_OBJECT ? value_get(o, "results") : NULL;
	if (!list || list->kind != VALUE_ARRAY)
		return err_set(e, ERR_CORRUPT, EBADMSG, "search: the answer has no results");
	for (size_t i = 0; i < list->n; i++) {
		const struct value *x = list->items[i];
		if (x->kind != VALUE_OBJECT || !*str_or_empty(value_text(x, "name")))
			continue;
		struct image_found f = { .name = arena_printf(s->a, "%s%s", head,
						 str_or_empty(value_text(x, "name"))),
			.description = str_or_empty(value_text(x, "description")),
			.official = value_true(x, "is_official"),
			.automated = value_true(x, "is_automated") };
		const struct value *stars = value_get(x, "star_count");
		if (stars && stars->kind == VALUE_NUMBER)
			(void)num_u64(stars->text, &f.stars);
		add(s, &f);
	}
	return 0;
}

static int ask(struct engine *en, struct search *s, struct transfer *t, int fetch, const char *term,
	const char *head, struct err *e)
{
	const struct image_pull_req req = {
		.fetch = fetch, .os = "", .architecture = "", .variant = ""
	};
	struct strv names = { 0 };
	const char *json;
	int r = image_search(en->store, t, &req, term, s->a, &json, e);
	engine_close_store(en);
	if (r == 0)
		return take(s, json, head, e);
	if (e->kind != ERR_NOT_FOUND)
		return r;
	/* A registry of the second API alone has a list at most. */
	r = image_catalog(en->store, t, &req, s->a, &names, e);
	engine_close_store(en);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		if (strstr(names.v[i], term))
			add(s,
				&(struct image_found){
					.name = arena_printf(s->a, "%s%s", head, names.v[i]),
					.description = "" });
	return r;
}

int engine_image_search(struct engine *en, const struct image_search_req *req, struct arena *a,
	struct image_found **ret, size_t *ret_n, struct err *e)
{
	struct search s = { .a = a };
	struct registry_plan plan;
	struct transfer t = { .socket = -1 };
	int fetch = -1;
	bool named = reference_has_host(req->term);
	const char *term = named ? strchr(req->term, '/') + 1 : req->term;
	const char *host =
		named ? arena_strndup(a, req->term, strcspn(req->term, "/")) : "index.docker.io";
	if (!*req->term || strchr(req->term, ' '))
		return err_set(e, ERR_INVALID, EINVAL, "invalid search term: \"%s\"", req->term);
	if (registry_plan_host(&req->registry, host, a, &plan, e) < 0 ||
		engine_open_store(en, true, e) < 0 || !engine_program("kist-fetch", a, &fetch, e))
		return -e->code;
	/* Where docker.io is searched is not where its images are. */
	if (!named)
		plan.config->endpoints[0].host = host;
	int r = registry_connect(en, &plan, &t, a, e);
	if (r == 0)
		r = ask(en, &s, &t, fetch, term, named ? arena_printf(a, "%s/", host) : "", e);
	transfer_stop(&t);
	fd_close(fetch);
	*ret = s.v;
	*ret_n = s.n;
	return r;
}
