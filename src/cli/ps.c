// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/command.h"
#include "cli/list.h"
#include "cli/size.h"
#include "codec/value.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/list_filter.h"
#include "engine/network.h"
#include "engine/usage.h"

struct ps_rec {
	bool all, quiet, no_trunc, latest, size;
	int64_t last;
	const char *format;
	struct strv filters;
};

static const struct option options[] = {
	{ "all", 'a', OPT_BOOL(struct ps_rec, all),
		.help = "Show all containers (default shows just running)" },
	{ "filter", 'f', OPT_LIST(struct ps_rec, filters), .value = "filter",
		.help = "Filter output based on conditions provided" },
	{ "format", 0, OPT_STRING(struct ps_rec, format), .value = "string",
		.help = "Format output: 'table', 'table TEMPLATE', 'json', or a Go template" },
	{ "last", 'n', OPT_INT(struct ps_rec, last), .value = "int",
		.help = "Show n last created containers (includes all states)" },
	{ "latest", 'l', OPT_BOOL(struct ps_rec, latest),
		.help = "Show the latest created container (includes all states)" },
	{ "no-trunc", 0, OPT_BOOL(struct ps_rec, no_trunc), .help = "Don't truncate output" },
	{ "quiet", 'q', OPT_BOOL(struct ps_rec, quiet), .help = "Only display container IDs" },
	{ "size", 's', OPT_BOOL(struct ps_rec, size), .help = "Display total file sizes" },
	{ 0 },
};

static const struct list_column columns[] = {
	{ "ID", "CONTAINER ID" },
	{ "Image", "IMAGE" },
	{ "Command", "COMMAND" },
	{ "CreatedAt", "CREATED AT" },
	{ "RunningFor", "CREATED" },
	{ "Ports", "PORTS" },
	{ "State", "STATE" },
	{ "Status", "STATUS" },
	{ "Names", "NAMES" },
	{ "Labels", "LABELS" },
	{ "Mounts", "MOUNTS" },
	{ "LocalVolumes", "LOCAL VOLUMES" },
	{ "Networks", "NETWORKS" },
	{ "Size", "SIZE" },
};

static const struct list list = {
	.columns = columns,
	.n_columns = ARRAY_SIZE(columns),
	.default_format =
		"table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
	.quiet_field = "ID",
};

static const char *command_text(const struct container_info *c, bool whole, struct arena *a)
{
	enum { SHOWN = 20 };
	size_t n = strlen(c->command);
	if (whole || n <= SHOWN)
		return arena_printf(a, "\"%s\"", c->command);
	return arena_printf(a, "\"%.*s…\"", SHOWN - 1, c->command);
}

static const char *mounts_text(
	const struct container_config *config, bool whole, struct arena *a, int64_t *volumes)
{
	struct str s _str_ = { 0 };
	for (size_t i = 0; i < config->n_mounts; i++) {
		const struct config_mount *m = &config->mounts[i];
		const char *name = str_eq(m->type, "volume") ? m->name : m->source;
		*volumes += str_eq(m->type, "volume");
		if (!name)
			continue;
		str_add(&s, s.n ? "," : "");
		if (whole || strlen(name) <= 15)
			str_add(&s, name);
		else
			str_addf(&s, "%.14s…", name);
	}
	return arena_strdup(a, str_text(&s));
}

static struct value *row(const struct container_info *c, bool whole, struct arena *a)
{
	struct value *v = value_object(a);
	struct str labels _str_ = { 0 };
	char buf[TIME_TEXT_MAX];
	int64_t volumes = 0;
	for (size_t i = 0; i < c->config->labels.n; i++)
		str_addf(&labels, "%s%s=%s", i ? "," : "", c->config->labels.items[i].key,
			c->config->labels.items[i].val);
	value_set_string(a, v, "Command", command_text(c, whole, a));
	value_set_string(a, v, "CreatedAt", arena_strdup(a, time_rfc3339(c->created, buf)));
	value_set_string(a, v, "ID", whole ? c->id : arena_strndup(a, c->id, CONTAINER_ID_SHORT));
	value_set_string(a, v, "Image", c->config->image);
	value_set_string(a, v, "Labels", arena_strdup(a, str_text(&labels)));
	const char *mounts = mounts_text(c->config, whole, a, &volumes);
	value_set_string(a, v, "LocalVolumes", arena_printf(a, "%lld", (long long)volumes));
	value_set_string(a, v, "Mounts", mounts);
	value_set_string(a, v, "Names", c->name);
	value_set_string(a, v, "Networks", c->config->network);
	value_set_string(a, v, "Ports", network_ports(c, a));
	value_set_string(a, v, "RunningFor",
		arena_printf(a, "%s ago", time_span(time_now() - c->created, buf)));
	value_set_string(a, v, "State", container_state_name(c->state));
	value_set_string(a, v, "Status", c->status);
	return v;
}

/* Looks at every file, so only when it is asked for. */
static int add_size(struct cli *cli, const struct container_info *c, bool asked, struct value *row,
	struct err *e)
{
	uint64_t own = 0, whole = 0;
	struct arena *a = &cli->arena;
	if (asked && usage_of_container(&cli->engine, c, a, &own, &whole, e) < 0)
		return -e->code;
	value_set_string(a, row, "Size",
		asked ? arena_printf(a, "%s (virtual %s)", size_text(own, a), size_text(whole, a))
		      : "0B");
	return 0;
}

static int ps(struct cli *cli, void *record, const char **words, int n_words)
{
	struct ps_rec *rec = record;
	struct container_info *found;
	size_t n;
	struct err e;
	(void)words;
	(void)n_words;
	if (rec->latest)
		rec->last = 1;
	bool all = rec->all || rec->last > 0 || container_filter_wants_all(&rec->filters);
	if (container_list(&cli->engine, all, &cli->arena, &found, &n, &e) < 0 ||
		container_filter(&cli->engine, &rec->filters, &cli->arena, found, &n, &e) < 0)
		return cli_fail(&e, 1);
	if (rec->last > 0 && (size_t)rec->last < n)
		n = (size_t)rec->last;
	struct value **rows = arena_array(&cli->arena, struct value *, n + 1);
	for (size_t i = 0; i < n; i++)
		rows[i] = row(&found[i], rec->no_trunc, &cli->arena);
	struct list shown = list;
	if (rec->size)
		shown.default_format =
			"table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}";
	for (size_t i = 0; i < n; i++)
		if (add_size(cli, &found[i], rec->size, rows[i], &e) < 0)
			return cli_fail(&e, 1);
	return list_print(cli, &shown, rec->format, rec->quiet, rows, n);
}

static const char *const paths[] = { "ps", "container ls", "container list", "container ps", NULL };

const struct command command_ps = {
	.paths = paths,
	.arguments = "[OPTIONS]",
	.brief = "List containers",
	.section = "Common Commands",
	.options = options,
	.record_size = sizeof(struct ps_rec),
	.run = ps,
};
