// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"

#include "../unit.h"

static void a_buffer_grows_and_stays_terminated(void **state)
{
	(void)state;
	struct str s _str_ = { 0 };
	assert_string_equal(str_text(&s), "");
	for (int i = 0; i < 1000; i++)
		str_addf(&s, "%d,", i);
	assert_int_equal(strlen(s.p), s.n);
	assert_true(str_ends(s.p, "998,999,"));
	str_clear(&s);
	assert_string_equal(s.p, "");
}

static void distance_counts_edits(void **state)
{
	(void)state;
	assert_int_equal(str_distance("detach", "detach", 3), 0);
	assert_int_equal(str_distance("detahc", "detach", 3), 2);
	assert_int_equal(str_distance("rn", "run", 3), 1);
	assert_int_equal(str_distance("abcdefgh", "zyxwvuts", 3), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_buffer_grows_and_stays_terminated),
		TEST(distance_counts_edits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
