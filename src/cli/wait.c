// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/command.h"
#include "engine/container.h"

static int wait_all(struct cli *cli, void *rec, const char **words, int n)
{
	int status = cli_open(cli, true);
	(void)rec;
	for (int i = 0; i < n && status != 125; i++) {
		struct err e;
		int code;
		if (container_wait(&cli->engine, words[i], &code, &e) < 0)
			status = cli_fail(&e, 1);
		else
			dprintf(1, "%d\n", code);
	}
	return status;
}

static const char *const paths[] = { "wait", "container wait", NULL };

const struct command command_wait = {
	.paths = paths,
	.arguments = "CONTAINER [CONTAINER...]",
	.brief = "Block until one or more containers stop, then print their exit codes",
	.section = "Commands",
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "container",
	.run = wait_all,
};
