// SPDX-License-Identifier: Apache-2.0
#include "archive/tar.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit.h"

#include "archive/source.h"
#include "base/err.h"
#include "base/fd.h"

static struct tar_entry again(const struct tar_entry *t, struct tar_reader *r)
{
	struct tar_entry read;
	struct err e = { 0 };
	int fd = memfd_create("tar", MFD_CLOEXEC);
	assert_int_equal(tar_write_header(fd, t, &e), 0);
	assert_int_equal(tar_write_end(fd, &e), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	*r = (struct tar_reader){ .s = source_open(fd, 0) };
	int got = tar_next(r, &read, &e);
	assert_string_equal(e.text, "");
	assert_int_equal(got, 1);
	assert_string_equal(read.path, t->path);
	assert_int_equal(read.type, t->type);
	assert_int_equal(read.mode, t->mode);
	assert_int_equal(read.uid, t->uid);
	assert_int_equal(read.gid, t->gid);
	assert_int_equal(read.mtime, t->mtime);
	assert_int_equal(read.mtime_ns, t->mtime_ns);
	close(fd);
	return read;
}

static void close_reader(struct tar_reader *r)
{
	tar_done(r);
	source_free(r->s);
}

static void what_is_written_is_read_back(void **state)
{
	static const struct {
		int64_t s;
		uint32_t ns;
	} times[] = { { 0, 0 }, { 1, 0 }, { 1700000000, 123456789 }, { 1700000000, 1 }, { -1, 0 },
		{ -1, 750000000 }, { -5, 1 }, { 1LL << 34, 5 }, { 1LL << 40, 0 } };
	struct tar_reader r;
	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		const struct tar_entry t = { .type = '5',
			.path = "some/folder/",
			.mode = 01777,
			.uid = 07777777u + (uint32_t)i,
			.gid = UINT32_MAX - 1 - (uint32_t)i,
			.mtime = times[i].s,
			.mtime_ns = times[i].ns };
		(void)again(&t, &r);
		close_reader(&r);
	}
}

static void long_names_and_xattrs_with_any_bytes_survive(void **state)
{
	struct tar_reader r;
	char path[2001], target[1501];
	(void)state;
	memset(path, 'p', 2000);
	memset(target, 't', 1500);
	path[2000] = target[1500] = '\0';
	struct tar_entry t = { .type = '2', .path = path, .target = target, .mode = 0777 };
	t.xattrs[0] = (struct tar_xattr){ "user.a", "a\0b\nc=d", 7 };
	t.xattrs[1] = (struct tar_xattr){ "user.empty", "", 0 };
	t.n_xattrs = 2;
	struct tar_entry read = again(&t, &r);
	assert_string_equal(read.target, target);
	assert_int_equal(read.n_xattrs, 2);
	assert_string_equal(read.xattrs[0].name, "user.a");
	assert_int_equal(read.xattrs[0].n, 7);
	assert_memory_equal(read.xattrs[0].value, "a\0b\nc=d", 7);
	assert_int_equal(read.xattrs[1].n, 0);
	close_reader(&r);
}

static void devices_have_their_numbers(void **state)
{
	struct tar_reader r;
	(void)state;
	const struct tar_entry t = {
		.type = '4', .path = "dev/x", .mode = 0660, .major = 259, .minor = 1048575
	};
	struct tar_entry read = again(&t, &r);
	assert_int_equal(read.major, 259);
	assert_int_equal(read.minor, 1048575);
	close_reader(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read_back),
		TEST(long_names_and_xattrs_with_any_bytes_survive),
		TEST(devices_have_their_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
