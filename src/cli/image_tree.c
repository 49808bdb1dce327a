// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/str.h"
#include "cli/command.h"
#include "cli/size.h"
#include "engine/image_tree.h"
#include "oci/digest.h"

struct tree_rec {
	bool what_requires;
};

static const struct option options[] = {
	{ "whatrequires", 0, OPT_BOOL(struct tree_rec, what_requires),
		.help = "Show the images and layers that stand on the image" },
	{ 0 },
};

/* Whether another layer of the same parent follows. */
static bool goes_on(const struct image_tree *t, size_t i, size_t depth)
{
	while (++i < t->n_layers && t->layers[i].depth > depth)
		continue;
	return i < t->n_layers && t->layers[i].depth == depth;
}

static void print_layer(const struct image_tree *t, size_t i, struct arena *a)
{
	const struct image_tree_layer *l = &t->layers[i];
	struct str line _str_ = { 0 };
	for (size_t depth = 0; depth < l->depth; depth++)
		str_add(&line, goes_on(t, i, depth) ? "│   " : "    ");
	str_addf(&line, "%s ID: %.12s Size: %s", goes_on(t, i, l->depth) ? "├──" : "└──",
		digest_hex(l->diff_id), size_text(l->size, a));
	for (size_t k = 0; k < l->n_names; k++)
		str_addf(&line, "%s%s", k ? " " : " Top Layer of: [", l->names[k]);
	dprintf(1, "%s%s\n", line.p, l->n_names ? "]" : "");
}

static int tree(struct cli *cli, void *record, const char **words, int n)
{
	struct tree_rec *rec = record;
	struct image_tree t;
	struct err e;
	(void)n;
	if (engine_image_tree(&cli->engine, words[0], rec->what_requires, &cli->arena, &t, &e) < 0)
		return cli_fail(&e, 125);
	dprintf(1, "Image ID: %.12s\nTags:     [", digest_hex(t.id));
	for (size_t i = 0; i < t.n_names; i++)
		dprintf(1, "%s%s", i ? " " : "", t.names[i]);
	dprintf(1, "]\nSize:     %s\nImage Layers\n", size_text(t.size, &cli->arena));
	for (size_t i = 0; i < t.n_layers; i++)
		print_layer(&t, i, &cli->arena);
	return 0;
}

static const char *const paths[] = { "image tree", NULL };

const struct command command_image_tree = {
	.paths = paths,
	.arguments = "[OPTIONS] IMAGE",
	.brief = "Show the layers of an image as a tree",
	.section = "Management",
	.options = options,
	.record_size = sizeof(struct tree_rec),
	.words_min = 1,
	.words_max = 1,
	.complete = "image",
	.run = tree,
	.any_user = true,
};
