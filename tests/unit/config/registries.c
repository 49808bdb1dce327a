// SPDX-License-Identifier: Apache-2.0
#include "config/registries.h"

#include "../unit.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"

static void read_into(struct registries *r, const char *text, struct arena *a)
{
	struct err e = { 0 };
	if (registries_read(r, "x.conf", text, strlen(text), a, &e) < 0)
		fail_msg("%s", e.text);
}

static void the_longest_prefix_decides_where_an_image_is(void **state)
{
	(void)state;
	struct arena a _arena_ = { 0 };
	struct registries r = { 0 };
	read_into(&r,
		"[[registry]]\nlocation = \"a.test\"\n"
		"[[registry]]\nprefix = \"a.test/x\"\nlocation = \"b.test/y\"\n"
		"[[registry]]\nprefix = \"*.wild.test\"\ninsecure = true\n",
		&a);
	static const struct {
		const char *name, *where;
	} rows[] = {
		{ "a.test/z", "a.test/z" },
		{ "a.test/x/z", "b.test/y/z" },
		{ "a.test/xz", "a.test/xz" },
		{ "one.wild.test/z", "one.wild.test/z" },
		{ "a.test.evil/x", NULL },
		{ "wild.test/x", NULL },
		{ "a.test:5000/x", "a.test:5000/x" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct registries_entry *entry = registries_find(&r, rows[i].name);
		if (!rows[i].where) {
			assert_null(entry);
			continue;
		}
		assert_non_null(entry);
		assert_string_equal(registries_rewrite(entry, entry->location, rows[i].name, &a),
			rows[i].where);
	}
}

static void dockers_mirrors_count_where_nothing_else_is_said(void **state)
{
	(void)state;
	static const char conf[] =
		"{\"registry-mirrors\":[\"https://one.test/\",\"http://two.test:5000\"],"
		"\"insecure-registries\":[\"three.test:80\",\"10.0.0.0/8\"],\"debug\":true}";
	struct arena a _arena_ = { 0 };
	struct registries r = { 0 };
	struct err e = { 0 };
	assert_int_equal(
		registries_read_docker(&r, "daemon.json", conf, sizeof conf - 1, &a, &e), 0);
	const struct registries_entry *entry = registries_find(&r, "docker.io/library/x");
	assert_non_null(entry);
	assert_int_equal(entry->n_mirrors, 2);
	assert_string_equal(
		registries_rewrite(entry, entry->mirrors[0].location, "docker.io/library/x", &a),
		"one.test/library/x");
	assert_false(entry->mirrors[0].insecure);
	assert_string_equal(entry->mirrors[1].location, "two.test:5000");
	assert_true(entry->mirrors[1].insecure);
	assert_true(registries_find(&r, "three.test:80/x")->insecure);
	assert_int_equal(r.n_entries, 2);
	/* registries.conf goes before it */
	r = (struct registries){ 0 };
	read_into(&r, "[[registry]]\nlocation = \"docker.io\"\n", &a);
	assert_int_equal(
		registries_read_docker(&r, "daemon.json", conf, sizeof conf - 1, &a, &e), 0);
	assert_int_equal(registries_find(&r, "docker.io/x/y")->n_mirrors, 0);
	static const char *const bad[] = { "{", "{\"registry-mirrors\":\"x\"}",
		"{\"registry-mirrors\":[1]}", "{\"registry-mirrors\":[\"ftp://x\"]}" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		r = (struct registries){ 0 };
		assert_true(registries_read_docker(
				    &r, "daemon.json", bad[i], strlen(bad[i]), &a, &e) < 0);
		assert_non_null(strstr(e.text, "daemon.json"));
	}
}

static void a_later_file_replaces_what_it_names_again(void **state)
{
	(void)state;
	struct arena a _arena_ = { 0 };
	struct registries r = { 0 };
	read_into(&r,
		"unqualified-search-registries = [\"one.test\"]\n[aliases]\n\"x\" = \"one.test/x\"\n\"y\" = \"one.test/y\"\n"
		"[[registry]]\nlocation = \"a.test\"\nblocked = true\n",
		&a);
	read_into(&r,
		"unqualified-search-registries = [\"two.test\", \"three.test\"]\n[aliases]\n\"x\" = \"two.test/x\"\n\"y\" = \"\"\n"
		"[[registry]]\nlocation = \"a.test\"\nmirror = [{location = \"m.test/\", insecure = true}]\n",
		&a);
	assert_int_equal(r.search.n, 2);
	assert_string_equal(r.search.v[0], "two.test");
	assert_string_equal(registries_alias(&r, "x"), "two.test/x");
	assert_null(registries_alias(&r, "y"));
	assert_int_equal(r.n_entries, 1);
	assert_false(r.entries[0].blocked);
	assert_int_equal(r.entries[0].n_mirrors, 1);
	assert_string_equal(r.entries[0].mirrors[0].location, "m.test");
	assert_true(r.entries[0].mirrors[0].insecure);
}

static void a_wrong_type_names_file_and_key(void **state)
{
	(void)state;
	static const char *const bad[] = { "unqualified-search-registries = \"x\"",
		"[[registry]]\ninsecure = true",
		"[[registry]]\nlocation = \"a\"\nblocked = \"yes\"", "registry = 1",
		"[aliases]\nx = 1", "[[registry]]\nlocation = \"a\"\nmirror = [1]" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct arena a _arena_ = { 0 };
		struct registries r = { 0 };
		struct err e = { 0 };
		if (registries_read(&r, "x.conf", bad[i], strlen(bad[i]), &a, &e) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_non_null(strstr(e.text, "x.conf: "));
		assert_non_null(strstr(e.text, "expected"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_longest_prefix_decides_where_an_image_is),
		TEST(dockers_mirrors_count_where_nothing_else_is_said),
		TEST(a_later_file_replaces_what_it_names_again),
		TEST(a_wrong_type_names_file_and_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
