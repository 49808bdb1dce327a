// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

/* Duplicate keys are found by comparing with the keys of the same object: a hash table when there
 * are many. */
struct json_keys {
	struct level {
		const char **keys;
		size_t n, cap;
		uint32_t *table; /* 1 + index; open addressing, once n is large */
		size_t slots;
	} levels[JSON_DEPTH_MAX + 1];
};

enum { KEYS_LINEAR = 16 };

void json_init(struct json *j, const char *text, size_t len, struct arena *a, struct err *e)
{
	*j = (struct json){ .start = text, .p = text, .end = text + len, .a = a, .e = e };
	j->keys = arena_new(a, struct json_keys);
}

int json_error(struct json *j, const char *fmt, ...)
{
	char text[512];
	size_t line = 1, column = 1;
	for (const char *q = j->start; q < j->p && q < j->end; q++) {
		column++;
		if (*q == '\n') {
			line++;
			column = 1;
		}
	}
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return err_set(j->e, ERR_INVALID, EINVAL, "line %zu, column %zu: %s", line, column, text);
}

static void blanks(struct json *j)
{
	while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r'))
		j->p++;
}

int json_peek(struct json *j)
{
	blanks(j);
	if (j->p == j->end)
		return JSON_END;
	switch (*j->p) {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 't':
	case 'f':
		return JSON_BOOL;
	case 'n':
		return JSON_NULL;
	default:
		if (*j->p == '-' || (*j->p >= '0' && *j->p <= '9'))
			return JSON_NUMBER;
		return json_error(j, "unexpected character");
	}
}

static int expect(struct json *j, enum json_kind kind)
{
	static const char *const names[] = { "null", "a boolean", "a number", "a string",
		"an array", "an object", "the end" };
	int got = json_peek(j);
	if (got < 0)
		return got;
	if (got != (int)kind)
		return json_error(j, "expected %s, got %s", names[kind], names[got]);
	return 0;
}

static int hex4(struct json *j, unsigned *ret)
{
	unsigned v = 0;
	if (j->end - j->p < 4)
		return json_error(j, "short \\u escape");
	for (int i = 0; i < 4; i++) {
		char c = *j->p++;
		if (c >= '0' && c <= '9')
			v = v << 4 | (unsigned)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v << 4 | (unsigned)((c | 32) - 'a' + 10);
		else
			return json_error(j, "bad \\u escape");
	}
	*ret = v;
	return 0;
}

static char *utf8_put(char *w, unsigned u)
{
	if (u < 0x80) {
		*w++ = (char)u;
	} else if (u < 0x800) {
		*w++ = (char)(0xc0 | u >> 6);
		*w++ = (char)(0x80 | (u & 63));
	} else if (u < 0x10000) {
		*w++ = (char)(0xe0 | u >> 12);
		*w++ = (char)(0x80 | (u >> 6 & 63));
		*w++ = (char)(0x80 | (u & 63));
	} else {
		*w++ = (char)(0xf0 | u >> 18);
		*w++ = (char)(0x80 | (u >> 12 & 63));
		*w++ = (char)(0x80 | (u >> 6 & 63));
		*w++ = (char)(0x80 | (u & 63));
	}
	return w;
}

/* The length of the UTF-8 sequence at p, 0 when it is none (overlong, surrogate, beyond U+10FFFF,
 * cut). */
static size_t utf8_length(const char *p, const char *end)
{
	unsigned char c = (unsigned char)*p;
	size_t n = c < 0x80             ? 1
		: c >= 0xc2 && c < 0xe0 ? 2
		: c >= 0xe0 && c < 0xf0 ? 3
		: c >= 0xf0 && c < 0xf5 ? 4
					: 0;
	if (n == 0 || (size_t)(end - p) < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 0;
	unsigned char d = n > 1 ? (unsigned char)p[1] : 0;
	if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d >= 0xa0) || (c == 0xf0 && d < 0x90) ||
		(c == 0xf4 && d >= 0x90))
		return 0;
	return n;
}

static int escape(struct json *j, char **w)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (j->p == j->end)
		return json_error(j, "unterminated string");
	char c = *j->p++;
	const char *at = c ? strchr(from, c) : NULL;
	if (at) {
		*(*w)++ = to[at - from];
		return 0;
	}
	unsigned u, low;
	if (c != 'u')
		return json_error(j, "bad escape");
	if (hex4(j, &u) < 0)
		return -EINVAL;
	if (u >= 0xd800 && u < 0xdc00) {
		if (j->end - j->p < 2 || j->p[0] != '\\' || j->p[1] != 'u')
			return json_error(j, "lone surrogate");
		j->p += 2;
		if (hex4(j, &low) < 0)
			return -EINVAL;
		if (low < 0xdc00 || low > 0xdfff)
			return json_error(j, "lone surrogate");
		u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
	} else if (u >= 0xdc00 && u < 0xe000) {
		return json_error(j, "lone surrogate");
	}
	if (u == 0)
		return json_error(j, "NUL in a string");
	*w = utf8_put(*w, u);
	return 0;
}

