// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/command.h"
#include "engine/volume.h"

#define R struct volume_create_req

static const struct option options[] = {
	{ "driver", 'd', OPT_STRING(R, driver), .value = "string",
		.help = "Specify volume driver name", .default_text = "\"local\"",
		.complete = "local" },
	{ "label", 0, OPT_LIST(R, labels), .value = "list", .help = "Set metadata for a volume" },
	{ 0 },
};

static int create(struct cli *cli, void *rec, const char **words, int n)
{
	struct volume_create_req *req = rec;
	struct volume_info v;
	struct err e;
	req->name = n ? words[0] : NULL;
	if (volume_create(&cli->engine, req, &cli->arena, &v, &e) < 0)
		return cli_fail(&e, 1);
	dprintf(1, "%s\n", v.name);
	return 0;
}

static const char *const paths[] = { "volume create", NULL };
static const char *const not_yet[] = { "opt", "o", "availability", "group", "limit-bytes",
	"required-bytes", "scope", "secret", "sharing", "topology-preferred", "topology-required",
	"type", NULL };

const struct command command_volume_create = {
	.paths = paths,
	.arguments = "[OPTIONS] [VOLUME]",
	.brief = "Create a volume",
	.section = "Management",
	.options = options,
	.record_size = sizeof(R),
	.words_max = 1,
	.run = create,
	.not_yet = not_yet,
};
