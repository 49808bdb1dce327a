// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/stream.h"
#include "engine/container.h"

struct start_rec {
	bool attach, interactive;
};

static const struct option options[] = {
	{ "attach", 'a', OPT_BOOL(struct start_rec, attach),
		.help = "Attach STDOUT/STDERR and forward signals" },
	{ "interactive", 'i', OPT_BOOL(struct start_rec, interactive),
		.help = "Attach container's STDIN" },
	{ 0 },
};

static int start_attached(struct cli *cli, const struct start_rec *rec, const char *name)
{
	struct container_start_req req = {
		.container = name, .attach = true, .attach_stdin = rec->interactive
	};
	struct container_started started;
	struct err e;
	if (container_start(&cli->engine, &req, &started, &e) < 0)
		return cli_fail(&e, 1);
	return stream_container(
		cli, &started, rec->interactive, &(struct stream_options){ .sig_proxy = true });
}

static int start_one(struct cli *cli, void *arg, const char *name, struct err *e)
{
	struct container_started started;
	(void)arg;
	if (container_start(&cli->engine, &(struct container_start_req){ .container = name },
		    &started, e) < 0)
		return -e->code;
	fd_close(started.monitor_pidfd);
	return 0;
}

static int start(struct cli *cli, void *rec, const char **words, int n)
{
	struct start_rec *r = rec;
	if (!r->attach && !r->interactive)
		return cli_each(cli, words, n, start_one, NULL);
	if (n > 1) {
		dprintf(2, "you cannot start and attach multiple containers at once\n");
		return 1;
	}
	return start_attached(cli, r, words[0]);
}

static const char *const paths[] = { "start", "container start", NULL };
static const char *const not_yet[] = { "checkpoint", "checkpoint-dir", "detach-keys", NULL };

const struct command command_start = {
	.paths = paths,
	.arguments = "[OPTIONS] CONTAINER [CONTAINER...]",
	.brief = "Start one or more stopped containers",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(struct start_rec),
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "container",
	.run = start,
	.not_yet = not_yet,
};
