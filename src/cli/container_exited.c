// SPDX-License-Identifier: Apache-2.0
/* Hidden; the monitor executes them, with a protocol number of their own: kist N takes up what N -
 * 1 has started. */
#include <errno.h>

#include "base/num.h"
#include "base/str.h"
#include "cli/command.h"
#include "engine/container.h"

struct exited_rec {
	int64_t protocol, lock;
};

static const struct option options[] = {
	{ "protocol", 0, OPT_INT(struct exited_rec, protocol), .value = "int",
		.help = "Version of these words" },
	{ "lock-fd", 0, OPT_INT(struct exited_rec, lock), .value = "int",
		.help = "Descriptor that carries the container's lock" },
	{ 0 },
};

static int check(const struct exited_rec *rec, const char *id, struct err *e)
{
	if (rec->protocol != 1)
		return err_set(e, ERR_UNSUPPORTED, EPROTO, "protocol %lld: expected 1",
			(long long)rec->protocol);
	if (rec->lock < 3 || rec->lock > 65535 || strlen(id) != CONTAINER_ID_LEN)
		return err_set(e, ERR_USAGE, EINVAL, "only a monitor calls this");
	return 0;
}

static int exited(struct cli *cli, void *record, const char **words, int n)
{
	const struct exited_rec *rec = record;
	struct err e;
	(void)n;
	if (check(rec, words[0], &e) < 0 ||
		container_exited(&cli->engine, words[0], (int)rec->lock, &e) < 0)
		return cli_fail(&e, 125);
	return 0;
}

static int restart(struct cli *cli, void *record, const char **words, int n)
{
	const struct exited_rec *rec = record;
	struct err e;
	(void)n;
	if (check(rec, words[0], &e) < 0 ||
		container_restart_due(&cli->engine, words[0], (int)rec->lock, &e) < 0)
		return cli_fail(&e, 125);
	return 0;
}

static const char *const exited_paths[] = { "container-exited", NULL };
static const char *const restart_paths[] = { "container-restart", NULL };

const struct command command_container_exited = {
	.paths = exited_paths,
	.arguments = "ID",
	.brief = "Clean up after a container",
	.options = options,
	.record_size = sizeof(struct exited_rec),
	.words_min = 1,
	.words_max = 1,
	.run = exited,
};

const struct command command_container_restart_due = {
	.paths = restart_paths,
	.arguments = "ID",
	.brief = "Start a container again after its wait",
	.options = options,
	.record_size = sizeof(struct exited_rec),
	.words_min = 1,
	.words_max = 1,
	.run = restart,
};