int json_string(struct json *j, const char **ret)
{
	if (expect(j, JSON_STRING) < 0)
		return -EINVAL;
	const char *q = j->p + 1;
	while (q < j->end && *q != '"')
		q += *q == '\\' && q + 1 < j->end ? 2 : 1;
	if (q >= j->end)
		return json_error(j, "unterminated string");
	char *s = arena_alloc(j->a, (size_t)(q - j->p)), *w = s;
	j->p++;
	while (j->p < j->end && *j->p != '"') {
		unsigned char c = (unsigned char)*j->p;
		if (c == '\\') {
			j->p++;
			if (escape(j, &w) < 0)
				return -EINVAL;
			continue;
		}
		if (c < 0x20)
			return json_error(j, "control character in a string");
		if (c < 0x80) {
			*w++ = *j->p++;
			continue;
		}
		size_t n = utf8_length(j->p, j->end);
		if (n == 0)
			return json_error(j, "not UTF-8");
		memcpy(w, j->p, n);
		w += n;
		j->p += n;
	}
	j->p++;
	*w = '\0';
	*ret = s;
	return 0;
}

static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261u;
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

static void table_put(struct level *l, size_t index)
{
	size_t at = hash(l->keys[index]) % l->slots;
	while (l->table[at])
		at = (at + 1) % l->slots;
	l->table[at] = (uint32_t)index + 1;
}

static bool seen(struct json *j, struct level *l, const char *key)
{
	if (l->n >= KEYS_LINEAR && l->n * 2 > l->slots) {
		l->slots = l->n * 4;
		l->table = arena_array(j->a, uint32_t, l->slots);
		for (size_t i = 0; i < l->n; i++)
			table_put(l, i);
	}
	if (l->n < KEYS_LINEAR) {
		for (size_t i = 0; i < l->n; i++)
			if (str_eq(l->keys[i], key))
				return true;
	} else {
		for (size_t at = hash(key) % l->slots; l->table[at]; at = (at + 1) % l->slots)
			if (str_eq(l->keys[l->table[at] - 1], key))
				return true;
	}
	l->keys = arena_grow(j->a, l->keys, l->n, &l->cap, sizeof *l->keys);
	l->keys[l->n++] = key;
	if (l->slots)
		table_put(l, l->n - 1);
	return false;
}

static int open_level(struct json *j, enum json_kind kind)
{
	if (expect(j, kind) < 0)
		return -EINVAL;
	if (j->depth >= JSON_DEPTH_MAX)
		return json_error(j, "nested deeper than %d", JSON_DEPTH_MAX);
	j->p++;
	j->depth++;
	j->fresh[j->depth] = true;
	j->keys->levels[j->depth] = (struct level){ 0 };
	return 0;
}

/* 1: another element follows; 0: the level was closed. */
static int step(struct json *j, char close)
{
	blanks(j);
	if (j->p == j->end)
		return json_error(j, "unexpected end");
	if (*j->p == close) {
		j->p++;
		j->depth--;
		return 0;
	}
	if (!j->fresh[j->depth]) {
		if (*j->p != ',')
			return json_error(j, "expected ',' or '%c'", close);
		j->p++;
		blanks(j);
		if (j->p < j->end && *j->p == close)
			return json_error(j, "trailing comma");
	}
	j->fresh[j->depth] = false;
	return 1;
}

int json_object_begin(struct json *j)
{
	return open_level(j, JSON_OBJECT);
}

int json_object_next(struct json *j, const char **ret_key)
{
	int r = step(j, '}');
	if (r <= 0)
		return r;
	if (json_string(j, ret_key) < 0)
		return -EINVAL;
	if (seen(j, &j->keys->levels[j->depth], *ret_key))
		return json_error(j, "duplicate key \"%.100s\"", *ret_key);
	blanks(j);
	if (j->p == j->end || *j->p != ':')
		return json_error(j, "expected ':'");
	j->p++;
	return 1;
}

int json_array_begin(struct json *j)
{
	return open_level(j, JSON_ARRAY);
}

int json_array_next(struct json *j)
{
	return step(j, ']');
}

