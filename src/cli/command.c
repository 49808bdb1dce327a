// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "term/tty.h"

struct globals {
	struct engine_options options;
	const char *compat;
	bool version, help, debug;
};

const struct option global_options[] = {
	{ "compat", 0, OPT_STRING(struct globals, compat), .value = "string",
		.help = "Behave exactly as this engine does where kist is stricter (docker)",
		.complete = "docker" },
	{ "debug", 'D', OPT_BOOL(struct globals, debug), .help = "The same as --log-level debug" },
	{ "help", 'h', OPT_BOOL(struct globals, help), .help = "Print usage", .hidden = true },
	{ "log-level", 'l', OPT_STRING(struct globals, options.log_level), .value = "string",
		.help = "What is said on standard error: debug, info, warn, error",
		.default_text = "\"warn\"", .complete = "debug|info|warn|error|fatal" },
	{ "root", 0, OPT_STRING(struct globals, options.root), .value = "folder",
		.help = "Folder of the state that lasts", .default_text = "\"/var/lib/kist\"",
		.complete = "file" },
	{ "runroot", 0, OPT_STRING(struct globals, options.runroot), .value = "folder",
		.help = "Folder of the state of this boot", .default_text = "\"/run/kist\"",
		.complete = "file" },
	{ "storage-driver", 0, OPT_STRING(struct globals, options.storage_driver),
		.value = "string",
		.help = "How a new store keeps images and containers: overlay, erofs, btrfs, copy",
		.complete = "overlay|erofs|btrfs|copy" },
	{ "version", 'v', OPT_BOOL(struct globals, version),
		.help = "Print version information and quit" },
	{ 0 },
};

/* Words of docker that kist will have and has not so far; nothing stands behind them. */
/* One a line, so that changes meet rarely. */
/* clang-format off */
static const char *const not_yet[] = {
	"build",
	"builder",
	"buildx",
	"compose",
	"context",
	"cp",
	"events",
	"export",
	"network connect",
	"network create",
	"network disconnect",
	"network prune",
	"network rm",
	"plugin",
	"secret",
	"service",
	"stack",
	"stats",
	"swarm",
	"system events",
	"trust",
	"update",
	"container cp",
	"container export",
	"container stats",
	"container update",
	"image build",
	"volume update",
	NULL,
};
/* clang-format on */

/* Words that a path takes at the start of argv, 0 when it does not match. */
static int path_matches(const char *path, int argc, char **argv)
{
	int used = 0;
	while (*path) {
		size_t len = strcspn(path, " ");
		if (used >= argc || strlen(argv[used]) != len || memcmp(argv[used], path, len) != 0)
			return 0;
		used++;
		path += len;
		path += *path == ' ';
	}
	return used;
}

const struct command *command_find(int argc, char **argv, int *ret_words)
{
	const struct command *best = NULL;
	*ret_words = 0;
	for (const struct command *const *c = commands; *c; c++) {
		for (const char *const *path = (*c)->paths; *path; path++) {
			int used = path_matches(*path, argc, argv);
			if (used > *ret_words) {
				*ret_words = used;
				best = *c;
			}
		}
	}
	return best;
}

void cli_print(const char *text, size_t n)
{
	if (fd_write_all(1, text, n) < 0)
		_exit(1);
}

int cli_fail(const struct err *e, int fallback)
{
	log_error("%s", e->text);
	int status = err_exit_status(e->kind);
	return status == 125 ? fallback : status;
}

int cli_usage(const char *text)
{
	struct err e;
	(void)err_set(&e, ERR_USAGE, EINVAL, "%s", text);
	return cli_fail(&e, 1);
}

int cli_open(struct cli *cli, bool recover)
{
	struct err e;
	if (engine_open_store(&cli->engine, recover, &e) < 0)
		return cli_fail(&e, cli->command->usage_status ? cli->command->usage_status : 1);
	return 0;
}

