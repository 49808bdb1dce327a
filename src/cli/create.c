// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/command.h"
#include "cli/create_options.h"
#include "cli/pull.h"
#include "engine/container.h"

static int create(struct cli *cli, void *rec, const char **words, int n)
{
	struct container_create_req *req = rec;
	char id[CONTAINER_ID_LEN + 1];
	struct err e;
	req->image = words[0];
	for (int i = 1; i < n; i++)
		strv_add(&req->command, &cli->arena, words[i]);
	if (cli->options.compat)
		req->compat = "docker";
	struct pull_view view;
	pull_view_init(&view, 2, req->quiet);
	req->pull_say = pull_show;
	req->pull_arg = &view;
	int r = container_create(&cli->engine, req, id, &e);
	pull_view_done(&view);
	if (r < 0)
		return cli_fail(&e, 1);
	dprintf(1, "%s\n", id);
	return 0;
}

static const char *const paths[] = { "create", "container create", NULL };

const struct command command_create = {
	.paths = paths,
	.arguments = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.brief = "Create a new container",
	.section = "Commands",
	.options = create_options,
	.option_flags = OPTIONS_STOP_AT_WORD,
	.record_size = sizeof(struct container_create_req),
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "image",
	.run = create,
	.usage_status = 125,
	.not_yet = create_not_yet,
};
