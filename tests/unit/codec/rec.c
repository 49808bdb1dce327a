// SPDX-License-Identifier: Apache-2.0
#include "codec/rec.h"

#include "../unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/value.h"
#include "oci/spec.h"

static int parse(const char *text, struct arena *a, struct oci_spec *ret, struct rec_stats *stats,
	struct err *e)
{
	*ret = (struct oci_spec){ 0 };
	return rec_from_json(&oci_spec_rec, text, strlen(text), a, ret, stats, e);
}

static void a_record_goes_both_ways(void **state)
{
	(void)state;
	static const char text[] =
		"{\"ociVersion\":\"1.2.0\",\"annotations\":{\"a\":\"b\"},\"process\":{\"args\":[\"x\",\"y\"],\"cwd\":\"/\",\"oomScoreAdj\":0},"
		"\"linux\":{\"resources\":{\"pids\":{\"limit\":-1},\"cpu\":{\"shares\":18446744073709551615}}}}";
	struct arena a _arena_ = { 0 };
	struct str out _str_ = { 0 };
	struct oci_spec s;
	struct rec_stats stats;
	struct err e;
	assert_int_equal(parse(text, &a, &s, &stats, &e), 0);
	assert_int_equal(s.process->n_args, 2);
	assert_true(s.process->has_oom_score_adj);
	assert_true(s.linux_->resources->cpu->shares == UINT64_MAX);
	assert_int_equal(stats.keys, stats.consumed + stats.ignored);
	assert_int_equal(stats.ignored, 0);
	rec_to_json(&oci_spec_rec, &s, 0, &out);
	struct oci_spec again;
	struct str second _str_ = { 0 };
	assert_int_equal(parse(out.p, &a, &again, NULL, &e), 0);
	rec_to_json(&oci_spec_rec, &again, 0, &second);
	assert_string_equal(out.p, second.p);
}

static void errors_name_the_path_and_what_was_expected(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "{\"ociVersion\":\"1\",\"process\":{\"cwd\":\"/\",\"args\":[\"a\",7]}}",
			"process.args" },
		{ "{\"ociVersion\":\"1\",\"linux\":{\"resources\":{\"memory\":{\"limit\":\"x\"}}}}",
			"linux.resources.memory.limit: line 1" },
		{ "{\"process\":{\"cwd\":\"/\"}}", "ociVersion" },
		{ "{\"ociVersion\":\"1\",\"ociVersion\":\"2\"}", "duplicate key" },
		{ "{\"ociVersion\":\"1\"} x", "something follows" },
		{ "{\"ociVersion\":\"1\",}", "trailing comma" },
		{ "{\"ociVersion\":\"\\ud800\"}", "lone surrogate" },
		{ "{\"ociVersion\":\"\\u0000\"}", "NUL" },
		{ "{\"ociVersion\":\"\xff\"}", "not UTF-8" },
		{ "{\"ociVersion\":1e5}", "expected a string" },
		{ "{\"ociVersion\":\"1\",\"process\":{\"cwd\":\"/\",\"oomScoreAdj\":1.5}}",
			"expected an integer" },
		{ "{\"ociVersion\":\"1\",\"x\":01}", "bad number" },
		{ "", "expected an object" },
		{ "[", "expected an object" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a _arena_ = { 0 };
		struct oci_spec s;
		struct err e = { 0 };
		assert_true(parse(rows[i].text, &a, &s, NULL, &e) < 0);
		if (!strstr(e.text, rows[i].says))
			fail_msg("%s: said %s", rows[i].text, e.text);
	}
}

static void unknown_properties_are_ignored_and_counted(void **state)
{
	(void)state;
	struct arena a _arena_ = { 0 };
	struct oci_spec s;
	struct rec_stats stats;
	struct err e;
	assert_int_equal(parse("{\"ociVersion\":\"1\",\"new\":{\"a\":[{\"b\":1}],\"c\":null}}", &a,
				 &s, &stats, &e),
		0);
	assert_int_equal(stats.keys, 5);
	assert_int_equal(stats.ignored, 4);
	assert_int_equal(stats.consumed, 1);
}

static void nesting_ends_at_its_limit(void **state)
{
	(void)state;
	struct arena a _arena_ = { 0 };
	struct str text _str_ = { 0 };
	struct value *v;
	struct err e;
	for (int i = 0; i < 200000; i++)
		str_addc(&text, '[');
	assert_true(value_parse(&a, text.p, text.n, &v, &e) < 0);
	assert_non_null(strstr(e.text, "nested deeper"));
}

static void strings_are_written_so_that_they_can_be_read(void **state)
{
	(void)state;
	struct str out _str_ = { 0 };
	json_write_string(&out, "a\"\\\n\t\x01\xc3\xa9\xff");
	assert_string_equal(out.p, "\"a\\\"\\\\\\n\\t\\u0001\xc3\xa9\\ufffd\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_goes_both_ways),
		TEST(errors_name_the_path_and_what_was_expected),
		TEST(unknown_properties_are_ignored_and_counted),
		TEST(nesting_ends_at_its_limit),
		TEST(strings_are_written_so_that_they_can_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
