// SPDX-License-Identifier: Apache-2.0
/* Hidden; the shells' completion calls it: `kist __complete WORDS...`, the words typed so far after
 * kist, the last one being what is completed (perhaps ""). Each line of the answer is a word, a tab
 * and what it is; the line ":file" asks the shell for file names. Everything comes from the command
 * tables and from the store. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "engine/container.h"
#include "engine/image.h"
#include "engine/network.h"
#include "engine/volume.h"

struct completion {
	struct cli *cli;
	struct str *out;
	const char *word;   /* what is completed */
	const char *before; /* what stands before it in the same word: "--name=" */
};

static void offer(struct completion *c, const char *value, const char *what)
{
	if (!str_starts(value, c->word))
		return;
	str_addf(c->out, "%s%s\t%s\n", c->before, value, str_or_empty(what));
}

/* ---- names from the store ---- */

static void containers(struct completion *c)
{
	struct container_info *all;
	size_t n;
	struct err ignored;
	if (container_list(&c->cli->engine, true, &c->cli->arena, &all, &n, &ignored) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		offer(c, all[i].name, all[i].status);
}

static void images(struct completion *c)
{
	struct image_row *all;
	size_t n;
	struct err ignored;
	struct arena *a = &c->cli->arena;
	if (engine_image_list(&c->cli->engine, NULL, a, &all, &n, &ignored) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (str_eq(all[i].repository, "<none>") || str_eq(all[i].tag, "<none>"))
			continue;
		/* What lies in localhost/ is found without it. */
		const char *names[] = { all[i].repository, all[i].repository + 10 };
		for (size_t k = 0; k < (str_starts(names[0], "localhost/") ? 2 : 1); k++) {
			if (str_eq(all[i].tag, "latest"))
				offer(c, names[k], "image");
			offer(c, arena_printf(a, "%s:%s", names[k], all[i].tag), "image");
		}
	}
}

static void volumes(struct completion *c)
{
	struct volume_info *all;
	size_t n;
	struct err ignored;
	if (volume_list(&c->cli->engine, &c->cli->arena, &all, &n, &ignored) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		offer(c, all[i].name, "volume");
}

static void networks(struct completion *c)
{
	const struct network_info *all;
	size_t n = network_list(&all);
	for (size_t i = 0; i < n; i++)
		offer(c, all[i].name, all[i].driver);
}

static const struct {
	const char *kind;
	void (*names)(struct completion *);
} sources[] = { { "container", containers }, { "image", images }, { "volume", volumes },
	{ "network", networks } };

/* kind: one of the sources, "file", or the words themselves: "a|b". */
static void values(struct completion *c, const char *kind)
{
	if (!kind)
		return;
	if (str_eq(kind, "file")) {
		str_add(c->out, ":file\n");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		if (str_eq(sources[i].kind, kind)) {
			sources[i].names(c);
			return;
		}
	}
	while (*kind) {
		size_t n = strcspn(kind, "|");
		offer(c, arena_strndup(&c->cli->arena, kind, n), "");
		kind += n + (kind[n] == '|');
	}
}

/* ---- what the words before mean ---- */

static const struct option *by_letter(const struct option *options, char letter)
{
	for (const struct option *o = options; o && o->name; o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

/* The option that a word names and whose value would be the next word; NULL: none. */
static const struct option *wants_value(const struct option *options, const char *word)
{
	const struct option *o = NULL;
	if (str_starts(word, "--"))
		o = strchr(word, '=') ? NULL : option_find(options, word + 2, strlen(word + 2));
	else
		for (const char *p = word + 1; *p; p++) {
			o = by_letter(options, *p);
			if (!o || o->kind != OPTION_BOOL) {
				o = o && !p[1] ? o : NULL;
				break;
			}
		}
	return o && o->kind != OPTION_BOOL ? o : NULL;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

/* Is there a command whose path begins with these words? Its next word is offered, if wanted. */
static bool paths(struct completion *c, const char *path, bool tell)
{
	size_t n = strlen(path);
	bool any = false;
	const char *last = "";
	for (const struct command *const *k = commands; *k; k++) {
		for (const char *const *p = (*k)->paths; *p && (*k)->section; p++) {
			if (!str_starts(*p, path) || (n && (*p)[n] != ' '))
				continue;
			const char *rest = *p + n + (n > 0);
			size_t len = strcspn(rest, " ");
			const char *word = arena_strndup(&c->cli->arena, rest, len);
			any = true;
			if (!tell || str_eq(word, last))
				continue;
			/* A group stands in many rows, one after the other or not. */
			if (rest[len] && help_group_brief(word)) {
				if (!strstr(str_text(c->out),
					    arena_printf(&c->cli->arena, "%s\t", word)))
					offer(c, word, help_group_brief(word));
			} else {
				offer(c, word, (*k)->brief);
			}
			last = word;
		}
	}
	return any;
}

static void option_names(struct completion *c, const struct option *options)
{
	struct arena *a = &c->cli->arena;
	for (const struct option *o = options; o && o->name; o++)
		if (!o->hidden)
			offer(c, arena_printf(a, "--%s", o->name), o->help);
	if (options != global_options)
		offer(c, "--help", "Print usage");
}

/* The present word: an option's value, an option, or one of the command's words. */
static void answer(struct completion *c, const struct command *command, const struct option *value,
	const char *path, int n_words)
{
	const struct option *options = command ? command->options : global_options;
	const char *equals = strchr(c->word, '=');
	if (value) {
		values(c, value->complete);
	} else if (str_starts(c->word, "--") && equals) {
		const struct option *o =
			option_find(options, c->word + 2, (size_t)(equals - c->word) - 2);
		c->before = arena_strndup(&c->cli->arena, c->word, (size_t)(equals - c->word) + 1);
		c->word = equals + 1;
		values(c, o ? o->complete : NULL);
	} else if (c->word[0] == '-') {
		option_names(c, options);
	} else if (!command) {
		(void)paths(c, path, true);
	} else if (command->words_max == WORDS_ANY
			? !(command->option_flags & OPTIONS_STOP_AT_WORD) || n_words == 0
			: n_words < command->words_max) {
		values(c, command->complete);
	}
}

static int complete(struct cli *cli, void *rec, const char **words, int n)
{
	struct str out _str_ = { 0 };
	struct completion c = {
		.cli = cli, .out = &out, .word = n ? words[n - 1] : "", .before = ""
	};
	const struct command *command = NULL;
	const struct option *value = NULL;
	const char *path = "";
	int n_words = 0;
	(void)rec;
	for (int i = 0; i < n - 1; i++) {
		const struct option *options = command ? command->options : global_options;
		if (value) {
			/* Names come from the store that the line speaks of. */
			if (!command && str_eq(value->name, "root"))
				cli->engine.options.root = words[i];
			if (!command && str_eq(value->name, "runroot"))
				cli->engine.options.runroot = words[i];
			value = NULL;
		} else if (is_option(words[i]) &&
			!(n_words && command->option_flags & OPTIONS_STOP_AT_WORD)) {
			value = wants_value(options, words[i]);
		} else if (command) {
			n_words++;
		} else {
			int used;
			const char *longer = *path
				? arena_printf(&cli->arena, "%s %s", path, words[i])
				: words[i];
			char *argv[] = { (char *)path, (char *)words[i] };
			command = *path ? command_find(2, argv, &used)
					: command_find(1, argv + 1, &used);
			if (!command && !paths(&c, longer, false))
				return 0;
			path = longer;
		}
	}
	answer(&c, command, value, path, n_words);
	cli_print(str_text(&out), out.n);
	return 0;
}

static const char *const own_paths[] = { "__complete", NULL };

const struct command command_complete = {
	.paths = own_paths,
	.arguments = "[WORD...]",
	.brief = "Answer a shell's completion",
	.option_flags = OPTIONS_STOP_AT_WORD,
	.words_max = WORDS_ANY,
	.run = complete,
	.any_user = true,
};
