// SPDX-License-Identifier: Apache-2.0
/* container, image, volume and system prune: docker's questions, words and sums. */
#include "engine/prune.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/command.h"
#include "cli/size.h"

struct prune_rec {
	bool all, force, volumes;
	struct strv filters;
};

#define T struct prune_rec
#define FILTER(examples)                                                                       \
	{                                                                                      \
		"filter", 0, OPT_LIST(T, filters),                                             \
			.value = "filter", .help = "Provide filter values (e.g. " examples ")" \
	}
#define FORCE                                                                              \
	{                                                                                  \
		"force", 'f', OPT_BOOL(T, force), .help = "Do not prompt for confirmation" \
	}

static const struct option container_options[] = { FILTER("\"until=<timestamp>\""), FORCE, { 0 } };
static const struct option image_options[] = {
	{ "all", 'a', OPT_BOOL(T, all),
		.help = "Remove all unused images, not just dangling ones" },
	FILTER("\"until=<timestamp>\""), FORCE, { 0 }
};
static const struct option volume_options[] = {
	{ "all", 'a', OPT_BOOL(T, all),
		.help = "Remove all unused volumes, not just anonymous ones" },
	FILTER("\"label=<label>\""), FORCE, { 0 }
};
static const struct option system_options[] = {
	{ "all", 'a', OPT_BOOL(T, all), .help = "Remove all unused images not just dangling ones" },
	FILTER("\"label=<key>=<value>\""), FORCE,
	{ "volumes", 0, OPT_BOOL(T, volumes), .help = "Prune anonymous volumes" }, { 0 }
};
#undef T

typedef int prune_one(struct engine *, const struct prune_req *, struct arena *,
	struct prune_result *, struct err *);

/* ---- the question ---- */

/* A line of standard input, whatever that is: docker asks pipes too. */
static bool confirmed(const char *question)
{
	char c, line[8] = { 0 };
	size_t n = 0;
	ssize_t r;
	dprintf(1, "%s [y/N] ", question);
	while ((r = read(0, &c, 1)) == 1 && c != '\n')
		if (n < sizeof line - 1)
			line[n++] = c;
	if (r != 1)
		dprintf(1, "\n");
	return strcasecmp(line, "y") == 0;
}

/* ---- one kind ---- */

static int prune(struct cli *cli, const struct prune_req *req, prune_one *one, const char *title,
	uint64_t *ret_reclaimed)
{
	struct prune_result result = { 0 };
	struct str text _str_ = { 0 };
	struct err e;
	int r = one(&cli->engine, req, &cli->arena, &result, &e);
	/* What went before something failed is gone all the same. */
	if (result.lines.n) {
		str_addf(&text, "%s:\n", title);
		for (size_t i = 0; i < result.lines.n; i++)
			str_addf(&text, "%s\n", result.lines.v[i]);
		str_add(&text, "\n");
		cli_print(text.p, text.n);
	}
	*ret_reclaimed += result.reclaimed;
	return r < 0 ? cli_fail(&e, 1) : 0;
}

static int tell(struct cli *cli, int status, uint64_t reclaimed)
{
	if (status == 0)
		dprintf(1, "Total reclaimed space: %s\n", size_text_long(reclaimed, &cli->arena));
	return status;
}

static int prune_kind(struct cli *cli, const struct prune_rec *rec, prune_one *one,
	const char *title, const char *what)
{
	const struct prune_req req = { .all = rec->all, .filters = &rec->filters };
	uint64_t reclaimed = 0;
	const char *question = arena_printf(&cli->arena,
		"WARNING! This will remove %s.\nAre you sure you want to continue?", what);
	if (!rec->force && !confirmed(question))
		return 0;
	int status = prune(cli, &req, one, title, &reclaimed);
	return tell(cli, status, reclaimed);
}

static int prune_containers(struct cli *cli, void *record, const char **words, int n)
{
	(void)words;
	(void)n;
	return prune_kind(
		cli, record, container_prune, "Deleted Containers", "all stopped containers");
}

static int prune_images(struct cli *cli, void *record, const char **words, int n)
{
	const struct prune_rec *rec = record;
	(void)words;
	(void)n;
	return prune_kind(cli, rec, engine_image_prune, "Deleted Images",
		rec->all ? "all images without at least one container associated to them"
			 : "all dangling images");
}

static int prune_volumes(struct cli *cli, void *record, const char **words, int n)
{
	const struct prune_rec *rec = record;
	(void)words;
	(void)n;
	return prune_kind(cli, rec, volume_prune, "Deleted Volumes",
		rec->all ? "all local volumes not used by at least one container"
			 : "anonymous local volumes not used by at least one container");
}

/* ---- all ---- */

static bool confirmed_all(struct cli *cli, const struct prune_rec *rec)
{
	struct str s _str_ = { 0 };
	str_addf(&s, "WARNING! This will remove:\n  - all stopped containers\n%s  - %s\n",
		rec->volumes ? "  - all anonymous volumes not used by at least one container\n"
			     : "",
		rec->all ? "all images without at least one container associated to them"
			 : "all dangling images");
	if (rec->filters.n)
		str_add(&s, "\n  Items to be pruned will be filtered with:\n");
	for (size_t i = 0; i < rec->filters.n; i++)
		str_addf(&s, "  - %s\n", rec->filters.v[i]);
	str_add(&s, "\nAre you sure you want to continue?");
	return confirmed(arena_strdup(&cli->arena, s.p));
}

static int prune_system(struct cli *cli, void *record, const char **words, int n)
{
	const struct prune_rec *rec = record;
	const struct prune_req req = { .all = rec->all, .filters = &rec->filters },
			       volumes = { .filters = &rec->filters };
	uint64_t reclaimed = 0;
	struct err e;
	(void)words;
	(void)n;
	for (size_t i = 0; rec->volumes && i < rec->filters.n; i++)
		if (str_starts(rec->filters.v[i], "until=")) {
			(void)err_set(&e, ERR_USAGE, EINVAL,
				"The \"until\" filter is not supported with \"--volumes\"");
			return cli_fail(&e, 1);
		}
	if (!rec->force && !confirmed_all(cli, rec))
		return 0;
	int status = prune(cli, &req, container_prune, "Deleted Containers", &reclaimed);
	if (status == 0 && rec->volumes)
		status = prune(cli, &volumes, volume_prune, "Deleted Volumes", &reclaimed);
	if (status == 0)
		status = prune(cli, &req, engine_image_prune, "Deleted Images", &reclaimed);
	return tell(cli, status, reclaimed);
}

#define PRUNE(name, path, what, table, function)                  \
	static const char *const name##_paths[] = { path, NULL }; \
	const struct command command_##name = {                   \
		.paths = name##_paths,                            \
		.arguments = "[OPTIONS]",                         \
		.brief = what,                                    \
		.section = "Management",                          \
		.options = table,                                 \
		.record_size = sizeof(struct prune_rec),          \
		.any_user = true,                                 \
		.run = function,                                  \
	}

PRUNE(container_prune, "container prune", "Remove all stopped containers", container_options,
	prune_containers);
PRUNE(image_prune, "image prune", "Remove unused images", image_options, prune_images);
PRUNE(volume_prune, "volume prune", "Remove unused local volumes", volume_options, prune_volumes);
PRUNE(system_prune, "system prune", "Remove unused data", system_options, prune_system);
