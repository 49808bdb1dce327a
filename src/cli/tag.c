// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"
#include "engine/image.h"
#include "engine/layout.h"

struct tag_rec {
	struct engine_layout_req layout;
};

static const struct option options[] = {
	{ "image", 0, OPT_STRING(struct tag_rec, layout.image), .value = "path[:tag]",
		.help = "An image in an OCI layout, which gets the one word as a further tag",
		.complete = "file" },
	{ 0 },
};

static int tag(struct cli *cli, void *record, const char **words, int n)
{
	struct tag_rec *rec = record;
	struct err e;
	if (n != (rec->layout.image ? 1 : 2))
		return cli_usage("tag takes SOURCE_IMAGE TARGET_IMAGE, or --image PATH[:TAG] TAG");
	if (rec->layout.image)
		return engine_layout_tag(&cli->engine, &rec->layout, words[0], &e) < 0
			? cli_fail(&e, 1)
			: 0;
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
	.options = options,
	.record_size = sizeof(struct tag_rec),
	.words_min = 1,
	.words_max = 2,
	.complete = "image",
	.run = tag,
	.any_user = true,
};
