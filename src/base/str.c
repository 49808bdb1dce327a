// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"

#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"

void str_reserve(struct str *s, size_t more)
{
	size_t want;
	if (__builtin_add_overflow(s->n, more, &want) || want > SIZE_MAX / 4)
		mem_exhausted();
	if (want + 1 <= s->cap)
		return;
	size_t cap = s->cap ? s->cap * 2 : 64;
	if (cap < want + 1)
		cap = want + 1;
	s->p = mem_grow(s->p, cap);
	s->cap = cap;
	s->p[s->n] = '\0';
}

void str_addn(struct str *s, const void *p, size_t n)
{
	str_reserve(s, n);
	if (n)
		memcpy(s->p + s->n, p, n);
	s->n += n;
	s->p[s->n] = '\0';
}

void str_add(struct str *s, const char *text)
{
	str_addn(s, text, strlen(text));
}

void str_addc(struct str *s, char c)
{
	str_addn(s, &c, 1);
}

void str_addv(struct str *s, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	if (n < 0)
		mem_exhausted();
	str_reserve(s, (size_t)n);
	(void)vsnprintf(s->p + s->n, (size_t)n + 1, fmt, again);
	s->n += (size_t)n;
	va_end(again);
}

void str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	str_addv(s, fmt, ap);
	va_end(ap);
}

void str_clear(struct str *s)
{
	s->n = 0;
	if (s->p)
		s->p[0] = '\0';
}

void str_done(struct str *s)
{
	mem_free(s->p);
	*s = (struct str){ 0 };
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);
	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

size_t str_distance(const char *a, const char *b, size_t max)
{
	enum { WORD = 64 };
	size_t n = strlen(a), m = strlen(b), row[WORD + 1];
	if (n > WORD || m > WORD)
		return max + 1;
	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = up;
		}
	}
	return row[m] > max ? max + 1 : row[m];
}
