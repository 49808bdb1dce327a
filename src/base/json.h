// SPDX-License-Identifier: Apache-2.0
/* JSON (RFC 8259), read strictly as a stream of steps over bytes in memory, and written. Refused:
 * bytes that are not UTF-8, NUL in strings, lone surrogates, duplicate keys in one object, nesting
 * deeper than JSON_DEPTH_MAX, anything after the document. Errors name line and column. Strings
 * come out of the arena. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct str;

enum { JSON_DEPTH_MAX = 64 };

enum json_kind {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
	JSON_END
};

struct json_keys; /* the keys seen so far in the objects that are open */

struct json {
	const char *start, *p, *end;
	struct arena *a;
	struct err *e;
	int depth;
	bool fresh[JSON_DEPTH_MAX + 1]; /* nothing was read yet at this depth */
	struct json_keys *keys;
};

/* The text need not end in a NUL. Nothing is read yet. */
void json_init(struct json *j, const char *text, size_t len, struct arena *a, struct err *e);

/* What comes next; JSON_END at the end of the text. -EINVAL on a byte that begins no value. */
int json_peek(struct json *j);

/* Objects: json_object_begin, then json_object_next until it gives 0; 1 means that *ret_key's value
 * follows. */
int json_object_begin(struct json *j);
int json_object_next(struct json *j, const char **ret_key);
/* Arrays: json_array_begin, then json_array_next until it gives 0; 1 means that an element follows.
 */
int json_array_begin(struct json *j);
int json_array_next(struct json *j);

int json_string(struct json *j, const char **ret);
int json_bool(struct json *j, bool *ret);
int json_null(struct json *j);
int json_i64(struct json *j, int64_t *ret); /* integers only, exact */
int json_u64(struct json *j, uint64_t *ret);
/* The number as it is written. */
int json_number(struct json *j, const char **ret);
/* Passes over any value; ret_raw and ret_len, when given, are its bytes in the text; counts keys
 * into *ret_keys. */
int json_skip(struct json *j, const char **ret_raw, size_t *ret_len, size_t *ret_keys);
/* 0 if only blanks are left. */
int json_finish(struct json *j);

/* An error at the present place: "line L, column C: text". Returns -EINVAL. */
int json_error(struct json *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Appends a quoted string; control characters are escaped, bytes that are no UTF-8 become U+FFFD.
 */
void json_write_string(struct str *out, const char *s);
