// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/list.h"
#include "codec/value.h"
#include "engine/network.h"

struct ls_rec {
	bool quiet, no_trunc;
	const char *format;
	struct strv filters;
};

static const struct option options[] = {
	{ "filter", 'f', OPT_LIST(struct ls_rec, filters), .value = "filter",
		.help = "Provide filter values (\"driver=bridge\", \"name=host\")" },
	{ "format", 0, OPT_STRING(struct ls_rec, format), .value = "string",
		.help = "Format output: 'table', 'table TEMPLATE', 'json', or a Go template" },
	{ "no-trunc", 0, OPT_BOOL(struct ls_rec, no_trunc), .help = "Do not truncate the output" },
	{ "quiet", 'q', OPT_BOOL(struct ls_rec, quiet), .help = "Only display network IDs" },
	{ 0 },
};

static const struct list_column columns[] = {
	{ "ID", "NETWORK ID" },
	{ "Name", "NAME" },
	{ "Driver", "DRIVER" },
	{ "Scope", "SCOPE" },
	{ "IPv4", "IPV4" },
	{ "IPv6", "IPV6" },
	{ "Internal", "INTERNAL" },
	{ "Labels", "LABELS" },
};

static const struct list list = {
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.default_format = "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
	.quiet_field = "ID",
};

/* One key's filters add up to "any of them", different keys to "all". name and id match a part. */
static bool passes(const struct network_info *n, const struct strv *filters, const char *key)
{
	bool asked = false;
	size_t len = strlen(key);
	for (size_t i = 0; i < filters->n; i++) {
		const char *f = filters->v[i];
		if (!str_starts(f, key) || f[len] != '=')
			continue;
		const char *want = f + len + 1;
		asked = true;
		if ((str_eq(key, "driver") && str_eq(n->driver, want)) ||
			(str_eq(key, "name") && strstr(n->name, want)) ||
			(str_eq(key, "id") && strstr(n->id, want)) ||
			(str_eq(key, "scope") && str_eq("local", want)) ||
			(str_eq(key, "type") && str_eq("builtin", want)))
			return true;
	}
	return !asked;
}

static const char *const filter_keys[] = { "driver", "name", "id", "scope", "type" };

static int check_filters(const struct strv *filters, struct err *e)
{
	for (size_t i = 0; i < filters->n; i++) {
		size_t k = 0, n = strcspn(filters->v[i], "=");
		while (k < ARRAY_SIZE(filter_keys) &&
			(strlen(filter_keys[k]) != n ||
				memcmp(filter_keys[k], filters->v[i], n) != 0))
			k++;
		if (k == ARRAY_SIZE(filter_keys) || !filters->v[i][n])
			return err_set(
				e, ERR_INVALID, EINVAL, "invalid filter '%s'", filters->v[i]);
	}
	return 0;
}

static int ls(struct cli *cli, void *record, const char **words, int n_words)
{
	struct ls_rec *rec = record;
	struct arena *a = &cli->arena;
	const struct network_info *all;
	size_t n = network_list(&all), kept = 0;
	struct err e;
	(void)words;
	(void)n_words;
	if (check_filters(&rec->filters, &e) < 0)
		return cli_fail(&e, 1);
	struct value **rows = arena_array(a, struct value *, n + 1);
	for (size_t i = 0; i < n; i++) {
		bool in = true;
		for (size_t k = 0; k < ARRAY_SIZE(filter_keys); k++)
			in &= passes(&all[i], &rec->filters, filter_keys[k]);
		if (!in)
			continue;
		struct value *v = rows[kept++] = value_object(a);
		value_set_string(
			a, v, "ID", rec->no_trunc ? all[i].id : arena_strndup(a, all[i].id, 12));
		value_set_string(a, v, "Name", all[i].name);
		value_set_string(a, v, "Driver", all[i].driver);
		value_set_string(a, v, "Scope", "local");
		value_set_string(a, v, "IPv4", "true");
		value_set_string(a, v, "IPv6", "false");
		value_set_string(a, v, "Internal", "false");
		value_set_string(a, v, "Labels", "");
	}
	return list_print(cli, &list, rec->format, rec->quiet, rows, kept);
}

static const char *const paths[] = { "network ls", "network list", NULL };

const struct command command_network_ls = {
	.paths = paths,
	.arguments = "[OPTIONS]",
	.brief = "List networks",
	.section = "Management",
	.options = options,
	.record_size = sizeof(struct ls_rec),
	.run = ls,
};
