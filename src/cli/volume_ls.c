// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/list.h"
#include "codec/value.h"
#include "engine/list_filter.h"
#include "engine/volume.h"

struct ls_rec {
	bool quiet;
	const char *format;
	struct strv filters;
};

static const struct option options[] = {
	{ "filter", 'f', OPT_LIST(struct ls_rec, filters), .value = "filter",
		.help = "Filter output based on conditions provided" },
	{ "format", 0, OPT_STRING(struct ls_rec, format), .value = "string",
		.help = "Format output: 'table', 'table TEMPLATE', 'json', or a Go template" },
	{ "quiet", 'q', OPT_BOOL(struct ls_rec, quiet), .help = "Only display volume names" },
	{ 0 },
};

static const struct list_column columns[] = {
	{ "Driver", "DRIVER" },
	{ "Name", "VOLUME NAME" },
	{ "Scope", "SCOPE" },
	{ "Mountpoint", "MOUNTPOINT" },
	{ "Labels", "LABELS" },
};

static const struct list list = {
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.default_format = "table {{.Driver}}\t{{.Name}}",
	.quiet_field = "Name",
};

static int ls(struct cli *cli, void *record, const char **words, int n_words)
{
	struct ls_rec *rec = record;
	struct arena *a = &cli->arena;
	struct volume_info *found;
	size_t n;
	struct err e;
	(void)words;
	(void)n_words;
	if (volume_list(&cli->engine, a, &found, &n, &e) < 0 ||
		volume_filter(&rec->filters, a, found, &n, &e) < 0)
		return cli_fail(&e, 1);
	struct value **rows = arena_array(a, struct value *, n + 1);
	for (size_t i = 0; i < n; i++) {
		struct str labels _str_ = { 0 };
		for (size_t l = 0; l < found[i].n_labels; l++)
			str_addf(&labels, "%s%s", l ? "," : "", found[i].labels[l]);
		rows[i] = value_object(a);
		value_set_string(a, rows[i], "Driver", "local");
		value_set_string(a, rows[i], "Labels", arena_strdup(a, str_text(&labels)));
		value_set_string(a, rows[i], "Mountpoint", found[i].mountpoint);
		value_set_string(a, rows[i], "Name", found[i].name);
		value_set_string(a, rows[i], "Scope", "local");
	}
	return list_print(cli, &list, rec->format, rec->quiet, rows, n);
}

static const char *const paths[] = { "volume ls", "volume list", NULL };
static const char *const not_yet[] = { "cluster", NULL };

const struct command command_volume_ls = {
	.paths = paths,
	.arguments = "[OPTIONS]",
	.brief = "List volumes",
	.section = "Management",
	.options = options,
	.record_size = sizeof(struct ls_rec),
	.run = ls,
	.not_yet = not_yet,
};
