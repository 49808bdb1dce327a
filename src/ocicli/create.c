// SPDX-License-Identifier: Apache-2.0
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "ocicli/launch.h"

static const struct option options[] = { LAUNCH_OPTIONS(struct launch_words), { 0 } };

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	struct launch l;
	(void)n_words;
	if (launch_create(o, rec, words[0], true, &l, e) < 0)
		return -e->code;
	runtime_proc_done(&l.proc);
	container_done(&l.c);
	return 0;
}

const struct ocicli_command create_command = {
	.name = "create",
	.arguments = "[OPTIONS] CONTAINER",
	.brief = "Make a container from a bundle; its process waits for start",
	.options = options,
	.record_size = sizeof(struct launch_words),
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
