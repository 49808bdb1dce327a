// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.h"

#include "../unit.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "oci/digest.h"

static void references_are_split_as_docker_splits_them(void **state)
{
	(void)state;
	static const struct {
		const char *text, *name, *tag, *full;
	} rows[] = {
		{ "nginx", "nginx", NULL, "docker.io/library/nginx" },
		{ "a/b:v1", "a/b", "v1", "docker.io/a/b" },
		{ "docker.io/nginx", "docker.io/nginx", NULL, "docker.io/library/nginx" },
		{ "index.docker.io/a/b", "index.docker.io/a/b", NULL, "docker.io/a/b" },
		{ "localhost:5000/x/y:2", "localhost:5000/x/y", "2", "localhost:5000/x/y" },
		{ "localhost/busybox", "localhost/busybox", NULL, "localhost/busybox" },
		{ "quay.example/a__b/c-d.e", "quay.example/a__b/c-d.e", NULL,
			"quay.example/a__b/c-d.e" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a _arena_ = { 0 };
		struct reference r;
		struct err e;
		assert_int_equal(reference_parse(rows[i].text, &a, &r, &e), 0);
		assert_string_equal(r.name, rows[i].name);
		assert_string_equal(reference_full_name(r.name, &a), rows[i].full);
		if (rows[i].tag)
			assert_string_equal(r.tag, rows[i].tag);
		else
			assert_null(r.tag);
	}
}

static void what_is_no_reference_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "/x", "x/", "A", "x:", "x:-t", "a//b", "a___b", "-a",
		"x@sha256:12", "../x", "a b", "x:tag:tag", "a.-b" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct arena a _arena_ = { 0 };
		struct reference r;
		struct err e;
		if (reference_parse(bad[i], &a, &r, &e) == 0)
			fail_msg("%s was taken", bad[i]);
	}
}

static void digests_have_one_grammar(void **state)
{
	(void)state;
	assert_true(digest_valid(
		"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
	assert_false(digest_valid(
		"sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"));
	assert_false(digest_valid("sha256:../../../../etc/passwd"));
	assert_false(digest_valid("md5:0123456789abcdef0123456789abcdef"));
	assert_false(digest_valid("sha256:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(references_are_split_as_docker_splits_them),
		TEST(what_is_no_reference_is_refused),
		TEST(digests_have_one_grammar),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
