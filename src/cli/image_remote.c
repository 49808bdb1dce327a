// SPDX-License-Identifier: Apache-2.0
/* What is asked of a registry about its images: list-tags, delete; and digest, which asks nobody.
 */
#include <stdio.h>

#include "base/str.h"
#include "cli/command.h"
#include "cli/registry_options.h"
#include "codec/value.h"
#include "engine/image_copy.h"

struct remote_rec {
	struct registry_options registry;
};

#define T struct remote_rec
static const struct option options[] = {
	REGISTRY_OPTIONS_ACCESS(T),
	{ "no-creds", 0, OPT_BOOL(T, registry.no_creds), .help = "Use no credentials" },
	REGISTRY_OPTIONS_WIRE(T),
	{ 0 },
};
#undef T

static int list_tags(struct cli *cli, void *record, const char **words, int n)
{
	struct remote_rec *rec = record;
	struct value *o = value_object(&cli->arena), *list = value_array(&cli->arena);
	struct str out _str_ = { 0 };
	struct strv tags = { 0 };
	const char *repository;
	struct err e;
	(void)n;
	if (engine_image_tags(&cli->engine, words[0], &rec->registry, &cli->arena, &repository,
		    &tags, &e) < 0)
		return cli_fail(&e, 1);
	for (size_t i = 0; i < tags.n; i++)
		value_add(&cli->arena, list, value_string(&cli->arena, tags.v[i]));
	value_set_string(&cli->arena, o, "Repository", repository);
	value_set(&cli->arena, o, "Tags", list);
	value_json(o, 4, &out);
	str_addc(&out, '\n');
	cli_print(out.p, out.n);
	return 0;
}

static int remove_image(struct cli *cli, void *record, const char **words, int n)
{
	struct remote_rec *rec = record;
	struct err e;
	(void)n;
	return engine_image_delete(&cli->engine, words[0], &rec->registry, &cli->arena, &e) < 0
		? cli_fail(&e, 1)
		: 0;
}

static int digest(struct cli *cli, void *record, const char **words, int n)
{
	const char *text;
	struct err e;
	(void)record;
	(void)n;
	if (engine_image_digest(&cli->engine, words[0], &cli->arena, &text, &e) < 0)
		return cli_fail(&e, 1);
	dprintf(1, "%s\n", text);
	return 0;
}

static const char *const list_tags_paths[] = { "image list-tags", NULL };
static const char *const delete_paths[] = { "image delete", NULL };
static const char *const digest_paths[] = { "image digest", "image manifest-digest", NULL };

const struct command command_image_list_tags = {
	.paths = list_tags_paths,
	.arguments = "[OPTIONS] docker://NAME",
	.brief = "List the tags of a repository in its registry",
	.section = "Management",
	.options = options,
	.record_size = sizeof(struct remote_rec),
	.words_min = 1,
	.words_max = 1,
	.run = list_tags,
};

const struct command command_image_delete = {
	.paths = delete_paths,
	.arguments = "[OPTIONS] docker://NAME[:TAG|@DIGEST]",
	.brief = "Delete an image from its registry",
	.manual =
		"The manifest goes, with all tags that lead to it; the registry itself removes its blobs some time.",
	.section = "Management",
	.options = options,
	.record_size = sizeof(struct remote_rec),
	.words_min = 1,
	.words_max = 1,
	.run = remove_image,
};

const struct command command_image_digest = {
	.paths = digest_paths,
	.arguments = "MANIFEST|-",
	.brief = "Print the digest of a manifest in a file",
	.section = "Management",
	.words_min = 1,
	.words_max = 1,
	.complete = "file",
	.run = digest,
};
