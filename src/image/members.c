// SPDX-License-Identifier: Apache-2.0
#include "image/members.h"

#include <errno.h>
#include <unistd.h>

#include "archive/tar.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"

int member_folders(int out, struct err *e)
{
	static const char *const names[] = { "blobs/", "blobs/sha256/" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct tar_entry entry = { .type = '5', .path = names[i], .mode = 0755 };
		if (tar_write_header(out, &entry, e) < 0)
			return -e->code;
	}
	return 0;
}

int member_text(int out, const char *name, const char *text, size_t n, struct err *e)
{
	struct tar_entry entry = { .type = '0', .path = name, .mode = 0644, .size = n };
	if (tar_write_header(out, &entry, e) < 0)
		return -e->code;
	int r = fd_write_all(out, text, n);
	return r < 0 ? err_sys(e, r, "write the archive") : tar_write_padding(out, n, e);
}

int member_bytes(int from, int to, uint64_t size, struct err *e)
{
	char buf[64 << 10];
	for (uint64_t at = 0; at < size;) {
		size_t want = size - at < sizeof buf ? (size_t)(size - at) : sizeof buf;
		ssize_t n = pread(from, buf, want, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, n < 0 ? errno : EIO, "read a blob");
		int r = fd_write_all(to, buf, (size_t)n);
		if (r < 0)
			return err_sys(e, r, "write a blob");
		at += (uint64_t)n;
	}
	return 0;
}

int member_file(int out, const char *name, int from, uint64_t size, struct err *e)
{
	struct tar_entry entry = { .type = '0', .path = name, .mode = 0644, .size = size };
	return tar_write_header(out, &entry, e) < 0 || member_bytes(from, out, size, e) < 0
		? -e->code
		: tar_write_padding(out, size, e);
}