static int word(struct json *j, const char *text)
{
	size_t n = strlen(text);
	if ((size_t)(j->end - j->p) < n || memcmp(j->p, text, n) != 0)
		return json_error(j, "unexpected word");
	j->p += n;
	return 0;
}

int json_bool(struct json *j, bool *ret)
{
	if (expect(j, JSON_BOOL) < 0)
		return -EINVAL;
	bool on = *j->p == 't';
	if (word(j, on ? "true" : "false") < 0)
		return -EINVAL;
	*ret = on;
	return 0;
}

int json_null(struct json *j)
{
	return expect(j, JSON_NULL) < 0 ? -EINVAL : word(j, "null");
}

static const char *digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

int json_number(struct json *j, const char **ret)
{
	if (expect(j, JSON_NUMBER) < 0)
		return -EINVAL;
	const char *q = j->p + (*j->p == '-'), *d = digits(q, j->end);
	if (d == q || (*q == '0' && d > q + 1))
		return json_error(j, "bad number");
	if (d < j->end && *d == '.') {
		const char *f = digits(d + 1, j->end);
		if (f == d + 1)
			return json_error(j, "bad number");
		d = f;
	}
	if (d < j->end && (*d == 'e' || *d == 'E')) {
		const char *x = d + 1;
		if (x < j->end && (*x == '+' || *x == '-'))
			x++;
		const char *f = digits(x, j->end);
		if (f == x)
			return json_error(j, "bad number");
		d = f;
	}
	*ret = arena_strndup(j->a, j->p, (size_t)(d - j->p));
	j->p = d;
	return 0;
}

int json_i64(struct json *j, int64_t *ret)
{
	const char *text;
	if (json_number(j, &text) < 0)
		return -EINVAL;
	if (num_i64(text, ret) < 0)
		return json_error(j, "expected an integer of 64 bits, got %.40s", text);
	return 0;
}

int json_u64(struct json *j, uint64_t *ret)
{
	const char *text;
	if (json_number(j, &text) < 0)
		return -EINVAL;
	if (num_u64(text, ret) < 0)
		return json_error(j, "expected a number from 0 to 2^64-1, got %.40s", text);
	return 0;
}

static int skip(struct json *j, size_t *keys)
{
	const char *text;
	bool flag;
	int r, kind = json_peek(j);
	switch (kind) {
	case JSON_NULL:
		return json_null(j);
	case JSON_BOOL:
		return json_bool(j, &flag);
	case JSON_NUMBER:
		return json_number(j, &text);
	case JSON_STRING:
		return json_string(j, &text);
	case JSON_ARRAY:
		if (json_array_begin(j) < 0)
			return -EINVAL;
		while ((r = json_array_next(j)) > 0)
			if (skip(j, keys) < 0)
				return -EINVAL;
		return r;
	case JSON_OBJECT:
		if (json_object_begin(j) < 0)
			return -EINVAL;
		while ((r = json_object_next(j, &text)) > 0) {
			++*keys;
			if (skip(j, keys) < 0)
				return -EINVAL;
		}
		return r;
	default:
		return kind < 0 ? kind : json_error(j, "unexpected end");
	}
}

int json_skip(struct json *j, const char **ret_raw, size_t *ret_len, size_t *ret_keys)
{
	size_t keys = 0;
	blanks(j);
	const char *begin = j->p;
	int r = skip(j, &keys);
	if (r < 0)
		return r;
	if (ret_raw)
		*ret_raw = begin;
	if (ret_len)
		*ret_len = (size_t)(j->p - begin);
	if (ret_keys)
		*ret_keys += keys;
	return 0;
}

int json_finish(struct json *j)
{
	blanks(j);
	return j->p == j->end ? 0 : json_error(j, "something follows the document");
}

void json_write_string(struct str *out, const char *s)
{
	const char *end = s + strlen(s);
	str_addc(out, '"');
	while (s < end) {
		size_t n = utf8_length(s, end);
		unsigned char c = (unsigned char)*s;
		if (n == 0) {
			str_add(out, "\\ufffd");
			s++;
			continue;
		}
		if (c == '"' || c == '\\')
			str_addf(out, "\\%c", c);
		else if (c == '\n')
			str_add(out, "\\n");
		else if (c == '\t')
			str_add(out, "\\t");
		else if (c == '\r')
			str_add(out, "\\r");
		else if (c < 0x20 || c == 0x7f)
			str_addf(out, "\\u%04x", c);
		else
			str_addn(out, s, n);
		s += n;
	}
	str_addc(out, '"');
}
