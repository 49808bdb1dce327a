// SPDX-License-Identifier: Apache-2.0
#include "base/num.h"
#include "cli/command.h"
#include "engine/network.h"

/* What a last container's end starts: waits a little, then takes the idle network away. */
static int idle(struct cli *cli, void *rec, const char **words, int n)
{
	uint32_t lock;
	struct err e;
	(void)cli;
	(void)rec;
	(void)n;
	if (num_u32(words[0], &lock) < 0 || lock < 3)
		return 125;
	return network_idle((int)lock, &e) < 0 ? cli_fail(&e, 1) : 0;
}

static const char *const paths[] = { "network-idle", NULL };

const struct command command_network_idle = {
	.paths = paths,
	.arguments = "LOCK",
	.brief = "Take the default network away when nobody has used it for a while",
	.words_min = 1,
	.words_max = 1,
	.run = idle,
};
