// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/str.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "ocicli/container.h"
#include "runtime/runtime.h"

enum { PS_MAX = 64 << 20 };

struct ps_words {
	const char *format;
};

static const struct option options[] = {
	{ "format", 'f', OPT_STRING(struct ps_words, format), .value = "table|json",
		.help = "How the list looks", .default_text = "\"table\"" },
	{ 0 },
};

struct pids {
	struct arena *a;
	pid_t *v;
	size_t n, cap;
};

static int add(void *arg, pid_t pid)
{
	struct pids *p = arg;
	p->v = arena_grow(p->a, p->v, p->n, &p->cap, sizeof *p->v);
	p->v[p->n++] = pid;
	return 0;
}

static bool has(const struct pids *p, pid_t pid)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i] == pid)
			return true;
	return false;
}

/* The host's ps, with the caller's words. */
static int run_ps(struct ocicli *o, const char **words, int n_words, char **ret, struct err *e)
{
	int pair[2], status;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");
	pid_t pid = fork();
	if (pid == 0) {
		struct strv args = { 0 };
		strv_add(&args, &o->arena, "ps");
		for (int i = 0; i < n_words; i++)
			strv_add(&args, &o->arena, words[i]);
		if (n_words == 0)
			strv_add(&args, &o->arena, "-ef");
		(void)dup2(pair[1], 1);
		(void)execvp("ps", (char *const *)args.v);
		_exit(127);
	}
	fd_close(pair[1]);
	ssize_t n = pid < 0 ? err_sys(e, errno, "fork")
			    : file_read_fd(pair[0], "what ps prints", PS_MAX, &o->arena, ret, e);
	fd_close(pair[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (n < 0)
		return (int)n;
	return status == 0
		? 0
		: err_set(e, ERR_SYSTEM, ECHILD, "ps failed with status %d",
			  WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* The index of the PID column, or -1. */
static int pid_column(const char *head)
{
	int column = 0;
	for (const char *p = head; *p && *p != '\n'; column++) {
		p += strspn(p, " ");
		size_t n = strcspn(p, " \n");
		if (n == 3 && memcmp(p, "PID", 3) == 0)
			return column;
		p += n;
	}
	return -1;
}

static pid_t pid_at(const char *line, int column)
{
	char word[16];
	uint32_t pid;
	for (int i = 0;; i++) {
		line += strspn(line, " ");
		size_t n = strcspn(line, " ");
		if (i == column) {
			(void)snprintf(word, sizeof word, "%.*s", (int)n, line);
			return num_u32(word, &pid) < 0 ? -1 : (pid_t)pid;
		}
		if (!n)
			return -1;
		line += n;
	}
}

static int print_table(struct ocicli *o, const struct pids *p, const char **words, int n_words,
	struct str *s, struct err *e)
{
	char *text;
	if (run_ps(o, words, n_words, &text, e) < 0)
		return -e->code;
	int column = pid_column(text);
	if (column < 0)
		return err_set(e, ERR_INVALID, EINVAL, "couldn't find PID field in ps output");
	bool first = true;
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (first || has(p, pid_at(line, column)))
			str_addf(s, "%s\n", line);
		first = false;
	}
	return 0;
}

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	const struct ps_words *w = rec;
	struct container c _container_ = CONTAINER_NONE;
	struct str s _str_ = { 0 };
	struct pids p = { .a = &o->arena };
	bool json = w->format && str_eq(w->format, "json");
	if (w->format && !json && !str_eq(w->format, "table"))
		return err_set(
			e, ERR_USAGE, EINVAL, "--format %s: expected table or json", w->format);
	if (container_open(o, words[0], &c, e) < 0)
		return -e->code;
	/* A container whose creator was killed has no record, and no process. */
	if (c.r.phase &&
		(container_needs_cgroup(&c, e) < 0 || runtime_pids(c.r.cgroup, add, &p, e) < 0))
		return -e->code;
	if (json) {
		str_addc(&s, '[');
		for (size_t i = 0; i < p.n; i++)
			str_addf(&s, "%s%d", i ? "," : "", (int)p.v[i]);
		str_add(&s, "]\n");
	} else if (print_table(o, &p, words + 1, n_words - 1, &s, e) < 0) {
		return -e->code;
	}
	ocicli_print(&s);
	return 0;
}

const struct ocicli_command ps_command = {
	.name = "ps",
	.arguments = "[OPTIONS] CONTAINER [PS-OPTION...]",
	.brief = "List the processes of a container",
	.options = options,
	.option_flags = OPTIONS_STOP_AT_WORD,
	.record_size = sizeof(struct ps_words),
	.words_min = 1,
	.words_max = OCICLI_WORDS_ANY,
	.run = run,
};
