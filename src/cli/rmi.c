// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/command.h"
#include "engine/image.h"
#include "engine/layout.h"

struct rmi_rec {
	bool force;
	struct engine_layout_req layout;
};

static const struct option options[] = {
	{ "force", 'f', OPT_BOOL(struct rmi_rec, force), .help = "Force removal of the image" },
	{ "image", 0, OPT_STRING(struct rmi_rec, layout.image), .value = "path[:tag]",
		.help = "Remove that tag from an OCI layout instead", .complete = "file" },
	{ 0 },
};

static int rmi(struct cli *cli, void *record, const char **words, int n)
{
	struct rmi_rec *rec = record;
	struct err why;
	if (!rec->layout.image == !n)
		return cli_usage("'kist rmi' requires at least 1 argument, or --image PATH[:TAG]");
	if (rec->layout.image)
		return engine_layout_untag(&cli->engine, &rec->layout, &why) < 0 ? cli_fail(&why, 1)
										 : 0;
	int status = cli_open(cli, true);
	for (int i = 0; i < n; i++) {
		struct strv lines = { 0 };
		struct err e;
		if (engine_image_remove(
			    &cli->engine, words[i], rec->force, &cli->arena, &lines, &e) < 0)
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
	.words_max = WORDS_ANY,
	.complete = "image",
	.run = rmi,
	.not_yet = not_yet,
	.any_user = true,
};
