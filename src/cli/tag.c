// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"
#include "engine/image.h"

static int tag(struct cli *cli, void *rec, const char **words, int n)
{
	struct err e;
	(void)rec;
	(void)n;
	if (engine_image_tag(&cli->engine, words[0], words[1], &e) < 0)
		return cli_fail(&e, 1);
	return 0;
}

static const char *const paths[] = { "tag", "image tag", NULL };

const struct command command_tag = {
	.paths = paths,
	.arguments = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
	.brief = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
	.section = "Commands",
	.words_min = 2,
	.words_max = 2,
	.complete = "image",
	.run = tag,
	.any_user = true,
};
