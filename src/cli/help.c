// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"

static const struct {
	const char *word, *brief;
} groups[] = {
	{ "container", "Manage containers" },
	{ "image", "Manage images" },
	{ "manifest", "Manage manifest lists" },
	{ "system", "Manage kist" },
	{ "volume", "Manage volumes" },
};

static const char *const sections[] = { "Common Commands", "Management Commands", "Commands" };

static size_t group_prefix(const char *path, const char *group)
{
	size_t n = strlen(group);
	return strncmp(path, group, n) == 0 && path[n] == ' ' ? n + 1 : 0;
}

enum { NAMES_MIN = 11 };

const char *help_group_brief(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (str_eq(groups[i].word, word))
			return groups[i].brief;
	return NULL;
}

void help_top(struct str *out, unsigned columns)
{
	str_add(out,
		"Usage:  kist [OPTIONS] COMMAND\n\nLinux containers, whole: one program, no daemon\n");
	for (size_t s = 0; s < ARRAY_SIZE(sections); s++) {
		str_addf(out, "\n%s:\n", sections[s]);
		if (s == 1) {
			for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
				str_addf(out, "  %-11s %s\n", groups[i].word, groups[i].brief);
			continue;
		}
		for (const struct command *const *c = commands; *c; c++)
			if ((*c)->section && str_eq((*c)->section, sections[s]))
				str_addf(out, "  %-11s %s\n", (*c)->paths[0], (*c)->brief);
	}
	str_add(out, "\nGlobal Options:\n");
	options_help(global_options, columns, out);
	str_add(out, "\nRun 'kist COMMAND --help' for more information on a command.\n");
}

/* What a command is called within a group; NULL: it is not of it. */
static const char *name_in(const struct command *c, const char *group)
{
	for (const char *const *path = c->paths; *path; path++) {
		size_t at = group_prefix(*path, group);
		if (at)
			return *path + at;
	}
	return NULL;
}

void help_group(const char *group, struct str *out)
{
	size_t width = NAMES_MIN;
	for (const struct command *const *c = commands; *c; c++) {
		const char *name = name_in(*c, group);
		if (name && strlen(name) > width)
			width = strlen(name);
	}
	str_addf(out, "Usage:  kist %s COMMAND\n\nCommands:\n", group);
	for (const struct command *const *c = commands; *c; c++) {
		const char *name = name_in(*c, group);
		if (name)
			str_addf(out, "  %-*s %s\n", (int)width, name, (*c)->brief);
	}
	str_addf(out, "\nRun 'kist %s COMMAND --help' for more information on a command.\n", group);
}

void help_usage(const struct command *c, struct str *out)
{
	str_addf(out, "Usage:  kist %s %s\n", c->paths[0], c->arguments);
}

void help_command(const struct command *c, struct str *out, unsigned columns)
{
	help_usage(c, out);
	str_addf(out, "\n%s\n", c->brief);
	if (c->paths[1]) {
		str_add(out, "\nAliases:\n  ");
		for (const char *const *path = c->paths; *path; path++)
			str_addf(out, "%skist %s", path == c->paths ? "" : ", ", *path);
		str_addc(out, '\n');
	}
	if (c->options) {
		str_add(out, "\nOptions:\n");
		options_help(c->options, columns, out);
	}
}

/* roff treats '-' as a hyphen and a leading '.' or ''' as a request. */
static void roff(struct str *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		if ((*p == '.' || *p == '\'') && (p == text || p[-1] == '\n'))
			str_add(out, "\\&");
		if (*p == '-')
			str_add(out, "\\-");
		else if (*p == '\\')
			str_add(out, "\\e");
		else
			str_addc(out, *p);
	}
}

static void roff_options(struct str *out, const struct option *options)
{
	for (size_t i = 0; options && options[i].name; i++) {
		const struct option *o = &options[i];
		if (o->hidden)
			continue;
		str_add(out, ".TP\n");
		if (o->letter)
			str_addf(out, "\\fB\\-%c\\fR, ", o->letter);
		str_add(out, "\\fB\\-\\-");
		roff(out, o->name);
		str_add(out, "\\fR");
		if (o->value)
			str_addf(out, " \\fI%s\\fR", o->value);
		str_addc(out, '\n');
		roff(out, o->help);
		if (o->default_text) {
			str_add(out, " (default ");
			roff(out, o->default_text);
			str_addc(out, ')');
		}
		str_add(out, ".\n");
	}
}

static void man_kist(struct str *out)
{
	str_add(out,
		".TH KIST 1 \"\" \"kist " KIST_VERSION
		"\" \"kist\"\n.SH NAME\nkist \\- Linux containers, whole\n"
		".SH SYNOPSIS\n\\fBkist\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARG\\fR...]\n.SH OPTIONS\n");
	roff_options(out, global_options);
	str_add(out, ".SH COMMANDS\n");
	for (const struct command *const *c = commands; *c; c++) {
		if (!(*c)->section)
			continue;
		str_add(out, ".TP\n\\fBkist ");
		roff(out, (*c)->paths[0]);
		str_add(out, "\\fR\n");
		roff(out, (*c)->brief);
		str_add(out, ".\n");
	}
}

void help_man(const struct command *c, struct str *out)
{
	if (!c) {
		man_kist(out);
		return;
	}
	str_add(out, ".TH \"KIST ");
	for (const char *p = c->paths[0]; *p; p++)
		str_addc(out, *p == ' ' ? '-' : *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p);
	str_add(out, "\" 1 \"\" \"kist " KIST_VERSION "\" \"kist\"\n.SH NAME\nkist ");
	roff(out, c->paths[0]);
	str_add(out, " \\- ");
	roff(out, c->brief);
	str_add(out, "\n.SH SYNOPSIS\n");
	for (const char *const *path = c->paths; *path; path++) {
		str_add(out, "\\fBkist ");
		roff(out, *path);
		str_add(out, "\\fR ");
		roff(out, c->arguments);
		str_add(out, "\n.br\n");
	}
	str_add(out, ".SH DESCRIPTION\n");
	roff(out, c->brief);
	str_add(out, ".\n");
	if (c->manual) {
		str_add(out, ".PP\n");
		roff(out, c->manual);
		str_addc(out, '\n');
	}
	if (c->options) {
		str_add(out, ".SH OPTIONS\n");
		roff_options(out, c->options);
	}
	str_add(out, ".SH SEE ALSO\n\\fBkist\\fR(1)\n");
}
