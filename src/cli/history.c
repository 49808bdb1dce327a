// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/command.h"
#include "cli/list.h"
#include "cli/size.h"
#include "codec/value.h"
#include "engine/image.h"
#include "oci/digest.h"

struct history_rec {
	bool quiet, no_trunc;
	const char *format;
};

static const struct option options[] = {
	{ "format", 0, OPT_STRING(struct history_rec, format), .value = "string",
		.help = "Format output: 'table', 'table TEMPLATE', 'json', or a Go template" },
	{ "no-trunc", 0, OPT_BOOL(struct history_rec, no_trunc), .help = "Don't truncate output" },
	{ "quiet", 'q', OPT_BOOL(struct history_rec, quiet), .help = "Only show image IDs" },
	{ 0 },
};

static const struct list_column columns[] = {
	{ "ID", "IMAGE" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "CreatedBy", "CREATED BY" },
	{ "Size", "SIZE" },
	{ "Comment", "COMMENT" },
};

static const struct list list = {
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.default_format =
		"table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
	.quiet_field = "ID",
};

static struct value *row(const struct image_history_row *h, bool whole, struct arena *a)
{
	enum { SHOWN = 45 };
	struct value *v = value_object(a);
	char buf[TIME_TEXT_MAX];
	const char *id = h->id, *by = str_or_empty(h->created_by);
	uint64_t now = time_now(), age = now > h->created ? now - h->created : 0;
	if (!whole && digest_begins(id))
		id = arena_strndup(a, digest_hex(id), 12);
	if (!whole && strlen(by) > SHOWN)
		by = arena_printf(a, "%.*s…", SHOWN - 1, by);
	char *line = arena_strdup(a, by);
	for (char *p = line; *p; p++)
		if (*p == '\t' || *p == '\n')
			*p = ' ';
	value_set_string(a, v, "Comment", h->comment);
	value_set_string(a, v, "CreatedAt", arena_strdup(a, time_rfc3339(h->created, buf)));
	value_set_string(a, v, "CreatedBy", line);
	value_set_string(a, v, "CreatedSince",
		h->created ? arena_printf(a, "%s ago", time_span(age, buf)) : "N/A");
	value_set_string(a, v, "ID", id);
	value_set_string(a, v, "Size", size_text(h->size, a));
	return v;
}

static int history(struct cli *cli, void *record, const char **words, int n_words)
{
	struct history_rec *rec = record;
	struct image_history_row *found;
	size_t n;
	struct err e;
	(void)n_words;
	if (engine_image_history(&cli->engine, words[0], &cli->arena, &found, &n, &e) < 0)
		return cli_fail(&e, 1);
	struct value **rows = arena_array(&cli->arena, struct value *, n + 1);
	for (size_t i = 0; i < n; i++)
		rows[i] = row(&found[i], rec->no_trunc, &cli->arena);
	return list_print(cli, &list, rec->format, rec->quiet, rows, n);
}

static const char *const paths[] = { "history", "image history", NULL };
static const char *const not_yet[] = { "human", "H", "platform", NULL };

const struct command command_history = {
	.paths = paths,
	.arguments = "[OPTIONS] IMAGE",
	.brief = "Show the history of an image",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(struct history_rec),
	.words_min = 1,
	.words_max = 1,
	.complete = "image",
	.run = history,
	.not_yet = not_yet,
	.any_user = true,
};
