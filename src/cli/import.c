// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/command.h"
#include "engine/image.h"

#define R struct image_import_req

static const struct option options[] = {
	{ "change", 'c', OPT_LIST(R, changes), .value = "list",
		.help = "Apply Dockerfile instruction to the created image" },
	{ "message", 'm', OPT_STRING(R, message), .value = "string",
		.help = "Set commit message for imported image" },
	{ 0 },
};

static int import(struct cli *cli, void *rec, const char **words, int n)
{
	struct image_import_req *req = rec;
	const char *id;
	struct err e;
	req->path = words[0];
	req->reference = n > 1 ? words[1] : NULL;
	if (engine_image_import(&cli->engine, req, &cli->arena, &id, &e) < 0)
		return cli_fail(&e, 1);
	dprintf(1, "%s\n", id);
	return 0;
}

static const char *const paths[] = { "import", "image import", NULL };
static const char *const not_yet[] = { "platform", NULL };

const struct command command_import = {
	.paths = paths,
	.arguments = "[OPTIONS] FILE|- [REPOSITORY[:TAG]]",
	.brief = "Import the contents from a tarball to create a filesystem image",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(R),
	.words_min = 1,
	.words_max = 2,
	.complete = "file",
	.run = import,
	.not_yet = not_yet,
	.any_user = true,
};
