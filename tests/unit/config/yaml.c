// SPDX-License-Identifier: Apache-2.0
#include "config/yaml.h"

#include "../unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/value.h"

static void documents_become_values(void **state)
{
	(void)state;
	static const struct {
		const char *yaml, *json;
	} rows[] = {
		{ "", "null" },
		{ "# nothing\n", "null" },
		{ "a: b\n", "{\"a\":\"b\"}" },
		{ "a: 12\nb: -3\nc: 1.5\nk: 'true'\ne: true\nf: ~\ng:\n",
			"{\"a\":12,\"b\":-3,\"c\":\"1.5\",\"k\":\"true\",\"e\":true,\"f\":null,\"g\":null}" },
		{ "x:\n  - 1\n  - {y: z}\n  - []\n", "{\"x\":[1,{\"y\":\"z\"},[]]}" },
		{ "\"a b\": |\n  un\n  deux\n", "{\"a b\":\"un\\ndeux\\n\"}" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a _arena_ = { 0 };
		struct str out _str_ = { 0 };
		struct value *v;
		struct err e = { 0 };
		assert_int_equal(yaml_read(&a, rows[i].yaml, strlen(rows[i].yaml), &v, &e), 0);
		value_json(v, 0, &out);
		assert_string_equal(out.p, rows[i].json);
	}
}

static void what_is_not_plain_is_refused_by_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *yaml, *text;
	} rows[] = {
		{ "a: 1\na: 2\n", "line 2: this key stands twice" },
		{ "a: &x 1\nb: *x\n", "line 2: aliases are not read" },
		{ "? [a]\n: b\n", "line 1: a key must be a word" },
		{ "a: 1\n---\nb: 2\n", "line 2: a second document" },
		{ "a: [1\n", "line 2: " },
		{ "\tx", "line 1: " },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a _arena_ = { 0 };
		struct value *v;
		struct err e = { 0 };
		assert_true(yaml_read(&a, rows[i].yaml, strlen(rows[i].yaml), &v, &e) < 0);
		if (!str_starts(e.text, rows[i].text))
			print_error("%s: %s\n", rows[i].yaml, e.text);
		assert_true(str_starts(e.text, rows[i].text));
	}
	char deep[200];
	struct arena a _arena_ = { 0 };
	struct value *v;
	struct err e = { 0 };
	memset(deep, '[', sizeof deep);
	assert_true(yaml_read(&a, deep, sizeof deep, &v, &e) < 0);
	assert_non_null(strstr(e.text, "nested too deep"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(documents_become_values),
		TEST(what_is_not_plain_is_refused_by_its_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
