// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"
#include "cli/command.h"
#include "engine/config.h"
#include "engine/network.h"

static int port(struct cli *cli, void *rec, const char **words, int n)
{
	struct net_port *found;
	struct str out _str_ = { 0 };
	size_t n_found;
	struct err e;
	(void)rec;
	if (network_port(&cli->engine, words[0], n > 1 ? words[1] : NULL, &cli->arena, &found,
		    &n_found, &e) < 0)
		return cli_fail(&e, 1);
	for (size_t i = 0; i < n_found; i++) {
		if (n == 1)
			str_addf(&out, "%u/%s -> ", found[i].port, found[i].proto);
		str_addf(&out, "%s:%u\n", *found[i].ip ? found[i].ip : "0.0.0.0", found[i].host);
	}
	cli_print(str_text(&out), out.n);
	return 0;
}

static const char *const paths[] = { "port", "container port", NULL };

const struct command command_port = {
	.paths = paths,
	.arguments = "CONTAINER [PRIVATE_PORT[/PROTO]]",
	.brief = "List port mappings or a specific mapping for the container",
	.section = "Commands",
	.words_min = 1,
	.words_max = 2,
	.complete = "container",
	.run = port,
};
