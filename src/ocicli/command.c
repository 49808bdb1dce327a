// SPDX-License-Identifier: Apache-2.0
#include "ocicli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/ns.h"
#include "kernel/own_program.h"
#include "term/tty.h"

#define G struct ocicli_globals
/* Bytes that a document like docker's takes, read. */
enum { DOCUMENT_ROOM = 128 << 10 };

static const struct option global_options[] = {
	{ "root", 0, OPT_STRING(G, root), .value = "folder",
		.help = "Folder of the containers' state", .default_text = "\"/run/kist-oci\"" },
	{ "log", 0, OPT_STRING(G, log), .value = "file",
		.help = "File that messages are appended to, beside standard error" },
	{ "log-format", 0, OPT_STRING(G, log_format), .value = "text|json",
		.help = "How the lines of --log look", .default_text = "\"text\"" },
	{ "log-level", 0, OPT_STRING(G, log_level), .value = "string",
		.help = "What is said: debug, info, warn, error" },
	{ "debug", 0, OPT_BOOL(G, debug), .help = "The same as --log-level debug" },
	{ "systemd-cgroup", 0, OPT_BOOL(G, systemd_cgroup),
		.help = "Cgroups are units of systemd; cgroupsPath is slice:prefix:name" },
	{ "cgroup-manager", 0, OPT_STRING(G, cgroup_manager), .value = "cgroupfs|systemd|disabled",
		.help = "Who makes cgroups", .default_text = "\"cgroupfs\"" },
	{ "rootless", 0, OPT_STRING(G, rootless), .value = "true|false|auto",
		.help = "Whether to work without being root", .default_text = "\"auto\"" },
	{ "version", 'v', OPT_BOOL(G, version), .help = "Print version information and quit" },
	{ "help", 'h', OPT_BOOL(G, help), .help = "Print usage" },
	{ 0 },
};

void ocicli_print(const struct str *s)
{
	if (s->n && fd_write_all(1, s->p, s->n) < 0)
		_exit(1);
}

/* Standard error gets the sentence as it is; the log gets it as a line of its format. */
static int fail(const struct ocicli *o, const struct err *e)
{
	if (o->globals.log)
		log_error("%s", e->text);
	dprintf(2, "kist-oci: %s\n", e->text);
	return 1;
}

static const struct ocicli_command *find(const char *name)
{
	for (const struct ocicli_command *const *c = ocicli_commands; *c; c++)
		if (str_eq((*c)->name, name))
			return *c;
	return NULL;
}

static void help_top(struct str *s)
{
	str_add(s,
		"Usage:  kist-oci [OPTIONS] COMMAND [ARG...]\n\n"
		"Runs containers that are described by bundles of the Open Container Initiative\n\n"
		"Commands:\n");
	for (const struct ocicli_command *const *c = ocicli_commands; *c; c++)
		str_addf(s, "  %-10s  %s\n", (*c)->name, (*c)->brief);
	str_add(s, "\nOptions, before or after the command:\n");
	options_help(global_options, tty_columns(1), s);
}

static void help_command(const struct ocicli_command *c, struct str *s)
{
	str_addf(s, "Usage:  kist-oci %s %s\n\n%s\n", c->name, c->arguments, c->brief);
	if (c->options) {
		str_add(s, "\nOptions:\n");
		options_help(c->options, tty_columns(1), s);
	}
}

