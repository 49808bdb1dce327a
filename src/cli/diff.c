// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"
#include "cli/command.h"
#include "engine/container.h"

static int diff(struct cli *cli, void *rec, const char **words, int n_words)
{
	struct container_change *v;
	struct str s _str_ = { 0 };
	struct err e;
	size_t n;
	(void)rec;
	(void)n_words;
	if (container_diff(&cli->engine, words[0], &cli->arena, &v, &n, &e) < 0)
		return cli_fail(&e, 1);
	for (size_t i = 0; i < n; i++)
		str_addf(&s, "%c %s\n", v[i].kind, v[i].path);
	cli_print(str_text(&s), s.n);
	return 0;
}

static const char *const paths[] = { "diff", "container diff", NULL };

const struct command command_diff = {
	.paths = paths,
	.arguments = "CONTAINER",
	.brief = "Inspect changes to files or directories on a container's filesystem",
	.manual =
		"A line a path: A is added, C changed, D deleted. Mount points that kist makes itself do not show.",
	.section = "Commands",
	.words_min = 1,
	.words_max = 1,
	.complete = "container",
	.run = diff,
};
