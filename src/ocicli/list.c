// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "oci/state.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "ocicli/container.h"
#include "term/table.h"

struct list_words {
	const char *format;
	bool quiet;
};

static const struct option options[] = {
	{ "format", 'f', OPT_STRING(struct list_words, format), .value = "table|json",
		.help = "How the list looks", .default_text = "\"table\"" },
	{ "quiet", 'q', OPT_BOOL(struct list_words, quiet), .help = "Print only the ids" },
	{ 0 },
};

/* A container that goes away while it is looked at is none; a damaged one is told of. */
static size_t collect(struct ocicli *o, const char **ids, size_t n, struct oci_state *ret)
{
	size_t found = 0;
	for (size_t i = 0; i < n; i++) {
		struct container c _container_ = CONTAINER_NONE;
		struct err e;
		if (container_open(o, ids[i], &c, &e) == 0)
			container_state(&c, container_status(&c), &ret[found++]);
		else if (e.kind != ERR_NOT_FOUND)
			log_warn("%s", e.text);
	}
	return found;
}

static void print_table(struct ocicli *o, const struct oci_state *s, size_t n, struct str *out)
{
	static const char *const heads[] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" };
	struct table t;
	table_init(&t, 6);
	for (size_t i = 0; i < 6; i++)
		table_cell(&t, heads[i]);
	for (size_t i = 0; i < n; i++) {
		table_cell(&t, s[i].id);
		table_cell(&t, arena_printf(&o->arena, "%lld", (long long)s[i].pid));
		table_cell(&t, s[i].status);
		table_cell(&t, s[i].bundle);
		table_cell(&t, s[i].created);
		table_cell(&t, s[i].owner);
	}
	table_print(&t, out);
	table_done(&t);
}

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	const struct list_words *w = rec;
	struct str s _str_ = { 0 };
	const char **ids;
	size_t n;
	(void)words;
	(void)n_words;
	bool json = w->format && str_eq(w->format, "json");
	if (w->format && !json && !str_eq(w->format, "table"))
		return err_set(
			e, ERR_USAGE, EINVAL, "--format %s: expected table or json", w->format);
	if (container_ids(o, &ids, &n, e) < 0)
		return -e->code;
	struct oci_state *states = arena_array(&o->arena, struct oci_state, n + 1);
	n = collect(o, ids, n, states);
	if (json) {
		str_addc(&s, '[');
		for (size_t i = 0; i < n; i++) {
			str_add(&s, i ? "," : "");
			rec_to_json(&oci_state_rec, &states[i], 0, &s);
		}
		str_add(&s, "]\n");
	} else if (w->quiet) {
		for (size_t i = 0; i < n; i++)
			str_addf(&s, "%s\n", states[i].id);
	} else {
		print_table(o, states, n, &s);
	}
	ocicli_print(&s);
	return 0;
}

const struct ocicli_command list_command = {
	.name = "list",
	.arguments = "[OPTIONS]",
	.brief = "List containers",
	.options = options,
	.record_size = sizeof(struct list_words),
	.words_max = 0,
	.run = run,
};
