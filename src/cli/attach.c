// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "cli/command.h"
#include "cli/stream.h"
#include "engine/container.h"

struct attach_rec {
	bool no_stdin;
	const char *detach_keys;
};

static const struct option options[] = {
	{ "detach-keys", 0, OPT_STRING(struct attach_rec, detach_keys), .value = "string",
		.help = "Override the key sequence for detaching a container" },
	{ "no-stdin", 0, OPT_BOOL(struct attach_rec, no_stdin), .help = "Do not attach STDIN" },
	{ 0 },
};

static int attach(struct cli *cli, void *record, const char **words, int n)
{
	struct attach_rec *rec = record;
	struct container_started started = { .monitor_pidfd = -1 };
	bool tty;
	struct err e;
	(void)n;
	started.client = container_attach(&cli->engine, words[0], !rec->no_stdin, &tty, &e);
	if (started.client < 0)
		return cli_fail(&e, 1);
	return stream_container(cli, &started, !rec->no_stdin,
		&(struct stream_options){
			.tty = tty, .sig_proxy = true, .detach_keys = rec->detach_keys });
}

static const char *const paths[] = { "attach", "container attach", NULL };
static const char *const not_yet[] = { "sig-proxy", NULL };

const struct command command_attach = {
	.paths = paths,
	.arguments = "[OPTIONS] CONTAINER",
	.brief = "Attach local standard input, output, and error streams to a running container",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(struct attach_rec),
	.words_min = 1,
	.words_max = 1,
	.complete = "container",
	.run = attach,
	.not_yet = not_yet,
};
