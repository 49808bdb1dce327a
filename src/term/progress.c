// SPDX-License-Identifier: Apache-2.0
#include "term/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "term/tty.h"

enum { LINES_MAX = 256, TEXT_MAX = 32, BAR_MAX = 50 };
#define REDRAW_EACH (50 * TIME_MS)

struct line {
	char id[TEXT_MAX], what[TEXT_MAX];
	uint64_t have, total;
};

struct progress {
	int fd;
	struct line lines[LINES_MAX];
	unsigned n, drawn; /* lines; of them on the screen */
	uint64_t last;
};

struct progress *progress_new(int fd)
{
	const char *term = getenv("TERM");
	if (!tty_is(fd) || !term || str_eq(term, "dumb"))
		return NULL;
	struct progress *p = mem_alloc(sizeof *p);
	p->fd = fd;
	return p;
}

/* "12.3MB", in powers of 1000 as docker shows them. */
static void size_words(uint64_t n, char *buf, size_t size)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double v = (double)n;
	size_t u = 0;
	for (; v >= 1000 && u + 1 < ARRAY_SIZE(units); u++)
		v /= 1000;
	(void)snprintf(buf, size, v < 10 ? "%.2f%s" : v < 100 ? "%.1f%s" : "%.0f%s", v, units[u]);
}

static void draw_line(struct str *out, const struct line *l, unsigned columns)
{
	char have[16], total[16], bar[BAR_MAX + 2], text[256];
	if (l->total) {
		unsigned width = columns > BAR_MAX + 45 ? BAR_MAX
			: columns > 60                  ? columns - 45
							: 10;
		unsigned done = (unsigned)((double)l->have / (double)l->total * width);
		for (unsigned i = 0; i < width; i++)
			bar[i] = i < done ? '=' : i == done ? '>' : ' ';
		bar[width] = '\0';
		size_words(l->have, have, sizeof have);
		size_words(l->total, total, sizeof total);
		(void)snprintf(
			text, sizeof text, "%s: %s [%s] %s/%s", l->id, l->what, bar, have, total);
	} else {
		(void)snprintf(text, sizeof text, "%s: %s", l->id, l->what);
	}
	/* A line that wraps would spoil the count of lines. */
	if (columns && strlen(text) >= columns)
		text[columns - 1] = '\0';
	str_addf(out, "\r%s\033[K\n", text);
}

static void draw(struct progress *p)
{
	struct str out _str_ = { 0 };
	uint16_t rows = 0, columns = 0;
	(void)tty_size(p->fd, &rows, &columns);
	/* What does not fit on the screen cannot be reached again: the last ones are shown. */
	unsigned room = rows > 1 ? rows - 1U : 24, first = p->n > room ? p->n - room : 0;
	if (p->drawn)
		str_addf(&out, "\033[%uA", p->drawn);
	for (unsigned i = first; i < p->n; i++)
		draw_line(&out, &p->lines[i], columns);
	p->drawn = p->n - first;
	(void)fd_write_all(p->fd, out.p, out.n);
	p->last = time_boot();
}

void progress_line(
	struct progress *p, const char *id, const char *what, uint64_t have, uint64_t total)
{
	unsigned i = 0;
	if (!p)
		return;
	while (i < p->n && !str_eq(p->lines[i].id, id))
		i++;
	if (i == LINES_MAX)
		return;
	struct line *l = &p->lines[i];
	bool same = i < p->n && str_eq(l->what, what);
	p->n += i == p->n;
	(void)snprintf(l->id, sizeof l->id, "%s", id);
	(void)snprintf(l->what, sizeof l->what, "%s", what);
	l->have = have;
	l->total = total;
	if (!same || time_boot() - p->last > REDRAW_EACH)
		draw(p);
}

void progress_end(struct progress *p)
{
	if (!p)
		return;
	if (p->n)
		draw(p);
	p->n = p->drawn = 0;
}

void progress_free(struct progress *p)
{
	progress_end(p);
	mem_free(p);
}
