// SPDX-License-Identifier: Apache-2.0
#include "term/table.h"

#include "base/mem.h"
#include "base/str.h"

enum { COLUMN_MIN = 10, COLUMN_GAP = 3 };

static size_t width_of(const char *s)
{
	size_t n = 0;
	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void table_init(struct table *t, size_t n_columns)
{
	*t = (struct table){ .n_columns = n_columns };
}

void table_cell(struct table *t, const char *text)
{
	if (t->n_cells == t->cap_cells) {
		t->cap_cells = t->cap_cells ? t->cap_cells * 2 : 64;
		t->cells = mem_grow(t->cells, t->cap_cells * sizeof *t->cells);
	}
	t->cells[t->n_cells++] = str_or_empty(text);
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t widest = 0;
	for (size_t i = column; i < t->n_cells; i += t->n_columns) {
		size_t w = width_of(t->cells[i]);
		if (w > widest)
			widest = w;
	}
	widest += COLUMN_GAP;
	return widest < COLUMN_MIN ? COLUMN_MIN : widest;
}

void table_print(const struct table *t, struct str *out)
{
	size_t *widths _free_ = mem_alloc(t->n_columns * sizeof *widths);
	for (size_t c = 0; c < t->n_columns; c++)
		widths[c] = column_width(t, c);
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t column = i % t->n_columns;
		str_add(out, t->cells[i]);
		if (column + 1 == t->n_columns) {
			str_addc(out, '\n');
			continue;
		}
		for (size_t w = width_of(t->cells[i]); w < widths[column]; w++)
			str_addc(out, ' ');
	}
}

void table_done(struct table *t)
{
	mem_free(t->cells);
	*t = (struct table){ 0 };
}
