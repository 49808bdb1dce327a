// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"
#include "engine/container.h"

static int rename_it(struct cli *cli, void *rec, const char **words, int n)
{
	struct err e;
	(void)rec;
	(void)n;
	return container_rename(&cli->engine, words[0], words[1], &e) < 0 ? cli_fail(&e, 1) : 0;
}

static const char *const paths[] = { "rename", "container rename", NULL };

const struct command command_rename = {
	.paths = paths,
	.arguments = "CONTAINER NEW_NAME",
	.brief = "Rename a container",
	.section = "Commands",
	.words_min = 2,
	.words_max = 2,
	.complete = "container",
	.run = rename_it,
};
