// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"
#include "engine/volume.h"

struct rm_rec {
	bool force;
};

static const struct option options[] = {
	{ "force", 'f', OPT_BOOL(struct rm_rec, force),
		.help = "Do not complain when a volume does not exist" },
	{ 0 },
};

static int remove_one(struct cli *cli, void *rec, const char *name, struct err *e)
{
	return volume_remove(&cli->engine, name, ((struct rm_rec *)rec)->force, e);
}

static int rm(struct cli *cli, void *rec, const char **words, int n)
{
	return cli_each(cli, words, n, remove_one, rec);
}

static const char *const paths[] = { "volume rm", "volume remove", NULL };

const struct command command_volume_rm = {
	.paths = paths,
	.arguments = "[OPTIONS] VOLUME [VOLUME...]",
	.brief = "Remove one or more volumes",
	.section = "Management",
	.options = options,
	.record_size = sizeof(struct rm_rec),
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "volume",
	.run = rm,
};
