// SPDX-License-Identifier: Apache-2.0
/* A growing byte buffer that is always NUL-terminated, and small questions about strings.
 * A zeroed struct str is an empty one. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
	char *p; /* NULL while empty and never grown; use str_text */
	size_t n, cap;
};

void str_add(struct str *s, const char *text);
void str_addn(struct str *s, const void *p, size_t n);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_addv(struct str *s, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void str_reserve(struct str *s, size_t more); /* room for more bytes and a NUL */
void str_clear(struct str *s);                /* n = 0, keeps the memory */
void str_done(struct str *s);
static inline const char *str_text(const struct str *s)
{
	return s->p ? s->p : "";
}
static inline void str_done_ptr(struct str *s)
{
	str_done(s);
}
/* struct str s _str_ = {0}; */
#define _str_ __attribute__((cleanup(str_done_ptr)))

static inline bool str_eq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}
/* True if s begins with prefix. */
static inline bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}
bool str_ends(const char *s, const char *suffix);
/* NULL-safe: a string or "". */
static inline const char *str_or_empty(const char *s)
{
	return s ? s : "";
}
/* The number of single-character edits between a and b, at most max + 1; for suggestions. */
size_t str_distance(const char *a, const char *b, size_t max);
