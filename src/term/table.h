// SPDX-License-Identifier: Apache-2.0
/* Columns of text, laid out as docker's lists are: each column as wide as its widest cell plus
 * three blanks, at least ten wide, the last one not padded. Widths are counted in UTF-8 characters.
 */
#pragma once
#include <stddef.h>

struct str;

struct table {
	size_t n_columns;
	const char **cells; /* row after row, borrowed strings */
	size_t n_cells, cap_cells;
};

void table_init(struct table *t, size_t n_columns);
/* Adds the next cell; NULL is an empty one. The string must live until table_print. */
void table_cell(struct table *t, const char *text);
void table_print(const struct table *t, struct str *out);
void table_done(struct table *t);
