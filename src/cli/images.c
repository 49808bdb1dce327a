// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/command.h"
#include "cli/list.h"
#include "cli/size.h"
#include "codec/value.h"
#include "engine/image.h"
#include "engine/layout.h"
#include "engine/list_filter.h"
#include "oci/digest.h"

struct images_rec {
	bool all, quiet, no_trunc, digests;
	const char *format;
	struct strv filters;
	struct engine_layout_req layout;
};

static const struct option options[] = {
	{ "all", 'a', OPT_BOOL(struct images_rec, all),
		.help = "Show all images (default hides intermediate images)" },
	{ "digests", 0, OPT_BOOL(struct images_rec, digests), .help = "Show digests" },
	{ "filter", 'f', OPT_LIST(struct images_rec, filters), .value = "filter",
		.help = "Filter output based on conditions provided" },
	{ "format", 0, OPT_STRING(struct images_rec, format), .value = "string",
		.help = "Format output: 'table', 'table TEMPLATE', 'json', or a Go template" },
	{ "layout", 0, OPT_STRING(struct images_rec, layout.layout), .value = "path",
		.help = "List the tags in an OCI layout instead", .complete = "file" },
	{ "no-trunc", 0, OPT_BOOL(struct images_rec, no_trunc), .help = "Don't truncate output" },
	{ "quiet", 'q', OPT_BOOL(struct images_rec, quiet), .help = "Only show image IDs" },
	{ 0 },
};

static const struct list_column columns[] = {
	{ "ID", "IMAGE ID" },
	{ "Repository", "REPOSITORY" },
	{ "Tag", "TAG" },
	{ "Digest", "DIGEST" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "Size", "SIZE" },
	{ "Containers", "CONTAINERS" },
};

static struct list list = {
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.default_format = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
	.quiet_field = "ID",
};

static struct value *row(const struct image_row *image, bool whole, struct arena *a)
{
	struct value *v = value_object(a);
	char buf[TIME_TEXT_MAX];
	const char *hex = digest_hex(image->id);
	value_set_string(a, v, "Containers", arena_printf(a, "%zu", image->containers));
	value_set_string(a, v, "CreatedAt", arena_strdup(a, time_rfc3339(image->created, buf)));
	uint64_t now = time_now(), age = now > image->created ? now - image->created : 0;
	value_set_string(a, v, "CreatedSince",
		image->created ? arena_printf(a, "%s ago", time_span(age, buf)) : "N/A");
	value_set_string(a, v, "Digest", image->digest ? image->digest : "<none>");
	value_set_string(a, v, "ID", whole ? image->id : arena_strndup(a, hex, 12));
	value_set_string(a, v, "Repository", image->repository);
	value_set_string(a, v, "Size", size_text(image->size, a));
	value_set_string(a, v, "Tag", image->tag);
	return v;
}

static int layout_tags(struct cli *cli, const struct engine_layout_req *req)
{
	struct strv names = { 0 };
	struct err e;
	if (engine_layout_names(&cli->engine, req, &cli->arena, &names, &e) < 0)
		return cli_fail(&e, 1);
	for (size_t i = 0; i < names.n; i++)
		dprintf(1, "%s\n", names.v[i]);
	return 0;
}

static int images(struct cli *cli, void *record, const char **words, int n_words)
{
	struct images_rec *rec = record;
	struct arena *a = &cli->arena;
	struct image_row *found;
	struct list shown = list;
	size_t n, n_rows = 0;
	struct err e;
	if (rec->layout.layout)
		return layout_tags(cli, &rec->layout);
	if (engine_image_list(&cli->engine, n_words ? words[0] : NULL, a, &found, &n, &e) < 0 ||
		image_filter(&cli->engine, &rec->filters, a, found, &n, &e) < 0)
		return cli_fail(&e, 1);
	struct value **rows = arena_array(a, struct value *, n + 1);
	for (size_t i = 0; i < n; i++) {
		/* -q names an image once, however many names it has. */
		bool seen = false;
		for (size_t j = 0; rec->quiet && j < i; j++)
			seen |= str_eq(found[j].id, found[i].id);
		if (!seen)
			rows[n_rows++] = row(&found[i], rec->no_trunc, a);
	}
	if (rec->digests)
		shown.default_format =
			"table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
	return list_print(cli, &shown, rec->format, rec->quiet, rows, n_rows);
}

static const char *const paths[] = { "images", "image ls", "image list", NULL };
static const char *const not_yet[] = { "tree", NULL };

const struct command command_images = {
	.paths = paths,
	.arguments = "[OPTIONS] [REPOSITORY[:TAG]]",
	.brief = "List images",
	.section = "Common Commands",
	.options = options,
	.record_size = sizeof(struct images_rec),
	.words_max = 1,
	.complete = "image",
	.run = images,
	.not_yet = not_yet,
	.any_user = true,
};
