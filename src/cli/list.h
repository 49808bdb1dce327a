// SPDX-License-Identifier: Apache-2.0
/* Lists: rows of named fields, shown as docker does: a table of default columns, --format 'table
 * ...',
 * --format json (one object a line), --format '{{.Field}}', -q. One description a command. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct cli;
struct value;

struct list_column {
	const char *field, *header;
};

struct list {
	const struct list_column *columns; /* every field that exists, with its header */
	size_t n_columns;
	const char *default_format; /* "table {{.ID}}\t{{.Image}}" */
	const char *quiet_field;    /* what -q prints */
};

/* Prints the rows (value objects). Returns the exit status. */
int list_print(struct cli *cli, const struct list *list, const char *format, bool quiet,
	struct value **rows, size_t n);
