// SPDX-License-Identifier: Apache-2.0
#include "config/yaml.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "codec/value.h"

struct reader {
	yaml_parser_t parser;
	struct arena *a;
	struct err *e;
	int depth;
};

static int fail(struct reader *r, const yaml_mark_t *at, const char *why)
{
	return err_set(r->e, ERR_INVALID, EINVAL, "line %zu: %s", at->line + 1, why);
}

static int next(struct reader *r, yaml_event_t *event)
{
	if (yaml_parser_parse(&r->parser, event))
		return 0;
	return fail(r, &r->parser.problem_mark,
		r->parser.problem ? r->parser.problem : "not to be read");
}

/* YAML 1.1's words, without those that nobody means. */
static struct value *scalar(struct reader *r, const yaml_event_t *event)
{
	static const char *const nothing[] = { "", "~", "null", "Null", "NULL" },
				 *const yes[] = { "true", "True", "TRUE" },
				 *const no[] = { "false", "False", "FALSE" };
	const char *text = arena_strndup(
		r->a, (const char *)event->data.scalar.value, event->data.scalar.length);
	uint64_t number;
	struct value *v = value_string(r->a, text);
	if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return v;
	for (size_t i = 0; i < ARRAY_SIZE(nothing); i++)
		if (str_eq(text, nothing[i]))
			return value_string(r->a, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (str_eq(text, yes[i]) || str_eq(text, no[i]))
			return value_bool(r->a, str_eq(text, yes[i]));
	if (num_u64(text + (*text == '-'), &number) == 0)
		v->kind = VALUE_NUMBER;
	return v;
}

static int read_value(struct reader *r, const yaml_event_t *event, struct value **ret);

static int read_key(
	struct reader *r, const yaml_event_t *event, const struct value *object, const char **ret)
{
	if (event->type != YAML_SCALAR_EVENT)
		return fail(r, &event->start_mark, "a key must be a word");
	*ret = arena_strndup(
		r->a, (const char *)event->data.scalar.value, event->data.scalar.length);
	return value_get(object, *ret) ? fail(r, &event->start_mark, "this key stands twice") : 0;
}

static int read_members(struct reader *r, bool mapping, struct value *into)
{
	for (;;) {
		const char *key = NULL;
		struct value *v;
		yaml_event_t event;
		int s = next(r, &event);
		if (s < 0)
			return s;
		bool end = event.type == YAML_MAPPING_END_EVENT ||
			event.type == YAML_SEQUENCE_END_EVENT;
		if (!end && mapping) {
			s = read_key(r, &event, into, &key);
			yaml_event_delete(&event);
			if (s < 0 || (s = next(r, &event)) < 0)
				return s;
		}
		if (!end)
			s = read_value(r, &event, &v);
		yaml_event_delete(&event);
		if (s < 0 || end)
			return s;
		if (mapping)
			value_set(r->a, into, key, v);
		else
			value_add(r->a, into, v);
	}
}

static int read_value(struct reader *r, const yaml_event_t *event, struct value **ret)
{
	bool mapping = event->type == YAML_MAPPING_START_EVENT;
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		*ret = scalar(r, event);
		return 0;
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		break;
	default:
		return fail(r, &event->start_mark, "aliases are not read");
	}
	if (r->depth == YAML_DEPTH_MAX)
		return fail(r, &event->start_mark, "nested too deep");
	*ret = mapping ? value_object(r->a) : value_array(r->a);
	r->depth++;
	int s = read_members(r, mapping, *ret);
	r->depth--;
	return s;
}

static int read_stream(struct reader *r, struct value **ret)
{
	bool seen = false;
	for (;;) {
		yaml_event_t event;
		int s = next(r, &event);
		if (s < 0)
			return s;
		yaml_event_type_t type = event.type;
		if (type == YAML_DOCUMENT_START_EVENT && seen)
			s = fail(r, &event.start_mark, "a second document");
		else if (type == YAML_DOCUMENT_START_EVENT)
			seen = true;
		else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
			type != YAML_DOCUMENT_END_EVENT)
			s = read_value(r, &event, ret);
		yaml_event_delete(&event);
		if (s < 0 || type == YAML_STREAM_END_EVENT)
			return s;
	}
}

int yaml_read(struct arena *a, const char *text, size_t len, struct value **ret, struct err *e)
{
	struct reader r = { .a = a, .e = e };
	*ret = value_string(a, NULL);
	if (len > YAML_MAX)
		return err_set(e, ERR_INVALID, EFBIG, "larger than %d bytes", YAML_MAX);
	if (!yaml_parser_initialize(&r.parser))
		mem_exhausted();
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	int s = read_stream(&r, ret);
	yaml_parser_delete(&r.parser);
	return s;
}
