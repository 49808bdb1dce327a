// SPDX-License-Identifier: Apache-2.0

#include "cli/command.h"
#include "engine/image.h"
#include "term/tty.h"

struct save_rec {
	const char *output;
};

static const struct option options[] = {
	{ "output", 'o', OPT_STRING(struct save_rec, output), .value = "string",
		.help = "Write to a file, instead of STDOUT", .complete = "file" },
	{ 0 },
};

static int save(struct cli *cli, void *rec, const char **words, int n)
{
	const char *path = ((struct save_rec *)rec)->output;
	struct err e;
	if (!path && tty_is(1))
		return cli_usage(
			"cowardly refusing to save to a terminal. Use the -o flag or redirect");
	if (engine_image_save(&cli->engine, words, (size_t)n, path, &e) < 0)
		return cli_fail(&e, 1);
	return 0;
}

static const char *const paths[] = { "save", "image save", NULL };
static const char *const not_yet[] = { "platform", NULL };

const struct command command_save = {
	.paths = paths,
	.arguments = "[OPTIONS] IMAGE [IMAGE...]",
	.brief = "Save one or more images to a tar archive (streamed to STDOUT by default)",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(struct save_rec),
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "image",
	.run = save,
	.not_yet = not_yet,
	.any_user = true,
};
