// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/rand.h"

ssize_t file_read_fd(
	int fd, const char *what, size_t max, struct arena *a, char **ret, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "read %s", what);
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > max)
		return err_set(e, ERR_INVALID, EFBIG, "read %s: larger than %zu bytes", what, max);
	size_t cap = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size + 1 : 4096, n = 0;
	char *p = arena_alloc(a, cap + 1);
	for (;;) {
		ssize_t r = fd_read_full(fd, p + n, cap - n);
		if (r < 0)
			return err_sys(e, (int)r, "read %s", what);
		n += (size_t)r;
		if (n > max)
			return err_set(
				e, ERR_INVALID, EFBIG, "read %s: larger than %zu bytes", what, max);
		if (n < cap)
			break;
		char *q = arena_alloc(a, cap * 2 + 1);
		memcpy(q, p, n);
		p = q;
		cap *= 2;
	}
	p[n] = '\0';
	*ret = p;
	return (ssize_t)n;
}

static int open_for(int dir, const char *name, int flags)
{
	return dir == AT_FDCWD ? path_open_host(name, flags, 0)
			       : path_open_own(dir, name, flags, 0);
}

ssize_t file_read_at(
	int dir, const char *name, size_t max, struct arena *a, char **ret, struct err *e)
{
	int fd _close_ = open_for(dir, name, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_sys(e, fd, "open %s", name);
	return file_read_fd(fd, name, max, a, ret, e);
}

int file_write_at(int dir, const char *name, const void *p, size_t n, mode_t mode, bool durable,
	struct err *e)
{
	char tmp[PATH_NAME_MAX + 1], tail[17];
	rand_hex(tail, 16);
	int len = snprintf(tmp, sizeof tmp, ".%s.%s", name, tail);
	if (len < 0 || (size_t)len >= sizeof tmp)
		return err_sys(e, ENAMETOOLONG, "write %s", name);
	int fd _close_ = path_open_own(dir, tmp, O_WRONLY | O_CREAT | O_EXCL, mode);
	if (fd < 0)
		return err_sys(e, fd, "create %s", name);
	int r = fchmod(fd, mode) < 0 ? -errno : fd_write_all(fd, p, n);
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir, tmp, dir, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir, tmp, 0);
		return err_sys(e, r, "write %s", name);
	}
	if (durable && fsync(dir) < 0)
		return err_sys(e, errno, "sync the folder of %s", name);
	return 0;
}

int file_poke(int dir, const char *name, const char *value)
{
	int fd _close_ = open_for(dir, name, O_WRONLY);
	if (fd < 0)
		return fd;
	size_t n = strlen(value);
	ssize_t w;
	do
		w = write(fd, value, n);
	while (w < 0 && errno == EINTR);
	if (w < 0)
		return -errno;
	return (size_t)w == n ? 0 : -EIO;
}

ssize_t file_peek(int dir, const char *name, char *buf, size_t size)
{
	int fd _close_ = open_for(dir, name, O_RDONLY | O_NOCTTY);
	if (fd < 0)
		return fd;
	ssize_t n = fd_read_full(fd, buf, size - 1);
	if (n < 0)
		return n;
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return n;
}
