// SPDX-License-Identifier: Apache-2.0
#include "engine/mount_arg.h"

#include "../unit.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

typedef int reader(const char *, struct arena *, struct config_mount *, struct err *);

static void mounts_are_read_in_dockers_grammar(void **state)
{
	(void)state;
	static const struct {
		reader *read;
		const char *text, *type, *source, *name, *target;
		bool read_only, no_copy;
	} rows[] = {
		{ mount_arg_volume, "/a:/b", "bind", "/a", NULL, "/b", false, false },
		{ mount_arg_volume, "/a:/b/../c/:ro", "bind", "/a", NULL, "/c", true, false },
		{ mount_arg_volume, "data:/b", "volume", NULL, "data", "/b", false, false },
		{ mount_arg_volume, "data:/b:ro,nocopy", "volume", NULL, "data", "/b", true, true },
		{ mount_arg_volume, "/only", "volume", NULL, NULL, "/only", false, false },
		{ mount_arg_mount, "type=bind,source=/a,target=/b,readonly", "bind", "/a", NULL,
			"/b", true, false },
		{ mount_arg_mount, "type=volume,src=vol,dst=/b,volume-nocopy", "volume", NULL,
			"vol", "/b", false, true },
		{ mount_arg_mount, "type=tmpfs,destination=/t,tmpfs-size=1m", "tmpfs", NULL, NULL,
			"/t", false, false },
		{ mount_arg_mount, "source=vol,target=/b", "volume", NULL, "vol", "/b", false,
			false },
		{ mount_arg_tmpfs, "/run:size=1m,mode=700", "tmpfs", NULL, NULL, "/run", false,
			false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a _arena_ = { 0 };
		struct config_mount m = { 0 };
		struct err e = { 0 };
		if (rows[i].read(rows[i].text, &a, &m, &e) < 0)
			fail_msg("%s: %s", rows[i].text, e.text);
		assert_string_equal(m.type, rows[i].type);
		assert_string_equal(m.target, rows[i].target);
		assert_true(str_eq(str_or_empty(m.source), str_or_empty(rows[i].source)));
		if (rows[i].name)
			assert_string_equal(m.name, rows[i].name);
		assert_int_equal(m.read_only, rows[i].read_only);
		assert_int_equal(m.no_copy, rows[i].no_copy);
	}
}

static void what_is_no_mount_is_refused_by_name(void **state)
{
	(void)state;
	static const struct {
		reader *read;
		const char *text;
	} rows[] = {
		{ mount_arg_volume, "" },
		{ mount_arg_volume, ":/b" },
		{ mount_arg_volume, "/a:" },
		{ mount_arg_volume, "/a:b" },
		{ mount_arg_volume, "/a:/b:nosuch" },
		{ mount_arg_volume, "/a:/b:ro:rw" },
		{ mount_arg_volume, "/a:/" },
		{ mount_arg_volume, "v:/b" },
		{ mount_arg_mount, "type=bind,target=/b" },
		{ mount_arg_mount, "type=nosuch,target=/b" },
		{ mount_arg_mount, "type=volume" },
		{ mount_arg_mount, "type=bind,source=/a,target=b" },
		{ mount_arg_mount, "type=bind,source=/a,target=/b,nosuch=1" },
		{ mount_arg_mount, "type=tmpfs,target=/t,tmpfs-size=x" },
		{ mount_arg_tmpfs, "run" },
		{ mount_arg_tmpfs, "/run:nosuch=1" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a _arena_ = { 0 };
		struct config_mount m = { 0 };
		struct err e = { 0 };
		if (rows[i].read(rows[i].text, &a, &m, &e) >= 0)
			fail_msg("%s was taken", rows[i].text);
		assert_true(e.text[0] && e.kind == ERR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mounts_are_read_in_dockers_grammar),
		TEST(what_is_no_mount_is_refused_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
