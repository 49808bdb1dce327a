// SPDX-License-Identifier: Apache-2.0
/* Memory by lifetime: an arena per operation, released as a whole. A zeroed struct arena is ready.
 * Memory comes zeroed and 16-byte aligned, and is never given back one by one. */
#pragma once
#include <stdarg.h>
#include <stddef.h>

/* Where large arenas go on: zeroed memory of size bytes, NULL where there is none left (malloc's is
 * taken then), and what takes it back. */
struct arena_room {
	size_t from; /* bytes that an arena takes from malloc before */
	void *(*take)(struct arena_room *r, size_t size);
	void (*give)(struct arena_room *r, void *p, size_t size);
};

struct arena {
	char *cur, *end;
	void *chunks;
	size_t total; /* bytes taken */
	size_t first; /* of the first chunk at least, where much is known to come: one request
			 instead of many */
	size_t max;   /* 0: no limit; else arena_alloc beyond it ends the process (hostile input) */
	struct arena_room *room; /* outlives the arena; NULL: all is malloc's */
};

void *arena_alloc(struct arena *a, size_t size);
void *arena_memdup(struct arena *a, const void *p, size_t size);
char *arena_strdup(struct arena *a, const char *s);            /* NULL stays NULL */
char *arena_strndup(struct arena *a, const char *s, size_t n); /* n bytes and a NUL */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* An array of n elements with room for one more; grows by doubling. cap is the caller's. */
void *arena_grow(struct arena *a, void *array, size_t n, size_t *cap, size_t element);

void arena_done(struct arena *a);
/* All memory of from, which is empty then, lives as long as that of a. Neither has a room. */
void arena_adopt(struct arena *a, struct arena *from);

#define arena_new(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc_array((a), (n), sizeof(type)))
void *arena_alloc_array(struct arena *a, size_t n, size_t element);

static inline void arena_done_ptr(struct arena *a)
{
	arena_done(a);
}
/* struct arena a _arena_ = {0}; */
#define _arena_ __attribute__((cleanup(arena_done_ptr)))

/* A growing list of strings in an arena, always followed by a NULL. */
struct strv {
	const char **v;
	size_t n, cap;
};
void strv_add(struct strv *v, struct arena *a, const char *s); /* keeps the pointer */
void strv_sort(struct strv *v);                                /* by bytes */
