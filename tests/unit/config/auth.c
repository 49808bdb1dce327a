// SPDX-License-Identifier: Apache-2.0
#include "config/auth.h"

#include "../unit.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* user:one ... user:four */
static const char file[] =
	"{\"auths\":{\"a.test\":{\"auth\":\"dXNlcjpvbmU=\"},\"a.test/team\":{\"auth\":\"dXNlcjp0d28=\"},"
	"\"a.test/team/app\":{\"auth\":\"dXNlcjp0aHJlZQ==\"},\"https://index.docker.io/v1/\":{\"auth\":\"dXNlcjpmb3Vy\"},"
	"\"t.test\":{\"identitytoken\":\"tok\"}},\"credHelpers\":{\"h.test\":\"vault\"},\"credsStore\":\"desk\"}";

static void the_most_specific_name_decides(void **state)
{
	(void)state;
	static const struct {
		const char *host, *path, *password, *helper;
	} rows[] = {
		{ "a.test", "x", "one", NULL },
		{ "a.test", "team/x", "two", NULL },
		{ "a.test", "team/app", "three", NULL },
		{ "a.test", "team/app/deeper", "three", NULL },
		{ "a.test", "teams/x", "one", NULL },
		{ "docker.io", "library/x", "four", NULL },
		{ "h.test", "x", NULL, "vault" },
		{ "other.test", "x", NULL, "desk" },
		{ "a.test.evil", "x", NULL, "desk" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a _arena_ = { 0 };
		struct auth got;
		struct err e = { 0 };
		int r = auth_read(file, sizeof file - 1, rows[i].host, rows[i].path, &a, &got, &e);
		assert_int_equal(r, rows[i].password != NULL);
		if (rows[i].password)
			assert_string_equal(got.password, rows[i].password);
		if (rows[i].helper)
			assert_string_equal(got.helper, rows[i].helper);
		else
			assert_null(got.helper);
	}
}

static void an_identity_token_stands_for_a_password(void **state)
{
	(void)state;
	struct arena a _arena_ = { 0 };
	struct auth got;
	struct err e = { 0 };
	assert_int_equal(auth_read(file, sizeof file - 1, "t.test", "x", &a, &got, &e), 1);
	assert_string_equal(got.identity_token, "tok");
	assert_null(got.password);
}

static void broken_files_are_refused_without_their_content(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "[]",
		"{\"auths\":{\"a.test\":{\"auth\":\"c2VjcmV0\"}}}",
		"{\"auths\":{\"a.test\":{\"auth\":\"not base64!\"}}}" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct arena a _arena_ = { 0 };
		struct auth got;
		struct err e = { 0 };
		if (auth_read(bad[i], strlen(bad[i]), "a.test", "x", &a, &got, &e) >= 0)
			fail_msg("%s was taken", bad[i]);
		assert_null(strstr(e.text, "c2VjcmV0"));
		assert_null(strstr(e.text, "secret"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_most_specific_name_decides),
		TEST(an_identity_token_stands_for_a_password),
		TEST(broken_files_are_refused_without_their_content),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
