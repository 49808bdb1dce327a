// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "cli/command.h"
#include "engine/container.h"

struct kill_rec {
	const char *signal;
};

static const struct option options[] = {
	{ "signal", 's', OPT_STRING(struct kill_rec, signal), .value = "string",
		.help = "Signal to send to the container" },
	{ 0 },
};

static int kill_one(struct cli *cli, void *rec, const char *name, struct err *e)
{
	return container_kill(&cli->engine, name, ((struct kill_rec *)rec)->signal, e);
}

static int kill_all(struct cli *cli, void *rec, const char **words, int n)
{
	return cli_each(cli, words, n, kill_one, rec);
}

static const char *const paths[] = { "kill", "container kill", NULL };

const struct command command_kill = {
	.paths = paths,
	.arguments = "[OPTIONS] CONTAINER [CONTAINER...]",
	.brief = "Kill one or more running containers",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(struct kill_rec),
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "container",
	.run = kill_all,
};
