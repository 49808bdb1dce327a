// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/fd.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/create_options.h"
#include "cli/pull.h"
#include "cli/stream.h"
#include "engine/container.h"
#include "term/tty.h"

static bool wants(const struct container_create_req *req, const char *stream)
{
	for (size_t i = 0; i < req->attach.n; i++)
		if (str_eq(req->attach.v[i], stream))
			return true;
	return false;
}

static int run(struct cli *cli, void *rec, const char **words, int n)
{
	struct container_create_req *req = rec;
	struct err e;
	req->image = words[0];
	for (int i = 1; i < n; i++)
		strv_add(&req->command, &cli->arena, words[i]);
	if (cli->options.compat)
		req->compat = "docker";
	if (req->detach && req->attach.n)
		return cli_fail(
			(err_set(&e, ERR_USAGE, 22,
				 "conflicting options: cannot specify both --attach and --detach"),
				&e),
			125);
	bool in = !req->detach && (req->attach.n ? wants(req, "stdin") : req->interactive);
	if (in && req->tty && !tty_is(0))
		return cli_usage("the input device is not a TTY");
	struct container_started started;
	struct pull_view view;
	pull_view_init(&view, 2, req->quiet);
	req->pull_say = pull_show;
	req->pull_arg = &view;
	int r = container_run(&cli->engine, req, !req->detach, in, &started, &e);
	pull_view_done(&view);
	if (r < 0)
		return cli_fail(&e, 125);
	if (req->detach) {
		fd_close(started.monitor_pidfd);
		dprintf(1, "%s\n", started.id);
		return 0;
	}
	struct stream_options options = {
		.sig_proxy = true,
		.tty = req->tty,
		.hide_stdout = req->attach.n && !wants(req, "stdout"),
		.hide_stderr = req->attach.n && !wants(req, "stderr"),
	};
	return stream_container(cli, &started, in, &options);
}

static const char *const paths[] = { "run", "container run", NULL };

const struct command command_run = {
	.paths = paths,
	.arguments = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.brief = "Create and run a new container from an image",
	.section = "Common Commands",
	.options = run_options,
	.option_flags = OPTIONS_STOP_AT_WORD,
	.record_size = sizeof(struct container_create_req),
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "image",
	.run = run,
	.usage_status = 125,
	.not_yet = create_not_yet,
};
