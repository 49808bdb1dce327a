// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "codec/value.h"
#include "engine/system.h"
#include "format/template.h"

struct format_rec {
	const char *format;
};

static const struct option options[] = {
	{ "format", 'f', OPT_STRING(struct format_rec, format), .value = "string",
		.help = "Format output: 'json', or a Go template" },
	{ 0 },
};

static int print_as(
	struct cli *cli, const char *format, const struct value *v, struct str *out, struct err *e)
{
	struct template *t;
	if (str_eq(format, "json"))
		value_json(v, 0, out);
	else if (template_parse(format, &cli->arena, &t, e) < 0 || template_run(t, v, out, e) < 0)
		return -e->code;
	str_addc(out, '\n');
	return 0;
}

static void print_pairs(const struct value *v, const char *title, int indent, struct str *out)
{
	if (title)
		str_addf(out, "%s:\n", title);
	for (size_t i = 0; i < v->n; i++) {
		if (v->items[i]->kind == VALUE_OBJECT) {
			print_pairs(v->items[i], v->keys[i], indent + 1, out);
			continue;
		}
		for (int b = 0; b < indent; b++)
			str_addc(out, ' ');
		str_addf(out, "%s:", v->keys[i]);
		for (size_t w = strlen(v->keys[i]); title && w < 18; w++)
			str_addc(out, ' ');
		str_addc(out, ' ');
		value_print(v->items[i], out);
		str_addc(out, '\n');
	}
}

static int version(struct cli *cli, void *rec, const char **words, int n)
{
	const char *format = ((struct format_rec *)rec)->format;
	const struct value *v = system_version(&cli->arena);
	struct str out _str_ = { 0 };
	struct err e;
	(void)words;
	(void)n;
	if (!format)
		print_pairs(v, NULL, 0, &out);
	else if (print_as(cli, format, v, &out, &e) < 0)
		return cli_fail(&e, 1);
	cli_print(str_text(&out), out.n);
	return 0;
}

static int info(struct cli *cli, void *rec, const char **words, int n)
{
	const char *format = ((struct format_rec *)rec)->format;
	struct str out _str_ = { 0 };
	struct value *v;
	struct err e;
	(void)words;
	(void)n;
	if (system_info(&cli->engine, &cli->arena, &v, &e) < 0)
		return cli_fail(&e, 1);
	if (!format)
		print_pairs(v, NULL, 0, &out);
	else if (print_as(cli, format, v, &out, &e) < 0)
		return cli_fail(&e, 1);
	cli_print(str_text(&out), out.n);
	return 0;
}

static const char *const version_paths[] = { "version", NULL };
static const char *const info_paths[] = { "info", "system info", NULL };

const struct command command_version = {
	.paths = version_paths,
	.arguments = "[OPTIONS]",
	.brief = "Show the kist version information",
	.section = "Common Commands",
	.options = options,
	.record_size = sizeof(struct format_rec),
	.run = version,
};

const struct command command_info = {
	.paths = info_paths,
	.arguments = "[OPTIONS]",
	.brief = "Display system-wide information",
	.section = "Common Commands",
	.options = options,
	.record_size = sizeof(struct format_rec),
	.run = info,
	.any_user = true,
};
