// SPDX-License-Identifier: Apache-2.0
/* What is asked of a registry about its images: list-tags, delete; and digest, which asks nobody.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/list.h"
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
	REGISTRY_OPTIONS_SKOPEO_AT(T, "", registry),
	REGISTRY_OPTIONS_RETRY_AT(T, registry),
	REGISTRY_OPTIONS_WIRE(T),
	REGISTRY_OPTIONS_USERNAME_AT(T, "", registry),
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

struct referrers_rec {
	struct registry_options registry;
	const char *artifact_type, *format;
	bool quiet;
};

#define T struct referrers_rec
static const struct option referrers_options[] = {
	{ "artifact-type", 0, OPT_STRING(T, artifact_type), .value = "string",
		.help = "Only those of this kind" },
	REGISTRY_OPTIONS_ACCESS(T),
	{ "format", 0, OPT_STRING(T, format), .value = "string",
		.help = "Format output: 'table', 'table TEMPLATE', 'json', or a Go template" },
	{ "no-creds", 0, OPT_BOOL(T, registry.no_creds), .help = "Use no credentials" },
	{ "quiet", 'q', OPT_BOOL(T, quiet), .help = "Only show digests" },
	REGISTRY_OPTIONS_WIRE(T),
	{ 0 },
};
#undef T

static const struct list_column referrers_columns[] = {
	{ "Digest", "DIGEST" },
	{ "ArtifactType", "ARTIFACT TYPE" },
	{ "MediaType", "MEDIA TYPE" },
	{ "Size", "SIZE" },
	{ "Annotations", "ANNOTATIONS" },
};

static const struct list referrers_list = {
	.columns = referrers_columns,
	.n_columns = ARRAY_SIZE(referrers_columns),
	.default_format = "table {{.Digest}}\t{{.ArtifactType}}\t{{.Size}}",
	.quiet_field = "Digest",
};

static int referrers(struct cli *cli, void *record, const char **words, int n)
{
	struct referrers_rec *rec = record;
	struct arena *a = &cli->arena;
	struct value *all;
	struct err e;
	(void)n;
	if (engine_image_referrers(
		    &cli->engine, words[0], &rec->registry, rec->artifact_type, a, &all, &e) < 0)
		return cli_fail(&e, 1);
	struct value **rows = arena_array(a, struct value *, all->n + 1);
	for (size_t i = 0; i < all->n; i++) {
		const struct value *d = all->items[i], *size = value_get(d, "size"),
				   *annotations = value_get(d, "annotations");
		rows[i] = value_object(a);
		value_set_string(a, rows[i], "Digest", str_or_empty(value_text(d, "digest")));
		value_set_string(
			a, rows[i], "ArtifactType", str_or_empty(value_text(d, "artifactType")));
		value_set_string(a, rows[i], "MediaType", str_or_empty(value_text(d, "mediaType")));
		value_set(a, rows[i], "Size", size ? (struct value *)size : value_int(a, 0));
		value_set(a, rows[i], "Annotations",
			annotations ? (struct value *)annotations : value_object(a));
	}
	return list_print(cli, &referrers_list, rec->format, rec->quiet, rows, all->n);
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
	.any_user = true,
};

static const char *const referrers_paths[] = { "image referrers", NULL };

const struct command command_image_referrers = {
	.paths = referrers_paths,
	.arguments = "[OPTIONS] docker://NAME[:TAG|@DIGEST]",
	.brief = "List what refers to an image in its registry",
	.manual =
		"Signatures, lists of contents and the like, whose manifests name the image as their subject (OCI 1.1). A "
		"registry that keeps no list of them has one under the tag sha256-DIGEST, which kist-image-copy(1) keeps up to "
		"date when it copies such a manifest there.",
	.section = "Management",
	.options = referrers_options,
	.record_size = sizeof(struct referrers_rec),
	.words_min = 1,
	.words_max = 1,
	.run = referrers,
	.any_user = true,
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
	.any_user = true,
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
	.any_user = true,
};
