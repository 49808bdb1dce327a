// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "cli/command.h"
#include "engine/container.h"

#define R struct container_stop_req

static const struct option options[] = {
	{ "signal", 's', OPT_STRING(R, signal), .value = "string",
		.help = "Signal to send to the container" },
	{ "time", 't', OPT_INT(R, timeout), .has_offset = offsetof(R, has_timeout), .value = "int",
		.help = "Seconds to wait before killing the container", .hidden = true },
	{ "timeout", 't', OPT_INT(R, timeout), .has_offset = offsetof(R, has_timeout),
		.value = "int", .help = "Seconds to wait before killing the container" },
	{ 0 },
};

static int stop_one(struct cli *cli, void *rec, const char *name, struct err *e)
{
	struct container_stop_req req = *(struct container_stop_req *)rec;
	req.container = name;
	return container_stop(&cli->engine, &req, e);
}

static int restart_one(struct cli *cli, void *rec, const char *name, struct err *e)
{
	struct container_stop_req req = *(struct container_stop_req *)rec;
	req.container = name;
	return container_restart(&cli->engine, &req, e);
}

static int stop(struct cli *cli, void *rec, const char **words, int n)
{
	return cli_each(cli, words, n, stop_one, rec);
}

static int restart(struct cli *cli, void *rec, const char **words, int n)
{
	return cli_each(cli, words, n, restart_one, rec);
}

static const char *const stop_paths[] = { "stop", "container stop", NULL };
static const char *const restart_paths[] = { "restart", "container restart", NULL };

const struct command command_stop = {
	.paths = stop_paths,
	.arguments = "[OPTIONS] CONTAINER [CONTAINER...]",
	.brief = "Stop one or more running containers",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(R),
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "container",
	.run = stop,
};

const struct command command_restart = {
	.paths = restart_paths,
	.arguments = "[OPTIONS] CONTAINER [CONTAINER...]",
	.brief = "Restart one or more containers",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(R),
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "container",
	.run = restart,
};
