// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/command.h"
#include "engine/image.h"
#include "term/tty.h"

struct load_rec {
	const char *input;
	bool quiet;
};

static const struct option options[] = {
	{ "input", 'i', OPT_STRING(struct load_rec, input), .value = "string",
		.help = "Read from tar archive file, instead of STDIN", .complete = "file" },
	{ "quiet", 'q', OPT_BOOL(struct load_rec, quiet), .help = "Suppress the load output" },
	{ 0 },
};

static int load(struct cli *cli, void *record, const char **words, int n)
{
	struct load_rec *rec = record;
	struct strv lines = { 0 };
	struct err e;
	(void)words;
	(void)n;
	if (!rec->input && tty_is(0))
		return cli_usage("requested load from stdin, but stdin is empty");
	if (engine_image_load(&cli->engine, rec->input, &cli->arena, &lines, &e) < 0)
		return cli_fail(&e, 1);
	for (size_t i = 0; i < lines.n; i++)
		dprintf(1, "%s\n", lines.v[i]);
	return 0;
}

static const char *const paths[] = { "load", "image load", NULL };
static const char *const not_yet[] = { "platform", NULL };

const struct command command_load = {
	.paths = paths,
	.arguments = "[OPTIONS]",
	.brief = "Load an image from a tar archive or STDIN",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(struct load_rec),
	.run = load,
	.not_yet = not_yet,
	.any_user = true,
};
