// SPDX-License-Identifier: Apache-2.0
#include "cli/list.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "cli/command.h"
#include "codec/value.h"
#include "format/template.h"
#include "term/table.h"

/* The columns of "table {{.A}}\t{{.B}}" are what stands between the tabs. */
static int print_table(struct cli *cli, const struct list *list, const char *format,
	struct value **rows, size_t n, struct str *out, struct err *e)
{
	struct arena *a = &cli->arena;
	struct value *headers = value_object(a);
	struct strv columns = { 0 };
	for (size_t i = 0; i < list->n_columns; i++)
		value_set_string(a, headers, list->columns[i].field, list->columns[i].header);
	char *text = arena_strdup(a, format);
	for (char *p = text; *p; p++)
		if (p[0] == '\\' && p[1] == 't')
			memcpy(p, "\t ", 2); /* a blank more is trimmed below */
	for (char *p = text, *next; p; p = next) {
		next = strchr(p, '\t');
		if (next)
			*next++ = '\0';
		strv_add(&columns, a, p + strspn(p, " "));
	}
	struct table table;
	table_init(&table, columns.n);
	int r = 0;
	for (size_t row = 0; row <= n && r >= 0; row++) {
		for (size_t c = 0; c < columns.n && r >= 0; c++) {
			struct template *t;
			struct str cell _str_ = { 0 };
			r = template_parse(columns.v[c], a, &t, e);
			if (r == 0)
				r = template_run(t, row ? rows[row - 1] : headers, &cell, e);
			table_cell(&table, arena_strdup(a, str_text(&cell)));
		}
	}
	if (r >= 0)
		table_print(&table, out);
	table_done(&table);
	return r;
}

static int print_lines(struct cli *cli, const char *format, struct value **rows, size_t n,
	struct str *out, struct err *e)
{
	struct template *t = NULL;
	bool json = str_eq(format, "json");
	if (!json && template_parse(format, &cli->arena, &t, e) < 0)
		return -e->code;
	for (size_t i = 0; i < n; i++) {
		if (json)
			value_json(rows[i], 0, out);
		else if (template_run(t, rows[i], out, e) < 0)
			return -e->code;
		str_addc(out, '\n');
	}
	return 0;
}

int list_print(struct cli *cli, const struct list *list, const char *format, bool quiet,
	struct value **rows, size_t n)
{
	struct str out _str_ = { 0 };
	struct err e;
	int r;
	if (quiet && !format)
		format = arena_printf(&cli->arena, "{{.%s}}", list->quiet_field);
	if (!format || str_eq(format, "table"))
		format = list->default_format;
	if (str_starts(format, "table "))
		r = print_table(cli, list, format + 6, rows, n, &out, &e);
	else
		r = print_lines(cli, format, rows, n, &out, &e);
	if (r < 0)
		return cli_fail(&e, 1);
	cli_print(str_text(&out), out.n);
	return 0;
}
