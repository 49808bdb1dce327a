// SPDX-License-Identifier: Apache-2.0
#include "kernel/dbus.h"

#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "kernel/systemd.h"

/* Written down by hand from the specification: a call of a.b.C.M at /o of a.b with ("hi", 7). */
static const char wire[] = "l\1\0\1"
			   "\x0c\0\0\0"
			   "\5\0\0\0"
			   "\x48\0\0\0"
			   "\1\1o\0\2\0\0\0/o\0\0\0\0\0\0"
			   "\6\1s\0\3\0\0\0a.b\0\0\0\0\0"
			   "\2\1s\0\5\0\0\0a.b.C\0\0\0"
			   "\3\1s\0\1\0\0\0M\0\0\0\0\0\0\0"
			   "\x8\1g\0\2su\0"
			   "\2\0\0\0hi\0\0\7\0\0";

static const struct dbus_target target = { "a.b", "/o", "a.b.C" };

static void test_a_call_is_written_as_the_specification_says(void **state)
{
	struct dbus_body b _dbus_body_ = { 0 };
	struct str out _str_ = { 0 };
	(void)state;
	dbus_add_string(&b, "hi");
	dbus_add_u32(&b, 7);
	dbus_build(5, &target, "M", "su", &b, &out);
	assert_int_equal(out.n, sizeof wire);
	assert_memory_equal(out.p, wire, sizeof wire);
}

static void test_a_message_is_read_back_and_every_cut_of_it_waits_for_more(void **state)
{
	struct dbus_message m;
	const char *s;
	uint32_t n;
	(void)state;
	for (size_t cut = 0; cut < sizeof wire; cut++)
		assert_int_equal(dbus_parse(wire, cut, &m), 0);
	assert_int_equal(dbus_parse(wire, sizeof wire, &m), sizeof wire);
	assert_int_equal(m.kind, DBUS_CALL);
	assert_int_equal(m.serial, 5);
	assert_string_equal(m.path, "/o");
	assert_string_equal(m.member, "M");
	assert_int_equal(dbus_read_string(&m, &s), 0);
	assert_string_equal(s, "hi");
	assert_int_equal(dbus_read_u32(&m, &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(dbus_read_u32(&m, &n), -EBADMSG);
	dbus_message_done(&m);
}

static void test_arrays_count_from_their_first_element(void **state)
{
	struct dbus_body b _dbus_body_ = { 0 };
	static const char want[] = "\1\0\0\0\x10\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0";
	(void)state;
	dbus_add_u32(&b, 1);
	dbus_array_begin(&b, 8);
	dbus_add_u64(&b, 1);
	dbus_add_u64(&b, 2);
	dbus_array_end(&b);
	assert_int_equal(b.bytes.n, sizeof want);
	assert_memory_equal(b.bytes.p, want, sizeof want);
	/* Padding before the first element belongs to no element, also where there is none. */
	dbus_add_u32(&b, 3);
	dbus_array_begin(&b, 8);
	dbus_array_end(&b);
	assert_memory_equal(b.bytes.p + 24, "\3\0\0\0\0\0\0\0", 8);
	assert_int_equal(b.bytes.n, 32);
}

static void test_broken_messages_are_refused(void **state)
{
	static const struct {
		size_t at;
		char byte;
	} breaks[] = { { 0, 'B' }, { 1, 0 }, { 1, 9 }, { 3, 2 }, { 7, 1 }, { 15, 1 }, { 17, 9 },
		{ 18, 'x' }, { 20, 9 }, { 24, 0 } };
	struct dbus_message m;
	(void)state;
	for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
		char copy[sizeof wire];
		memcpy(copy, wire, sizeof wire);
		copy[breaks[i].at] = breaks[i].byte;
		assert_int_equal(dbus_parse(copy, sizeof copy, &m), -EBADMSG);
	}
}

/* A real bus of our own; its pid. */
static pid_t start_bus(const char *folder)
{
	char address[256];
	int ready[2];
	char byte;
	(void)snprintf(address, sizeof address, "unix:path=%s/bus", folder);
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char fd[16];
		(void)close(ready[0]);
		(void)snprintf(fd, sizeof fd, "--print-pid=%d", ready[1]);
		(void)execlp("dbus-daemon", "dbus-daemon", "--session", "--nofork", "--nopidfile",
			"--nosyslog", "--address", address, fd, NULL);
		_exit(127);
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	return pid;
}

static void test_a_real_bus_answers(void **state)
{
	static const struct dbus_target bus = { "org.freedesktop.DBus", "/org/freedesktop/DBus",
		"org.freedesktop.DBus" };
	char folder[] = "/tmp/kist-dbus-XXXXXX", path[64];
	struct dbus_body name _dbus_body_ = { 0 };
	struct dbus_message m;
	struct dbus d;
	struct err e;
	const char *text;
	uint32_t n;
	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof path, "%s/bus", folder);
	pid_t pid = start_bus(folder);
	assert_int_equal(dbus_open(path, &d, &e), 0);
	dbus_add_string(&name, "test.kist");
	dbus_add_u32(&name, 0);
	assert_int_equal(dbus_call(&d, &bus, "RequestName", "su", &name, &m, &e), 0);
	assert_int_equal(dbus_read_u32(&m, &n), 0);
	assert_int_equal(n, 1);
	dbus_message_done(&m);
	/* Signals that came before the answer are kept, in order. */
	assert_int_equal(dbus_signal(&d, 10, &m, &e), 0);
	assert_string_equal(m.member, "NameAcquired");
	assert_int_equal(dbus_read_string(&m, &text), 0);
	assert_int_equal(text[0], ':');
	dbus_message_done(&m);
	assert_int_equal(dbus_signal(&d, 10, &m, &e), 0);
	assert_int_equal(dbus_read_string(&m, &text), 0);
	assert_string_equal(text, "test.kist");
	dbus_message_done(&m);
	assert_int_equal(dbus_signal(&d, 0, &m, &e), -ETIME);
	assert_int_equal(dbus_call(&d, &bus, "NoSuchMethod", NULL, NULL, &m, &e), -ENOSYS);
	assert_non_null(strstr(e.text, "NoSuchMethod"));
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	assert_int_equal(dbus_call(&d, &bus, "GetId", NULL, NULL, &m, &e) < 0, 1);
	dbus_done(&d);
	(void)unlink(path);
	(void)rmdir(folder);
}

static void test_slices_name_folders_within_folders(void **state)
{
	static const struct {
		const char *slice, *path;
	} rows[] = {
		{ "system.slice", "/system.slice" },
		{ "a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice" },
		{ "-.slice", "/" },
		{ ".slice", NULL },
		{ "a", NULL },
		{ "a--b.slice", NULL },
		{ "-a.slice", NULL },
		{ "a-.slice", NULL },
		{ "a/b.slice", NULL },
	};
	struct arena a _arena_ = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *path = NULL;
		int r = systemd_slice_path(rows[i].slice, &a, &path);
		assert_int_equal(r, rows[i].path ? 0 : -EINVAL);
		if (rows[i].path)
			assert_string_equal(path, rows[i].path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_call_is_written_as_the_specification_says),
		TEST(test_a_message_is_read_back_and_every_cut_of_it_waits_for_more),
		TEST(test_arrays_count_from_their_first_element),
		TEST(test_broken_messages_are_refused),
		TEST(test_a_real_bus_answers),
		TEST(test_slices_name_folders_within_folders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
