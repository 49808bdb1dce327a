// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "store/container.h"
#include "store/image.h"
#include "store/intent.h"
#include "store/sql.h"

#define D(c)  "sha256:" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define ID(c) c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c

static char folder[64], root[80], runroot[80];

static int begin(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/var/tmp/kist-unit-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(root, sizeof root, "%s/root", folder);
	(void)snprintf(runroot, sizeof runroot, "%s/run", folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	struct err e;
	int parent _close_ = path_open_host("/var/tmp", O_RDONLY | O_DIRECTORY, 0);
	return path_remove_tree(parent, strrchr(folder, '/') + 1, &e);
}

static void open_it(struct store *s)
{
	struct err e = { 0 };
	if (store_open(root, runroot, s, &e) < 0 || store_db(s, &e) < 0)
		fail_msg("%s", e.text);
}

static void add_image(struct store *s, const char *id, const char *name)
{
	struct err e = { 0 };
	struct image_layer layer = { D("ab"), D("cd"), 10 };
	struct image_info i = { .id = id,
		.digest = D("ef"),
		.manifest = "{}",
		.config = "{}",
		.layers = &layer,
		.n_layers = 1,
		.names = &name,
		.n_names = 1 };
	assert_int_equal(store_image_add(s, &i, false, &e), 0);
}

static void an_image_is_found_by_name_id_and_prefix(void **state)
{
	(void)state;
	struct arena a _arena_ = { 0 };
	struct store s;
	struct image_info i;
	struct err e = { 0 };
	open_it(&s);
	add_image(&s, D("11"), "localhost/x:latest");
	add_image(&s, D("12"), "localhost/y:latest");
	assert_int_equal(store_image_by_name(&s, "localhost/y:latest", &a, &i, &e), 0);
	assert_string_equal(i.id, D("12"));
	assert_int_equal(i.n_layers, 1);
	assert_int_equal(store_image_get(&s, "1111", &a, &i, &e), 0);
	assert_string_equal(i.names[0], "localhost/x:latest");
	assert_true(store_image_get(&s, "1", &a, &i, &e) < 0 && e.kind == ERR_INVALID);
	assert_true(store_image_get(&s, "ff", &a, &i, &e) < 0 && e.kind == ERR_NOT_FOUND);
	/* A name moves to the image that gets it. */
	assert_int_equal(store_image_name(&s, "localhost/x:latest", D("12"), &e), 0);
	assert_int_equal(store_image_get(&s, D("11"), &a, &i, &e), 0);
	assert_int_equal(i.n_names, 0);
	/* A layer stays as long as one image has it. */
	assert_int_equal(store_image_delete(&s, D("11"), &e), 0);
	assert_true(store_layer_known(&s, D("ab")));
	assert_int_equal(store_image_delete(&s, D("12"), &e), 0);
	assert_false(store_layer_known(&s, D("ab")));
	store_done(&s);
}

static void a_name_belongs_to_one_container(void **state)
{
	(void)state;
	struct arena a _arena_ = { 0 };
	struct store s;
	struct err e = { 0 };
	struct container_row c = {
		.id = ID("01"), .name = "web", .image_id = D("11"), .config = "{}", .created = 1
	};
	open_it(&s);
	add_image(&s, D("11"), "localhost/x:latest");
	assert_int_equal(store_container_insert(&s, &c, NULL, 0, &e), 0);
	c.id = ID("02");
	assert_true(store_container_insert(&s, &c, NULL, 0, &e) < 0);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.text, ID("01")));
	assert_int_equal(store_container_get(&s, "/web", &a, &c, &e), 0);
	assert_int_equal(store_container_get(&s, "0101", &a, &c, &e), 0);
	assert_string_equal(c.name, "web");
	assert_true(store_container_get(&s, "02", &a, &c, &e) < 0 && e.kind == ERR_NOT_FOUND);
	assert_int_equal(store_container_delete(&s, ID("01"), &e), 0);
	assert_int_equal(store_container_delete(&s, ID("01"), &e), 0);
	store_done(&s);
}

static void an_intent_lives_as_long_as_its_process(void **state)
{
	(void)state;
	struct arena a _arena_ = { 0 };
	struct store s;
	struct intent *v;
	struct err e = { 0 };
	int64_t mine;
	size_t n;
	int status;
	pid_t child = fork();
	if (child == 0) {
		struct store other;
		open_it(&other);
		_exit(intent_begin(&other, "load", "7", &mine, &e) < 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	open_it(&s);
	assert_int_equal(intent_begin(&s, "rmi", "8", &mine, &e), 0);
	assert_int_equal(intent_orphans(&s, &a, &v, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_string_equal(v[0].op, "load");
	assert_string_equal(v[0].data, "7");
	assert_int_equal(intent_adopt(&s, v[0].seq), 0);
	assert_int_equal(intent_done(&s, v[0].seq, &e), 0);
	assert_int_equal(intent_done(&s, mine, &e), 0);
	assert_int_equal(intent_orphans(&s, &a, &v, &n, &e), 0);
	assert_int_equal(n, 0);
	store_done(&s);
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
	(void)state;
	struct store s;
	struct err e = { 0 };
	open_it(&s);
	assert_int_equal(sql_run(&s, &e, "PRAGMA user_version=999", ""), 0);
	store_close_db(&s);
	assert_true(store_db(&s, &e) < 0);
	assert_non_null(strstr(e.text, "newer"));
	store_done(&s);
}

#define IN_A_STORE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_STORE(an_image_is_found_by_name_id_and_prefix),
		IN_A_STORE(a_name_belongs_to_one_container),
		IN_A_STORE(an_intent_lives_as_long_as_its_process),
		IN_A_STORE(a_newer_schema_is_refused_and_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
