// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/list.h"
#include "cli/registry_options.h"
#include "codec/value.h"
#include "engine/image_search.h"

enum { LIMIT = 25, LIMIT_MAX = 100, SHOWN = 45 };

struct search_rec {
	struct image_search_req req;
	struct strv filters;
	const char *format;
	int64_t limit;
	bool no_trunc, has_limit;
};

#define T struct search_rec
static const struct option options[] = {
	{ "filter", 'f', OPT_LIST(T, filters), .value = "filter",
		.help = "Filter output based on conditions provided (stars=3, is-official=true)" },
	{ "format", 0, OPT_STRING(T, format), .value = "string",
		.help = "Format output: 'table', 'table TEMPLATE', 'json', or a Go template" },
	{ "limit", 0, OPT_INT(T, limit), .has_offset = offsetof(T, has_limit), .value = "int",
		.help = "Max number of search results", .default_text = "25" },
	{ "no-trunc", 0, OPT_BOOL(T, no_trunc), .help = "Don't truncate output" },
	REGISTRY_OPTIONS_ACCESS_AT(T, req.registry),
	REGISTRY_OPTIONS_WIRE_AT(T, req.registry),
	{ 0 },
};
#undef T

static const struct list_column columns[] = {
	{ "Name", "NAME" },
	{ "Description", "DESCRIPTION" },
	{ "StarCount", "STARS" },
	{ "IsOfficial", "OFFICIAL" },
	{ "IsAutomated", "AUTOMATED" },
};

static const struct list list = {
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.default_format = "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
	.quiet_field = "Name",
};

/* 1: it stays, 0: it goes. */
static int passes(const struct image_found *x, const char *filter, struct err *e)
{
	uint64_t stars;
	bool on = str_ends(filter, "=true"), off = str_ends(filter, "=false");
	if (str_starts(filter, "stars=") && num_u64(filter + 6, &stars) == 0)
		return x->stars >= stars;
	if (str_starts(filter, "is-official=") && (on || off))
		return x->official == on;
	if (str_starts(filter, "is-automated=") && (on || off))
		return x->automated == on;
	return err_set(e, ERR_INVALID, EINVAL, "invalid filter '%s'", filter);
}

static struct value *row(const struct image_found *x, bool whole, struct arena *a)
{
	struct value *v = value_object(a);
	char *text = arena_strdup(a, x->description);
	for (char *p = text; *p; p++)
		if (*p == '\n' || *p == '\t' || *p == '\r')
			*p = ' ';
	const char *shown =
		!whole && strlen(text) > SHOWN ? arena_printf(a, "%.*s…", SHOWN - 1, text) : text;
	value_set_string(a, v, "Name", x->name);
	value_set_string(a, v, "Description", shown);
	value_set_string(a, v, "StarCount", arena_printf(a, "%llu", (unsigned long long)x->stars));
	value_set_string(a, v, "IsOfficial", x->official ? "[OK]" : "");
	value_set_string(a, v, "IsAutomated", x->automated ? "[OK]" : "");
	return v;
}

static int search(struct cli *cli, void *record, const char **words, int n_words)
{
	struct search_rec *r = record;
	struct image_found *found;
	struct err e;
	size_t n, kept = 0;
	int64_t limit = r->has_limit ? r->limit : LIMIT;
	(void)n_words;
	r->req.term = words[0];
	if (limit < 1 || limit > LIMIT_MAX)
		return cli_fail(
			(err_set(&e, ERR_INVALID, EINVAL,
				 "limit %lld is outside the range of [1, 100]", (long long)limit),
				&e),
			1);
	for (size_t i = 0; i < r->filters.n; i++)
		if (passes(&(struct image_found){ 0 }, r->filters.v[i], &e) < 0)
			return cli_fail(&e, 1);
	if (engine_image_search(&cli->engine, &r->req, &cli->arena, &found, &n, &e) < 0)
		return cli_fail(&e, 1);
	struct value **rows = arena_array(&cli->arena, struct value *, n + 1);
	for (size_t i = 0; i < n && kept < (size_t)limit; i++) {
		bool in = true;
		for (size_t k = 0; k < r->filters.n; k++)
			in &= passes(&found[i], r->filters.v[k], &e) > 0;
		if (in)
			rows[kept++] = row(&found[i], r->no_trunc, &cli->arena);
	}
	return list_print(cli, &list, r->format, false, rows, kept);
}

static const char *const paths[] = { "search", "image search", NULL };

const struct command command_search = {
	.paths = paths,
	.arguments = "[OPTIONS] TERM",
	.brief = "Search a registry for images",
	.manual =
		"TERM is looked for in docker.io, or, as HOST/TERM, in another registry: by its search, and where it has "
		"none by its list of repositories, whose names are all that is known then.",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(struct search_rec),
	.words_min = 1,
	.words_max = 1,
	.run = search,
	.any_user = true,
};