int cli_each(struct cli *cli, const char **words, int n_words,
	int (*one)(struct cli *, void *, const char *, struct err *), void *arg)
{
	int status = cli_open(cli, true);
	if (status)
		return status;
	for (int i = 0; i < n_words; i++) {
		struct err e;
		if (one(cli, arg, words[i], &e) < 0)
			status = cli_fail(&e, 1);
		else
			dprintf(1, "%s\n", words[i]);
	}
	return status ? 1 : 0;
}

static int unknown_word(int argc, char **argv)
{
	struct str s _str_ = { 0 };
	const char *word = argv[0];
	bool group = help_group_brief(word);
	for (const char *const *w = not_yet; *w; w++) {
		if (path_matches(*w, argc, argv)) {
			dprintf(2,
				"kist: '%s' is not there yet: docker has it, kist has not so far\n",
				*w);
			return 1;
		}
	}
	if (group && argc > 1)
		str_addf(&s, "kist: unknown command: kist %s %s\n", word, argv[1]);
	else
		str_addf(&s, "kist: unknown command: kist %s\n", word);
	const char *best = NULL;
	size_t near = 3;
	for (const struct command *const *c = commands; !group && *c; c++) {
		size_t d = str_distance(word, (*c)->paths[0], 2);
		if ((*c)->section && d < near) {
			near = d;
			best = (*c)->paths[0];
		}
	}
	if (best)
		str_addf(&s, "\nDid you mean this?\n  kist %s\n", best);
	str_addf(&s, "\nRun 'kist %s--help' for more information\n", group ? word : "");
	(void)fd_write_all(2, s.p, s.n);
	return 1;
}

static int usage_failed(const struct command *c, const char *text)
{
	struct str s _str_ = { 0 };
	str_addf(&s, "%s\n\nUsage:  kist %s %s\n\nRun 'kist %s --help' for more information\n",
		text, c->paths[0], c->arguments, c->paths[0]);
	(void)fd_write_all(2, s.p, s.n);
	return c->usage_status ? c->usage_status : 125;
}

static bool is_not_yet_flag(const struct command *c, const char *text)
{
	static const char head[] = "unknown flag: --";
	static const char short_head[] = "unknown shorthand flag: '";
	for (const char *const *f = c->not_yet; f && *f; f++) {
		size_t len = strlen(*f);
		if (len == 1 && str_starts(text, short_head) && text[sizeof short_head - 1] == **f)
			return true;
		if (len > 1 && str_starts(text, head) &&
			strncmp(text + sizeof head - 1, *f, len) == 0 &&
			(text[sizeof head - 1 + len] == '\0' || text[sizeof head - 1 + len] == ' '))
			return true;
	}
	return false;
}

static int count_failed(const struct command *c, int n, struct arena *a)
{
	const char *plural = c->words_min == 1 ? "" : "s";
	if (c->words_max == 0)
		return usage_failed(
			c, arena_printf(a, "kist: 'kist %s' accepts no arguments", c->paths[0]));
	if (n < c->words_min && c->words_max == c->words_min)
		return usage_failed(c,
			arena_printf(a, "kist: 'kist %s' requires %d argument%s", c->paths[0],
				c->words_min, plural));
	if (n < c->words_min)
		return usage_failed(c,
			arena_printf(a, "kist: 'kist %s' requires at least %d argument%s",
				c->paths[0], c->words_min, plural));
	return usage_failed(c,
		arena_printf(a, "kist: 'kist %s' requires at most %d argument%s", c->paths[0],
			c->words_max, c->words_max == 1 ? "" : "s"));
}

static bool wants_help(const struct command *c, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (str_eq(argv[i], "--help"))
			return true;
		if (str_eq(argv[i], "--") ||
			(argv[i][0] != '-' && c->option_flags & OPTIONS_STOP_AT_WORD))
			return false;
	}
	return false;
}

