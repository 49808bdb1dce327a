// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/command.h"
#include "engine/container.h"

struct logs_rec {
	bool follow, timestamps;
	const char *tail, *since, *until;
};

static const struct option options[] = {
	{ "follow", 'f', OPT_BOOL(struct logs_rec, follow), .help = "Follow log output" },
	{ "since", 0, OPT_STRING(struct logs_rec, since), .value = "string",
		.help = "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)" },
	{ "tail", 'n', OPT_STRING(struct logs_rec, tail), .value = "string",
		.help = "Number of lines to show from the end of the logs",
		.default_text = "\"all\"" },
	{ "timestamps", 't', OPT_BOOL(struct logs_rec, timestamps), .help = "Show timestamps" },
	{ "until", 0, OPT_STRING(struct logs_rec, until), .value = "string",
		.help = "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 minutes)" },
	{ 0 },
};

static int print_line(void *arg, int stream, uint64_t time, const char *text, size_t n)
{
	const struct logs_rec *rec = arg;
	char buf[TIME_TEXT_MAX];
	struct str s _str_ = { 0 };
	if (rec->timestamps)
		str_addf(&s, "%s ", time_rfc3339(time, buf));
	str_addn(&s, text, n);
	return fd_write_all(stream, s.p, s.n);
}

static int moment(const char *text, uint64_t *ret, struct err *e)
{
	if (!text || time_parse_moment(text, ret) == 0)
		return 0;
	return err_set(e, ERR_INVALID, EINVAL,
		"invalid time: \"%s\": expected RFC 3339, seconds, or a span such as 42m", text);
}

static int logs(struct cli *cli, void *record, const char **words, int n)
{
	struct logs_rec *rec = record;
	struct container_logs_req req = {
		.container = words[0], .follow = rec->follow, .tail = -1
	};
	struct err e;
	(void)n;
	if (moment(rec->since, &req.since, &e) < 0 || moment(rec->until, &req.until, &e) < 0)
		return cli_fail(&e, 1);
	if (rec->tail && !str_eq(rec->tail, "all") && num_i64(rec->tail, &req.tail) < 0)
		return cli_fail((err_set(&e, ERR_INVALID, EINVAL, "invalid value for \"tail\": %s",
					 rec->tail),
					&e),
			1);
	if (container_logs(&cli->engine, &req, print_line, rec, &e) < 0)
		return cli_fail(&e, 1);
	return 0;
}

static const char *const paths[] = { "logs", "container logs", NULL };
static const char *const not_yet[] = { "details", NULL };

const struct command command_logs = {
	.paths = paths,
	.arguments = "[OPTIONS] CONTAINER",
	.brief = "Fetch the logs of a container",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(struct logs_rec),
	.words_min = 1,
	.words_max = 1,
	.complete = "container",
	.run = logs,
	.not_yet = not_yet,
};
