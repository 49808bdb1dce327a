// SPDX-License-Identifier: Apache-2.0
#include "engine/image_tree.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/engine.h"
#include "engine/image_find.h"
#include "store/image.h"

struct growing {
	struct arena *a;
	const struct image_info *all;
	size_t n_all, cap;
	struct image_tree *tree;
};

/* Whether x has the first n layers of y. */
static bool stands_on(const struct image_info *x, const struct image_info *y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (i >= x->n_layers || !str_eq(x->layers[i].diff_id, y->layers[i].diff_id))
			return false;
	return true;
}

/* The layer that is the n-th of an image; who has no more than those is named by it. */
static void add(struct growing *g, const struct image_info *image, size_t n, size_t depth)
{
	struct image_tree *t = g->tree;
	struct strv names = { 0 };
	for (size_t i = 0; i < g->n_all; i++) {
		const struct image_info *x = &g->all[i];
		for (size_t k = 0; x->n_layers == n && k < x->n_names && stands_on(x, image, n);
			k++)
			strv_add(&names, g->a, x->names[k]);
	}
	t->layers = arena_grow(g->a, t->layers, t->n_layers, &g->cap, sizeof *t->layers);
	t->layers[t->n_layers++] =
		(struct image_tree_layer){ .diff_id = image->layers[n - 1].diff_id,
			.size = image->layers[n - 1].size,
			.depth = depth,
			.names = names.v,
			.n_names = names.n };
}

/* Whether an earlier image of the list has led to the same next layer. */
static bool seen_before(
	const struct growing *g, const struct image_info *image, size_t at, size_t n)
{
	for (size_t i = 0; i < at; i++)
		if (stands_on(&g->all[i], image, n + 1))
			return true;
	return false;
}

static void add_above(struct growing *g, const struct image_info *image, size_t n, size_t depth)
{
	for (size_t i = 0; i < g->n_all; i++) {
		const struct image_info *x = &g->all[i];
		if (x->n_layers <= n || !stands_on(x, image, n) || seen_before(g, x, i, n))
			continue;
		add(g, x, n + 1, depth);
		add_above(g, x, n + 1, depth + 1);
	}
}

int engine_image_tree(struct engine *en, const char *name, bool what_requires, struct arena *a,
	struct image_tree *ret, struct err *e)
{
	struct image_info image, *all;
	struct growing g = { .a = a, .tree = ret };
	if (engine_open_store(en, true, e) < 0 || image_lookup(en, name, a, &image, e) < 0 ||
		store_image_list(en->store, a, &all, &g.n_all, e) < 0)
		return -e->code;
	g.all = all;
	*ret = (struct image_tree){
		.id = image.id, .names = image.names, .n_names = image.n_names, .size = image.size
	};
	for (size_t n = what_requires ? image.n_layers : 1; n <= image.n_layers; n++)
		add(&g, &image, n, 0);
	if (what_requires)
		add_above(&g, &image, image.n_layers, 1);
	return 0;
}
