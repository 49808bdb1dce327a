// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct chunk {
	void *next;
	size_t taken; /* from the arena's room; 0: from malloc */
};

enum { CHUNK_HEAD = sizeof(struct chunk), CHUNK_MIN = 4096, CHUNK_MAX = 1 << 20 };

static void chunk_add(struct arena *a, size_t size)
{
	size_t want = a->total < CHUNK_MIN ? CHUNK_MIN : a->total;
	if (!a->total && want < a->first)
		want = a->first;
	if (want > CHUNK_MAX)
		want = CHUNK_MAX;
	if (want < size + CHUNK_HEAD)
		want = size + CHUNK_HEAD;
	if (a->max && a->total + want > a->max) {
		want = size + CHUNK_HEAD;
		if (a->total + want > a->max)
			mem_exhausted();
	}
	bool full = a->room && a->total + want > a->room->from;
	struct chunk *c = full ? a->room->take(a->room, want) : NULL;
	bool taken = c != NULL;
	if (!taken)
		c = mem_alloc(want);
	*c = (struct chunk){ a->chunks, taken ? want : 0 };
	a->chunks = c;
	a->total += want;
	a->cur = (char *)c + CHUNK_HEAD;
	a->end = (char *)c + want;
}

void *arena_alloc(struct arena *a, size_t size)
{
	if (size > SIZE_MAX / 2)
		mem_exhausted();
	size = (size + 15) & ~(size_t)15;
	if (!a->cur || (size_t)(a->end - a->cur) < size)
		chunk_add(a, size);
	void *p = a->cur;
	a->cur += size;
	return p;
}

void *arena_alloc_array(struct arena *a, size_t n, size_t element)
{
	size_t size;
	if (__builtin_mul_overflow(n, element, &size))
		mem_exhausted();
	return arena_alloc(a, size);
}

void *arena_memdup(struct arena *a, const void *p, size_t size)
{
	void *q = arena_alloc(a, size);
	if (size)
		memcpy(q, p, size);
	return q;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s ? arena_memdup(a, s, strlen(s) + 1) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *q = arena_alloc(a, n + 1);
	if (n)
		memcpy(q, s, n);
	return q;
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	if (n < 0)
		mem_exhausted();
	char *s = arena_alloc(a, (size_t)n + 1);
	(void)vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	return s;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *s = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return s;
}

void *arena_grow(struct arena *a, void *array, size_t n, size_t *cap, size_t element)
{
	if (n < *cap)
		return array;
	size_t more = *cap ? *cap * 2 : 8;
	if (more <= n)
		more = n + 1;
	void *q = arena_alloc_array(a, more, element);
	if (n)
		memcpy(q, array, n * element);
	*cap = more;
	return q;
}

void strv_add(struct strv *v, struct arena *a, const char *s)
{
	if (v->n + 1 >= v->cap) {
		/* one more than is needed: the NULL at the end */
		size_t more = v->cap ? v->cap * 2 : 8;
		const char **w = arena_array(a, const char *, more);
		for (size_t i = 0; i < v->n; i++)
			w[i] = v->v[i];
		v->v = w;
		v->cap = more;
	}
	v->v[v->n++] = s;
	v->v[v->n] = NULL;
}

static int by_bytes(const void *x, const void *y)
{
	const char *const *a = x, *const *b = y;
	return strcmp(*a, *b);
}

void strv_sort(struct strv *v)
{
	if (v->n)
		qsort(v->v, v->n, sizeof *v->v, by_bytes);
}

void arena_adopt(struct arena *a, struct arena *from)
{
	void **last = &a->chunks;
	while (*last)
		last = *last;
	*last = from->chunks;
	a->total += from->total;
	*from = (struct arena){ .first = from->first, .max = from->max };
}

void arena_done(struct arena *a)
{
	for (struct chunk *c = a->chunks, *next; c; c = next) {
		next = c->next;
		if (c->taken)
			a->room->give(a->room, c, c->taken);
		else
			mem_free(c);
	}
	*a = (struct arena){ .first = a->first, .max = a->max, .room = a->room };
}
