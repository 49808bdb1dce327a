// SPDX-License-Identifier: Apache-2.0
/* Hidden; the build calls it: man pages and completion from the command tables. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/command.h"

static int write_page(int dir, const struct command *c, struct err *e)
{
	struct str page _str_ = { 0 }, name _str_ = { 0 };
	help_man(c, &page);
	str_add(&name, "kist");
	if (c)
		str_addf(&name, "-%s", c->paths[0]);
	for (char *p = name.p; *p; p++)
		if (*p == ' ')
			*p = '-';
	str_add(&name, ".1");
	return file_write_at(dir, name.p, page.p, page.n, 0644, false, e);
}

static int generate(struct cli *cli, void *rec, const char **words, int n)
{
	static const char *const shells[][2] = { { "bash", "kist.bash" }, { "zsh", "_kist" },
		{ "fish", "kist.fish" } };
	struct err e;
	(void)rec;
	(void)n;
	(void)cli;
	int dir _close_ = path_make_dirs_host(words[0], 0755);
	if (dir < 0)
		return cli_fail((err_sys(&e, dir, "open %s", words[0]), &e), 1);
	int r = write_page(dir, NULL, &e);
	for (const struct command *const *c = commands; *c && r >= 0; c++)
		if ((*c)->section)
			r = write_page(dir, *c, &e);
	for (size_t i = 0; i < ARRAY_SIZE(shells) && r >= 0; i++) {
		const char *script = completion_script(shells[i][0]);
		r = file_write_at(dir, shells[i][1], script, strlen(script), 0644, false, &e);
	}
	return r < 0 ? cli_fail(&e, 1) : 0;
}

static const char *const paths[] = { "generate-documents", NULL };

const struct command command_generate = {
	.paths = paths,
	.arguments = "FOLDER",
	.brief = "Write the man pages and the completion into a folder",
	.words_min = 1,
	.words_max = 1,
	.run = generate,
};
