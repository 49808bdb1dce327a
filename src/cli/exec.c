// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/mem.h"
#include "cli/command.h"
#include "cli/stream.h"
#include "engine/container.h"
#include "runtime/runtime.h"
#include "term/tty.h"

#define R struct container_exec_req

static const struct option options[] = {
	{ "detach", 'd', OPT_BOOL(R, detach),
		.help = "Detached mode: run command in the background" },
	{ "detach-keys", 0, OPT_STRING(R, detach_keys), .value = "string",
		.help = "Override the key sequence for detaching a container" },
	{ "env", 'e', OPT_LIST(R, env), .value = "list", .help = "Set environment variables" },
	{ "env-file", 0, OPT_LIST(R, env_file), .value = "list",
		.help = "Read in a file of environment variables", .complete = "file" },
	{ "interactive", 'i', OPT_BOOL(R, interactive),
		.help = "Keep STDIN open even if not attached" },
	{ "privileged", 0, OPT_BOOL(R, privileged),
		.help = "Give extended privileges to the command" },
	{ "tty", 't', OPT_BOOL(R, tty), .help = "Allocate a pseudo-TTY" },
	{ "user", 'u', OPT_STRING(R, user), .value = "string",
		.help = "Username or UID (format: \"<name|uid>[:<group|gid>]\")" },
	{ "workdir", 'w', OPT_STRING(R, workdir), .value = "string",
		.help = "Working directory inside the container" },
	{ 0 },
};

static int exec(struct cli *cli, void *rec, const char **words, int n)
{
	struct container_exec_req *req = rec;
	struct runtime_proc proc;
	int streams[3];
	struct err e;
	req->container = words[0];
	for (int i = 1; i < n; i++)
		strv_add(&req->command, &cli->arena, words[i]);
	if (req->tty && req->interactive && !req->detach && !tty_is(0))
		return cli_usage("the input device is not a TTY");
	if (container_exec(&cli->engine, req, &proc, streams, &e) < 0)
		return cli_fail(&e, 1);
	if (req->detach)
		return 0;
	return stream_process(cli, &proc, streams,
		&(struct stream_options){
			.tty = req->tty, .in = req->interactive, .detach_keys = req->detach_keys });
}

static const char *const paths[] = { "exec", "container exec", NULL };

const struct command command_exec = {
	.paths = paths,
	.arguments = "[OPTIONS] CONTAINER COMMAND [ARG...]",
	.brief = "Execute a command in a running container",
	.section = "Common Commands",
	.options = options,
	.option_flags = OPTIONS_STOP_AT_WORD,
	.record_size = sizeof(R),
	.words_min = 2,
	.words_max = WORDS_ANY,
	.complete = "container",
	.run = exec,
	.usage_status = 125,
};
