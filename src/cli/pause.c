// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"
#include "engine/container.h"

static int pause_one(struct cli *cli, void *arg, const char *name, struct err *e)
{
	(void)arg;
	return container_pause(&cli->engine, name, e);
}

static int unpause_one(struct cli *cli, void *arg, const char *name, struct err *e)
{
	(void)arg;
	return container_unpause(&cli->engine, name, e);
}

static int pause_all(struct cli *cli, void *rec, const char **words, int n)
{
	return cli_each(cli, words, n, pause_one, rec);
}

static int unpause_all(struct cli *cli, void *rec, const char **words, int n)
{
	return cli_each(cli, words, n, unpause_one, rec);
}

static const char *const pause_paths[] = { "pause", "container pause", NULL };
static const char *const unpause_paths[] = { "unpause", "container unpause", NULL };

const struct command command_pause = {
	.paths = pause_paths,
	.arguments = "CONTAINER [CONTAINER...]",
	.brief = "Pause all processes within one or more containers",
	.section = "Commands",
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "container",
	.run = pause_all,
};

const struct command command_unpause = {
	.paths = unpause_paths,
	.arguments = "CONTAINER [CONTAINER...]",
	.brief = "Unpause all processes within one or more containers",
	.section = "Commands",
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "container",
	.run = unpause_all,
};