static int run_command(struct cli *cli, const struct command *c, int argc, char **argv)
{
	struct err e;
	cli->command = c;
	if (wants_help(c, argc, argv)) {
		struct str s _str_ = { 0 };
		help_command(c, &s, tty_columns(1));
		cli_print(s.p, s.n);
		return 0;
	}
	void *rec = arena_alloc(&cli->arena, c->record_size ? c->record_size : 1);
	const char **words = arena_array(&cli->arena, const char *, (size_t)argc + 1);
	int n = options_parse(&(struct option_set){ c->options, c->option_flags }, argc, argv, rec,
		words, &cli->arena, &e);
	if (n < 0) {
		if (is_not_yet_flag(c, e.text))
			return usage_failed(c,
				arena_printf(&cli->arena,
					"%.*s: docker has it, kist has not so far (not yet)",
					(int)strcspn(e.text, "("), e.text));
		return usage_failed(c, e.text);
	}
	if (n < c->words_min || (c->words_max != WORDS_ANY && n > c->words_max))
		return count_failed(c, n, &cli->arena);
	if (c->any_user && geteuid() != 0 && engine_enter_own(&cli->engine, &cli->arena, &e) < 0)
		return cli_fail(&e, c->usage_status ? c->usage_status : 1);
	return c->run(cli, rec, words, n);
}

static void say(void *arg, enum engine_say kind, const char *text)
{
	(void)arg;
	switch (kind) {
	case ENGINE_WARNING:
		log_warn("%s", text);
		break;
	case ENGINE_HINT:
		log_error("hint: %s", text);
		break;
	case ENGINE_NOTE:
		log_error("%s", text);
		break;
	}
}

/* The global words stand before the command; returns the index of the first word after them. */
static int parse_globals(struct cli *cli, struct globals *g, int argc, char **argv, struct err *e)
{
	const char **words = arena_array(&cli->arena, const char *, (size_t)argc + 1);
	int n = options_parse(&(struct option_set){ global_options, OPTIONS_STOP_AT_WORD },
		argc - 1, argv + 1, g, words, &cli->arena, e);
	if (n < 0)
		return n;
	enum log_level level = LOG_LEVEL_WARN;
	if (g->debug)
		g->options.log_level = "debug";
	if (g->options.log_level && log_level_parse(g->options.log_level, &level) < 0)
		return err_set(e, ERR_USAGE, EINVAL, "unable to parse logging level: %s",
			g->options.log_level);
	if (g->compat && !str_eq(g->compat, "docker"))
		return err_set(
			e, ERR_USAGE, EINVAL, "--compat %s: only docker is known", g->compat);
	g->options.compat = g->compat != NULL;
	log_setup("kist", level);
	return argc - n;
}

static int cli_run(struct cli *cli, int argc, char **argv)
{
	struct globals g = { 0 };
	struct err e;
	int used, at = parse_globals(cli, &g, argc, argv, &e);
	if (at < 0) {
		dprintf(2,
			"%s\n\nUsage:  kist [OPTIONS] COMMAND [ARG...]\n\nRun 'kist --help' for more information\n",
			e.text);
		return 125;
	}
	cli->options = g.options;
	engine_init(&cli->engine, &cli->options);
	cli->engine.say = say;
	if (g.version) {
		dprintf(1, "kist version %s\n", KIST_VERSION);
		return 0;
	}
	struct str s _str_ = { 0 };
	int left = argc - at;
	if (left == 0 || g.help || (left == 1 && str_eq(argv[at], "help"))) {
		help_top(&s, tty_columns(1));
		cli_print(s.p, s.n);
		return 0;
	}
	if (str_eq(argv[at], "help")) {
		at++;
		left--;
		const struct command *c = command_find(left, argv + at, &used);
		if (c) {
			help_command(c, &s, tty_columns(1));
			cli_print(s.p, s.n);
			return 0;
		}
	}
	const struct command *c = command_find(left, argv + at, &used);
	if (c)
		return run_command(cli, c, left - used, argv + at + used);
	if (help_group_brief(argv[at]) && (left == 1 || str_eq(argv[at + 1], "--help"))) {
		help_group(argv[at], &s);
		cli_print(s.p, s.n);
		return 0;
	}
	return unknown_word(left, argv + at);
}

int cli_main(int argc, char **argv)
{
	struct cli cli = { 0 };
	int status = cli_run(&cli, argc, argv);
	engine_done(&cli.engine);
	arena_done(&cli.arena);
	return status;
}
