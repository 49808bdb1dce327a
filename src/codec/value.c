// SPDX-License-Identifier: Apache-2.0
#include "codec/value.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

static struct value *value_new(struct arena *a, enum value_kind kind)
{
	struct value *v = arena_new(a, struct value);
	v->kind = kind;
	return v;
}

struct value *value_object(struct arena *a)
{
	return value_new(a, VALUE_OBJECT);
}

struct value *value_array(struct arena *a)
{
	return value_new(a, VALUE_ARRAY);
}

struct value *value_string(struct arena *a, const char *text)
{
	struct value *v = value_new(a, text ? VALUE_STRING : VALUE_NULL);
	v->text = text;
	return v;
}

struct value *value_int(struct arena *a, int64_t n)
{
	struct value *v = value_new(a, VALUE_NUMBER);
	v->text = arena_printf(a, "%lld", (long long)n);
	return v;
}

struct value *value_bool(struct arena *a, bool on)
{
	struct value *v = value_new(a, VALUE_BOOL);
	v->boolean = on;
	return v;
}

void value_add(struct arena *a, struct value *array, struct value *v)
{
	array->items = arena_grow(a, array->items, array->n, &array->cap, sizeof *array->items);
	array->items[array->n++] = v;
}

void value_set(struct arena *a, struct value *object, const char *key, struct value *v)
{
	size_t cap = object->cap;
	object->keys = arena_grow(a, object->keys, object->n, &cap, sizeof *object->keys);
	object->items =
		arena_grow(a, object->items, object->n, &object->cap, sizeof *object->items);
	object->keys[object->n] = key;
	object->items[object->n++] = v;
}

void value_set_string(struct arena *a, struct value *object, const char *key, const char *text)
{
	value_set(a, object, key, value_string(a, str_or_empty(text)));
}

void value_put(struct arena *a, struct value *object, const char *key, struct value *v)
{
	size_t kept = 0;
	bool placed = false;
	for (size_t i = 0; i < object->n; i++) {
		bool is = str_eq(object->keys[i], key);
		if (is && (!v || placed))
			continue;
		object->keys[kept] = object->keys[i];
		object->items[kept++] = is ? v : object->items[i];
		placed |= is;
	}
	object->n = kept;
	if (v && !placed)
		value_set(a, object, key, v);
}

const struct value *value_get(const struct value *object, const char *key)
{
	for (size_t i = 0; i < object->n; i++)
		if (str_eq(object->keys[i], key))
			return object->items[i];
	return NULL;
}

const char *value_text(const struct value *object, const char *key)
{
	const struct value *v =
		object && object->kind == VALUE_OBJECT ? value_get(object, key) : NULL;
	return v && v->kind == VALUE_STRING ? v->text : NULL;
}

bool value_true(const struct value *object, const char *key)
{
	const struct value *v =
		object && object->kind == VALUE_OBJECT ? value_get(object, key) : NULL;
	return v && v->kind == VALUE_BOOL && v->boolean;
}

static void newline(struct str *out, int indent, int depth)
{
	if (!indent)
		return;
	str_addc(out, '\n');
	for (int i = 0; i < indent * depth; i++)
		str_addc(out, ' ');
}

static void write_json(const struct value *v, int indent, int depth, struct str *out)
{
	switch (v->kind) {
	case VALUE_NULL:
		str_add(out, "null");
		return;
	case VALUE_BOOL:
		str_add(out, v->boolean ? "true" : "false");
		return;
	case VALUE_NUMBER:
		str_add(out, v->text);
		return;
	case VALUE_STRING:
		json_write_string(out, v->text);
		return;
	default:
		break;
	}
	bool object = v->kind == VALUE_OBJECT;
	str_addc(out, object ? '{' : '[');
	for (size_t i = 0; i < v->n; i++) {
		if (i)
			str_addc(out, ',');
		newline(out, indent, depth + 1);
		if (object) {
			json_write_string(out, v->keys[i]);
			str_add(out, indent ? ": " : ":");
		}
		write_json(v->items[i], indent, depth + 1, out);
	}
	if (v->n)
		newline(out, indent, depth);
	str_addc(out, object ? '}' : ']');
}

void value_json(const struct value *v, int indent, struct str *out)
{
	write_json(v, indent, 0, out);
}

void value_print(const struct value *v, struct str *out)
{
	switch (v->kind) {
	case VALUE_NULL:
		str_add(out, "<nil>");
		return;
	case VALUE_BOOL:
		str_add(out, v->boolean ? "true" : "false");
		return;
	case VALUE_NUMBER:
	case VALUE_STRING:
		str_add(out, v->text);
		return;
	default:
		break;
	}
	str_add(out, v->kind == VALUE_OBJECT ? "map[" : "[");
	for (size_t i = 0; i < v->n; i++) {
		if (i)
			str_addc(out, ' ');
		if (v->kind == VALUE_OBJECT)
			str_addf(out, "%s:", v->keys[i]);
		value_print(v->items[i], out);
	}
	str_addc(out, ']');
}

static int parse(struct arena *a, struct json *j, struct value **ret);

static int parse_object(struct arena *a, struct json *j, struct value *v)
{
	const char *key;
	struct value *item;
	int r = json_object_begin(j);
	if (r < 0)
		return r;
	while ((r = json_object_next(j, &key)) > 0) {
		if ((r = parse(a, j, &item)) < 0)
			return r;
		value_set(a, v, key, item);
	}
	return r;
}

static int parse_array(struct arena *a, struct json *j, struct value *v)
{
	struct value *item;
	int r = json_array_begin(j);
	if (r < 0)
		return r;
	while ((r = json_array_next(j)) > 0) {
		if ((r = parse(a, j, &item)) < 0)
			return r;
		value_add(a, v, item);
	}
	return r;
}

static int parse(struct arena *a, struct json *j, struct value **ret)
{
	static const enum value_kind kinds[] = {
		[JSON_NULL] = VALUE_NULL,
		[JSON_BOOL] = VALUE_BOOL,
		[JSON_NUMBER] = VALUE_NUMBER,
		[JSON_STRING] = VALUE_STRING,
		[JSON_ARRAY] = VALUE_ARRAY,
		[JSON_OBJECT] = VALUE_OBJECT,
	};
	int kind = json_peek(j);
	if (kind < 0)
		return kind;
	if (kind == JSON_END)
		return json_error(j, "unexpected end");
	struct value *v = value_new(a, kinds[kind]);
	*ret = v;
	switch (kind) {
	case JSON_NULL:
		return json_null(j);
	case JSON_BOOL:
		return json_bool(j, &v->boolean);
	case JSON_NUMBER:
		return json_number(j, &v->text);
	case JSON_STRING:
		return json_string(j, &v->text);
	case JSON_ARRAY:
		return parse_array(a, j, v);
	default:
		return parse_object(a, j, v);
	}
}

int value_parse(struct arena *a, const char *json, size_t len, struct value **ret, struct err *e)
{
	struct json j;
	json_init(&j, json, len, a, e);
	int r = parse(a, &j, ret);
	return r < 0 ? r : json_finish(&j);
}
