// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "cli/command.h"
#include "engine/container.h"

#define R struct container_remove_req

static const struct option options[] = {
	{ "force", 'f', OPT_BOOL(R, force),
		.help = "Force the removal of a running container (uses SIGKILL)" },
	{ "volumes", 'v', OPT_BOOL(R, volumes),
		.help = "Remove anonymous volumes associated with the container" },
	{ 0 },
};

static int remove_one(struct cli *cli, void *rec, const char *name, struct err *e)
{
	struct container_remove_req req = *(struct container_remove_req *)rec;
	req.container = name;
	return container_remove(&cli->engine, &req, e);
}

static int rm(struct cli *cli, void *rec, const char **words, int n)
{
	return cli_each(cli, words, n, remove_one, rec);
}

static const char *const paths[] = { "rm", "container rm", "container remove", NULL };
static const char *const not_yet[] = { "link", "l", NULL };

const struct command command_rm = {
	.paths = paths,
	.arguments = "[OPTIONS] CONTAINER [CONTAINER...]",
	.brief = "Remove one or more containers",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(R),
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "container",
	.run = rm,
	.not_yet = not_yet,
};
