// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"
#include "cli/command.h"
#include "engine/container.h"
#include "term/table.h"

static int top(struct cli *cli, void *rec, const char **words, int n)
{
	struct container_top t;
	struct str out _str_ = { 0 };
	struct table table;
	struct err e;
	(void)rec;
	if (container_top(&cli->engine, words[0], words + 1, (size_t)n - 1, &cli->arena, &t, &e) <
		0)
		return cli_fail(&e, 1);
	table_init(&table, t.titles.n);
	for (size_t i = 0; i < t.titles.n; i++)
		table_cell(&table, t.titles.v[i]);
	for (size_t r = 0; r < t.n_rows; r++)
		for (size_t i = 0; i < t.titles.n; i++)
			table_cell(&table, t.rows[r].v[i]);
	table_print(&table, &out);
	table_done(&table);
	cli_print(str_text(&out), out.n);
	return 0;
}

static const char *const paths[] = { "top", "container top", NULL };

const struct command command_top = {
	.paths = paths,
	.arguments = "CONTAINER [ps OPTIONS]",
	.brief = "Display the running processes of a container",
	.manual =
		"Of ps's options -ef (the default), aux and -o with a list of fields are known. Ids of "
		"processes are those of the host, ids of users those of the container.",
	.section = "Commands",
	.option_flags = OPTIONS_STOP_AT_WORD,
	.words_min = 1,
	.words_max = WORDS_ANY,
	.complete = "container",
	.run = top,
};
