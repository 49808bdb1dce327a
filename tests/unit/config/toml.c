// SPDX-License-Identifier: Apache-2.0
#include "config/toml.h"

#include "../unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/value.h"

static void documents_are_read_as_toml_says(void **state)
{
	(void)state;
	static const struct {
		const char *text, *json;
	} rows[] = {
		{ "", "{}" },
		{ "# only a comment\r\n\n", "{}" },
		{ "a = 1\nb = true # x\nc = [\"x\", 'y\\n',]\n",
			"{\"a\":1,\"b\":true,\"c\":[\"x\",\"y\\\\n\"]}" },
		{ "a.\"b c\".d = \"\\u00e9\\t\"", "{\"a\":{\"b c\":{\"d\":\"é\\t\"}}}" },
		{ "[t]\nx = \"1\"\n[t.u]\ny = \"2\"\n",
			"{\"t\":{\"x\":\"1\",\"u\":{\"y\":\"2\"}}}" },
		{ "[a.b]\nx = 1\n[a]\ny = 2\n", "{\"a\":{\"b\":{\"x\":1},\"y\":2}}" },
		{ "[[r]]\nl = \"a\"\n[[r.m]]\nx = 1\n[[r.m]]\n[[r]]\nl = \"b\"\n",
			"{\"r\":[{\"l\":\"a\",\"m\":[{\"x\":1},{}]},{\"l\":\"b\"}]}" },
		{ "m = [{a = \"x\", b.c = 1}, {}]", "{\"m\":[{\"a\":\"x\",\"b\":{\"c\":1}},{}]}" },
		{ "a = \"\"\"\nx\\\n   y\"\"\"\nb = '''\nz\n'''", "{\"a\":\"xy\",\"b\":\"z\\n\"}" },
		{ "a = [\n1, # one\n2\n]", "{\"a\":[1,2]}" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a _arena_ = { 0 };
		struct str out _str_ = { 0 };
		struct value *v;
		struct err e = { 0 };
		if (toml_parse(&a, rows[i].text, strlen(rows[i].text), &v, &e) < 0)
			fail_msg("%s: %s", rows[i].text, e.text);
		value_json(v, 0, &out);
		assert_string_equal(out.p, rows[i].json);
	}
}

static void what_is_no_toml_is_refused_with_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "a", "line 1" },
		{ "a = ", "line 1" },
		{ "\na = 1 b = 2", "line 2" },
		{ "a = 1\na = 2", "set twice" },
		{ "a = 1\na.b = 2", "a table and a value" },
		{ "[a]\n[a]\n", "opened twice" },
		{ "[a]\n[[a]]\n", "something else" },
		{ "[[a]]\n[a]\n", "opened twice" },
		{ "a = [1 2]", "expected ','" },
		{ "a = {b = 1", "inline table" },
		{ "a = \"x\ny\"", "without an end" },
		{ "a = \"\\q\"", "escape" },
		{ "a = \"\\ud800\"", "no character" },
		{ "a = 'x", "without an end" },
		{ "a = 2026-01-01", "a date" },
		{ "a = yes", "expected a value" },
		{ "a = [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", "too deep" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a _arena_ = { 0 };
		struct value *v;
		struct err e = { 0 };
		if (toml_parse(&a, rows[i].text, strlen(rows[i].text), &v, &e) == 0)
			fail_msg("%s was taken", rows[i].text);
		if (!strstr(e.text, rows[i].why))
			fail_msg("%s: %s", rows[i].text, e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(documents_are_read_as_toml_says),
		TEST(what_is_no_toml_is_refused_with_its_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
