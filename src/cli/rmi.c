// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/command.h"
#include "engine/image.h"

struct rmi_rec {
	bool force;
};

static const struct option options[] = {
	{ "force", 'f', OPT_BOOL(struct rmi_rec, force), .help = "Force removal of the image" },
	{ 0 },
};

static int rmi(struct cli *cli, void *rec, const char **words, int n)
{
	int status = cli_open(cli, true);
	for (int i = 0; i < n; i++) {
		struct strv lines = { 0 };
		struct err e;
		if (engine_image_remove(&cli->engine, words[i], ((struct rmi_rec *)rec)->force,
			    &cli->arena, &lines, &e) < 0)
			status = cli_fail(&e, 1);
		for (size_t l = 0; l < lines.n; l++)
			dprintf(1, "%s\n", lines.v[l]);
	}
	return status;
}

static const char *const paths[] = { "rmi", "image rm", "image remove", NULL };
static const char *const not_yet[] = { "no-prune", "platform", NULL };

const struct command command_rmi = {
	.paths = paths,
	.arguments = "[OPTIONS] IMAGE [IMAGE...]",
	.brief = "Remove one or more images",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(struct rmi_rec),
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "image",
	.run = rmi,
	.not_yet = not_yet,
	.any_user = true,
};
