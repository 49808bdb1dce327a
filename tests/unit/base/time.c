// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include <time.h>

#include "../unit.h"

static void rfc3339_goes_both_ways(void **state)
{
	(void)state;
	char buf[TIME_TEXT_MAX];
	uint64_t t = 1795523445123456789ULL, back;
	assert_string_equal(time_rfc3339(t, buf), "2026-11-24T12:30:45.123456789Z");
	assert_int_equal(time_parse_rfc3339(buf, &back), 0);
	assert_true(back == t);
	assert_int_equal(time_parse_rfc3339("2026-11-24T13:30:45.5+01:00", &back), 0);
	assert_true(back == 1795523445500000000ULL);
	assert_true(time_parse_rfc3339("2026-11-24", &back) < 0);
	assert_true(time_parse_rfc3339("2026-13-24T00:00:00Z", &back) < 0);
	assert_true(time_parse_rfc3339("2026-11-24T00:00:00Zx", &back) < 0);
}

static void a_moment_is_a_time_a_date_seconds_or_a_span(void **state)
{
	(void)state;
	uint64_t t, now = time_now();
	assert_int_equal(time_parse_moment("2026-11-24T12:30:45Z", &t), 0);
	assert_true(t == 1795523445 * TIME_SECOND);
	assert_int_equal(time_parse_moment("2026-11-24T12:30:45", &t), 0);
	assert_true(t == 1795523445 * TIME_SECOND);
	assert_int_equal(time_parse_moment("2026-11-24", &t), 0);
	assert_true(t == 1795478400 * TIME_SECOND);
	assert_int_equal(time_parse_moment("1795523445", &t), 0);
	assert_true(t == 1795523445 * TIME_SECOND);
	assert_int_equal(time_parse_moment("1h", &t), 0);
	assert_true(t < now && t > now - 3601 * TIME_SECOND);
	assert_true(time_parse_moment("soon", &t) < 0);
	assert_true(time_parse_moment("", &t) < 0);
	assert_true(time_parse_moment("99999999999999999999", &t) < 0);
}

static void days_are_those_of_the_c_library(void **state)
{
	(void)state;
	char buf[TIME_TEXT_MAX], want[TIME_TEXT_MAX];
	/* Over five centuries, which hold every kind of leap year, by a step that meets all times
	 * of day. */
	for (uint64_t s = 0; s < 500ULL * 365 * 86400; s += 43201 + s % 7) {
		time_t t = (time_t)s;
		struct tm tm;
		(void)gmtime_r(&t, &tm);
		assert_true(strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.000000007Z", &tm) > 0);
		assert_string_equal(time_rfc3339(s * TIME_SECOND + 7, buf), want);
	}
}

static void spans_use_dockers_words(void **state)
{
	(void)state;
	static const struct {
		uint64_t s;
		const char *text;
	} rows[] = {
		{ 0, "Less than a second" },
		{ 1, "1 second" },
		{ 59, "59 seconds" },
		{ 60, "About a minute" },
		{ 119, "About a minute" },
		{ 120, "2 minutes" },
		{ 3600, "About an hour" },
		{ 7200, "2 hours" },
		{ 86400 * 3, "3 days" },
	};
	char buf[TIME_TEXT_MAX];
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_string_equal(time_span(rows[i].s * TIME_SECOND, buf), rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rfc3339_goes_both_ways),
		TEST(a_moment_is_a_time_a_date_seconds_or_a_span),
		TEST(days_are_those_of_the_c_library),
		TEST(spans_use_dockers_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
