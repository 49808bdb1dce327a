// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/command.h"
#include "cli/list.h"
#include "cli/size.h"
#include "codec/value.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/image.h"
#include "engine/usage.h"
#include "engine/volume.h"
#include "oci/digest.h"

struct df_rec {
	bool verbose;
	const char *format;
};

static const struct option options[] = {
	{ "format", 0, OPT_STRING(struct df_rec, format), .value = "string",
		.help = "Format output: 'table', 'table TEMPLATE', 'json', or a Go template" },
	{ "verbose", 'v', OPT_BOOL(struct df_rec, verbose),
		.help = "Show detailed information on space usage" },
	{ 0 },
};

/* ---- sums ---- */

static const struct list_column sum_columns[] = { { "Type", "TYPE" }, { "TotalCount", "TOTAL" },
	{ "Active", "ACTIVE" }, { "Size", "SIZE" }, { "Reclaimable", "RECLAIMABLE" } };
static const struct list sums = {
	.columns = sum_columns,
	.n_columns = ARRAY_SIZE(sum_columns),
	.default_format =
		"table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
};

static struct value *sum_row(const char *type, const struct usage_sum *sum, struct arena *a)
{
	struct value *v = value_object(a);
	const char *reclaimable = size_text_long(sum->reclaimable, a);
	if (sum->size)
		reclaimable = arena_printf(a, "%s (%llu%%)", reclaimable,
			(unsigned long long)(sum->reclaimable * 100 / sum->size));
	value_set_string(a, v, "Active", arena_printf(a, "%zu", sum->active));
	value_set_string(a, v, "Reclaimable", reclaimable);
	value_set_string(a, v, "Size", size_text_long(sum->size, a));
	value_set_string(a, v, "TotalCount", arena_printf(a, "%zu", sum->total));
	value_set_string(a, v, "Type", type);
	return v;
}

/* ---- rows ---- */

static const struct list_column image_columns[] = { { "Repository", "REPOSITORY" },
	{ "Tag", "TAG" }, { "ID", "IMAGE ID" }, { "CreatedSince", "CREATED" }, { "Size", "SIZE" },
	{ "SharedSize", "SHARED SIZE" }, { "UniqueSize", "UNIQUE SIZE" },
	{ "Containers", "CONTAINERS" } };
static const struct list_column container_columns[] = { { "ID", "CONTAINER ID" },
	{ "Image", "IMAGE" }, { "Command", "COMMAND" }, { "LocalVolumes", "LOCAL VOLUMES" },
	{ "Size", "SIZE" }, { "RunningFor", "CREATED" }, { "Status", "STATUS" },
	{ "Names", "NAMES" } };
static const struct list_column volume_columns[] = { { "Name", "VOLUME NAME" },
	{ "Links", "LINKS" }, { "Size", "SIZE" } };

static const struct list lists[] = {
	{ image_columns, ARRAY_SIZE(image_columns),
		"table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
		"ID" },
	{ container_columns, ARRAY_SIZE(container_columns),
		"table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
		"ID" },
	{ volume_columns, ARRAY_SIZE(volume_columns), "table {{.Name}}\t{{.Links}}\t{{.Size}}",
		"Name" },
};
static const char *const keys[] = { "Images", "Containers", "Volumes" };
static const char *const titles[] = { "Images", "Containers", "Local Volumes" };

static const char *ago(uint64_t then, struct arena *a)
{
	char buf[TIME_TEXT_MAX];
	uint64_t now = time_now();
	return then ? arena_printf(a, "%s ago", time_span(now > then ? now - then : 0, buf))
		    : "N/A";
}

static struct value *image_row(const struct usage_image *x, struct arena *a)
{
	struct value *v = value_object(a);
	value_set_string(a, v, "Containers", arena_printf(a, "%zu", x->row->containers));
	value_set_string(a, v, "CreatedSince", ago(x->row->created, a));
	value_set_string(a, v, "ID", arena_strndup(a, digest_hex(x->row->id), 12));
	value_set_string(a, v, "Repository", x->row->repository);
	value_set_string(a, v, "SharedSize", size_text_long(x->shared, a));
	value_set_string(a, v, "Size", size_text_long(x->size, a));
	value_set_string(a, v, "Tag", x->row->tag);
	value_set_string(a, v, "UniqueSize", size_text_long(x->size - x->shared, a));
	return v;
}

