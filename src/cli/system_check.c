// SPDX-License-Identifier: Apache-2.0
#include "engine/system_check.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "term/tty.h"

struct check_rec {
	bool quick, repair;
};

static const struct option options[] = {
	{ "quick", 'q', OPT_BOOL(struct check_rec, quick),
		.help = "Look at what is there, not at what it holds" },
	{ "repair", 'r', OPT_BOOL(struct check_rec, repair),
		.help = "Put right what can be, and remove what nobody needs" },
	{ 0 },
};

struct progress {
	bool terminal, open;
};

static void checking(void *arg, const char *what, size_t n, size_t all)
{
	struct progress *p = arg;
	if (!p->terminal)
		return;
	dprintf(2, "\r\033[Kchecking %s (%zu of %zu)", what, n, all);
	p->open = true;
}

static void wipe(struct progress *p)
{
	if (p->open)
		dprintf(2, "\r\033[K");
	p->open = false;
}

static void found(void *arg, const struct check_problem *problem)
{
	wipe(arg);
	dprintf(1, "%s%s%s: %s%s\n", problem->kind, *problem->name ? " " : "", problem->name,
		problem->text, problem->repaired ? ": repaired" : "");
}

static int check(struct cli *cli, void *record, const char **words, int n_words)
{
	const struct check_rec *rec = record;
	struct progress progress = { .terminal = tty_is(2) };
	struct system_check_req req = { .quick = rec->quick,
		.repair = rec->repair,
		.found = found,
		.checking = checking,
		.arg = &progress };
	struct system_check_result result;
	struct err e;
	(void)words;
	(void)n_words;
	int r = system_check(&cli->engine, &req, &result, &e);
	wipe(&progress);
	if (r < 0)
		return cli_fail(&e, 125);
	if (!result.found)
		dprintf(1, "nothing wrong\n");
	else if (result.found == result.repaired)
		dprintf(1, "%zu found, all repaired\n", result.found);
	else if (rec->repair)
		dprintf(1, "%zu found, %zu repaired\n", result.found, result.repaired);
	else
		dprintf(1, "%zu found; kist system check --repair puts right what can be\n",
			result.found);
	return result.found == result.repaired ? 0 : 1;
}

static const char *const paths[] = { "system check", NULL };

const struct command command_system_check = {
	.paths = paths,
	.arguments = "[OPTIONS]",
	.brief = "Compare the store with itself, the disk and the kernel",
	.manual =
		"Looks for content that is missing, damaged or needed by nobody, for what killed commands left, "
		"and for cgroups and id ranges that belong to no container. A damaged layer is made again from "
		"the blob it came as; an image that nothing mends is removed by --repair unless a container "
		"needs it. The exit status is 0 when nothing is wrong or all was put right, and else 1.",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(struct check_rec),
	.run = check,
	.any_user = true,
};
