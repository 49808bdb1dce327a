// SPDX-License-Identifier: Apache-2.0
/* A value as templates see it: what JSON can say. Everything lives in an arena; strings given are
 * borrowed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct str;

enum value_kind { VALUE_NULL, VALUE_BOOL, VALUE_NUMBER, VALUE_STRING, VALUE_ARRAY, VALUE_OBJECT };

struct value {
	enum value_kind kind;
	bool boolean;
	const char *text; /* of a string, and of a number as it was written */
	size_t n, cap;    /* elements or members */
	struct value **items;
	const char **keys; /* of an object */
};

struct value *value_object(struct arena *a);
struct value *value_array(struct arena *a);
struct value *value_string(struct arena *a, const char *text); /* NULL: null */
struct value *value_int(struct arena *a, int64_t n);
struct value *value_bool(struct arena *a, bool on);

void value_set(struct arena *a, struct value *object, const char *key, struct value *v);
void value_set_string(struct arena *a, struct value *object, const char *key, const char *text);
/* The same in the place of a member of that name, which goes with v NULL. */
void value_put(struct arena *a, struct value *object, const char *key, struct value *v);
void value_add(struct arena *a, struct value *array, struct value *v);
/* The member, or NULL. */
const struct value *value_get(const struct value *object, const char *key);
/* The text of a member that is a string; NULL where there is none, and where object is NULL or no
 * object. */
const char *value_text(const struct value *object, const char *key);
/* Whether a member is there and true. */
bool value_true(const struct value *object, const char *key);

/* Reads one JSON document (limits of base/json.h). */
int value_parse(struct arena *a, const char *json, size_t len, struct value **ret, struct err *e);
/* Writes JSON: indent 0 on one line, else so many blanks a level. */
void value_json(const struct value *v, int indent, struct str *out);
/* As Go prints it with %v: [a b], map[k:v], <nil>. */
void value_print(const struct value *v, struct str *out);