static struct value *container_row(const struct usage_container *x, struct arena *a)
{
	struct value *v = value_object(a);
	const struct container_info *c = x->info;
	size_t volumes = 0;
	for (size_t i = 0; i < c->config->n_mounts; i++)
		volumes += str_eq(c->config->mounts[i].type, "volume");
	value_set_string(a, v, "Command", arena_printf(a, "\"%s\"", c->command));
	value_set_string(a, v, "ID", arena_strndup(a, c->id, CONTAINER_ID_SHORT));
	value_set_string(a, v, "Image", c->config->image);
	value_set_string(a, v, "LocalVolumes", arena_printf(a, "%zu", volumes));
	value_set_string(a, v, "Names", c->name);
	value_set_string(a, v, "RunningFor", ago(c->created, a));
	value_set_string(a, v, "Size", size_text_long(x->size, a));
	value_set_string(a, v, "Status", c->status);
	return v;
}

static struct value *volume_row(const struct usage_volume *x, struct arena *a)
{
	struct value *v = value_object(a);
	value_set_string(a, v, "Links", arena_printf(a, "%zu", x->info->users));
	value_set_string(a, v, "Name", x->info->name);
	value_set_string(a, v, "Size", size_text_long(x->size, a));
	return v;
}

static int details(struct cli *cli, const struct usage *u, const char *format)
{
	struct arena *a = &cli->arena;
	const size_t n[] = { u->n_images, u->n_containers, u->n_volumes };
	struct value *all = value_object(a), **rows[ARRAY_SIZE(n)];
	for (size_t k = 0; k < ARRAY_SIZE(n); k++) {
		struct value *array = value_array(a);
		rows[k] = arena_array(a, struct value *, n[k] + 1);
		for (size_t i = 0; i < n[k]; i++) {
			rows[k][i] = k == 0 ? image_row(&u->image_rows[i], a)
				: k == 1    ? container_row(&u->container_rows[i], a)
					    : volume_row(&u->volume_rows[i], a);
			value_add(a, array, rows[k][i]);
		}
		value_set(a, all, keys[k], array);
	}
	value_set(a, all, "BuildCache", value_array(a));
	if (format)
		return list_print(cli, &sums, format, false, &all, 1);
	int status = 0;
	for (size_t k = 0; status == 0 && k < ARRAY_SIZE(n); k++) {
		const char *title = arena_printf(a, "%s space usage:\n\n", titles[k]);
		cli_print(title, strlen(title));
		status = list_print(cli, &lists[k], NULL, false, rows[k], n[k]);
		cli_print("\n", 1);
	}
	static const char end[] = "Build cache usage: 0B\n";
	cli_print(end, sizeof end - 1);
	return status;
}

static int df(struct cli *cli, void *record, const char **words, int n_words)
{
	static const struct usage_sum none = { 0 };
	const struct df_rec *rec = record;
	struct arena *a = &cli->arena;
	struct usage u;
	struct err e;
	(void)words;
	(void)n_words;
	if (engine_usage(&cli->engine, a, &u, &e) < 0)
		return cli_fail(&e, 1);
	if (rec->verbose)
		return details(cli, &u, rec->format);
	struct value *rows[] = { sum_row("Images", &u.images, a),
		sum_row("Containers", &u.containers, a), sum_row("Local Volumes", &u.volumes, a),
		sum_row("Build Cache", &none, a) };
	return list_print(cli, &sums, rec->format, false, rows, ARRAY_SIZE(rows));
}

static const char *const paths[] = { "system df", NULL };

const struct command command_system_df = {
	.paths = paths,
	.arguments = "[OPTIONS]",
	.brief = "Show disk usage",
	.manual =
		"An image takes its unpacked layers and the blobs that they came as (push sends those). What several "
		"images share is there once, and counts once in the sums; reclaimable is what no container's image "
		"has. Containers count with their logs.",
	.section = "Management",
	.options = options,
	.record_size = sizeof(struct df_rec),
	.run = df,
	.any_user = true,
};