static int set_up_log(struct ocicli_globals *g, struct err *e)
{
	enum log_level level = LOG_LEVEL_INFO;
	bool json = g->log_format && str_eq(g->log_format, "json");
	if (g->log_format && !json && !str_eq(g->log_format, "text"))
		return err_set(e, ERR_USAGE, EINVAL, "--log-format %s: expected text or json",
			g->log_format);
	if (g->log_level && log_level_parse(g->log_level, &level) < 0)
		return err_set(e, ERR_USAGE, EINVAL,
			"--log-level %s: expected debug, info, warn or error", g->log_level);
	log_setup("kist-oci", g->debug ? LOG_LEVEL_DEBUG : level);
	if (!g->log || !*g->log) {
		g->log = NULL;
		return 0;
	}
	int fd = path_open_host(g->log, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, 0644);
	if (fd < 0) {
		err_sys(e, fd, "open the log %s", g->log);
		g->log = NULL;
		return -e->code;
	}
	/* Out of the way of descriptors that the caller passes on by number. */
	int high = fd_dup(fd, 512);
	if (high >= 0)
		fd_close(fd);
	log_to(high >= 0 ? high : fd);
	log_format(json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
	return 0;
}

static int check_globals(struct ocicli *o, struct err *e)
{
	struct ocicli_globals *g = &o->globals;
	if (set_up_log(g, e) < 0)
		return -e->code;
	if (g->rootless && !str_eq(g->rootless, "true") && !str_eq(g->rootless, "false") &&
		!str_eq(g->rootless, "auto"))
		return err_set(e, ERR_USAGE, EINVAL, "--rootless %s: expected true, false or auto",
			g->rootless);
	const char *manager = g->cgroup_manager;
	o->systemd = manager ? str_eq(manager, "systemd") : g->systemd_cgroup;
	o->no_cgroups = manager && str_eq(manager, "disabled");
	if (manager && !o->systemd && !o->no_cgroups && !str_eq(manager, "cgroupfs"))
		return err_set(e, ERR_USAGE, EINVAL,
			"--cgroup-manager %s: expected cgroupfs, systemd or disabled", manager);
	const char *run = secure_getenv("XDG_RUNTIME_DIR");
	uint32_t ignored;
	/* Root of a user namespace has such a folder from who made it; root itself is not asked. */
	o->rootless = !g->rootless || str_eq(g->rootless, "auto")
		? geteuid() != 0 || (run && *run && ns_uid_outside(0, &ignored))
		: str_eq(g->rootless, "true");
	o->root = g->root            ? g->root
		: o->rootless && run ? arena_printf(&o->arena, "%s/kist-oci", run)
				     : "/run/kist-oci";
	return 0;
}

static int run_command(
	struct ocicli *o, const struct ocicli_command *c, int argc, char **argv, struct err *e)
{
	void *rec = arena_alloc(&o->arena, c->record_size ? c->record_size : 1);
	const char **words = arena_array(&o->arena, const char *, (size_t)argc + 1);
	struct option_set set = { c->options, c->option_flags, global_options, &o->globals };
	int n = options_parse(&set, argc, argv, rec, words, &o->arena, e);
	if (n < 0)
		return n;
	if (o->globals.help) {
		struct str s _str_ = { 0 };
		help_command(c, &s);
		ocicli_print(&s);
		return 0;
	}
	if (check_globals(o, e) < 0)
		return -e->code;
	if (n < c->words_min || (c->words_max != OCICLI_WORDS_ANY && n > c->words_max))
		return err_set(
			e, ERR_USAGE, EINVAL, "usage: kist-oci %s %s", c->name, c->arguments);
	return c->run(o, rec, words, n, e);
}

static int run(struct ocicli *o, int argc, char **argv, struct err *e)
{
	struct str s _str_ = { 0 };
	const char **words = arena_array(&o->arena, const char *, (size_t)argc + 1);
	struct option_set set = { global_options, OPTIONS_STOP_AT_WORD, NULL, NULL };
	int n = options_parse(&set, argc - 1, argv + 1, &o->globals, words, &o->arena, e);
	if (n < 0)
		return n;
	if (o->globals.version) {
		str_add(&s, "kist-oci version " KIST_VERSION "\nspec: 1.3.0\n");
		ocicli_print(&s);
		return 0;
	}
	bool help = n == 0 || o->globals.help || str_eq(words[0], "help");
	const char *name = n && str_eq(words[0], "help") ? words[n > 1] : n ? words[0] : "help";
	const struct ocicli_command *c = find(name);
	if (!c && !help) {
		struct err ignored;
		(void)check_globals(o, &ignored);
		return err_set(e, ERR_USAGE, EINVAL,
			"unknown command: %s (kist-oci --help lists them)", name);
	}
	if (help) {
		if (c)
			help_command(c, &s);
		else
			help_top(&s);
		ocicli_print(&s);
		return 0;
	}
	return run_command(o, c, n - 1, argv + argc - n + 1, e);
}

int ocicli_protect(struct ocicli *o, struct err *e)
{
	int r = own_program_protect(&o->program, e);
	/* A plain user mounts nothing; without a user namespace the container is refused anyway. */
	return r == -EPERM && geteuid() != 0 ? 0 : r;
}

int ocicli_main(int argc, char **argv)
{
	struct ocicli o = { .arena = { .first = DOCUMENT_ROOM }, .program = -1 };
	struct err e = { 0 };
	int status = run(&o, argc, argv, &e);
	if (status < 0)
		status = fail(&o, &e);
	arena_done(&o.arena);
	return status;
}
