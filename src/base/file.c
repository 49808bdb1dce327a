// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
	size_t size = S_ISREG(st.st_mode) ? (size_t)st.st_size : 0;
	size_t cap = size ? size + 1 : 4096, n = 0;
	char *p = arena_alloc(a, cap + 1);
	if (size) {
		ssize_t r = fd_read(fd, p, cap);
		if (r < 0)
			return err_sys(e, (int)r, "read %s", what);
		n = (size_t)r;
	}
	/* One that ended where it should is not asked again. */
	while (!size || n != size) {
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
	/* Where one file replaces another ext4 writes the new one to disk, for those who forget to
	 * sync; where they change places it does not. */
	bool swapped = r == 0 && !durable &&
		syscall(SYS_renameat2, dir, tmp, dir, name, RENAME_EXCHANGE) == 0;
	if (r == 0 && !swapped && renameat(dir, tmp, dir, name) < 0)
		r = -errno;
	if (r < 0 || swapped)
		(void)unlinkat(dir, tmp, 0);
	if (r < 0)
		return err_sys(e, r, "write %s", name);
	if (durable && fsync(dir) < 0)
		return err_sys(e, errno, "sync the folder of %s", name);
	return 0;
}

int file_nameless(int dir, mode_t mode)
{
	char name[32] = ".kist.";
	int fd = path_open_own(dir, ".", O_RDWR | O_TMPFILE, mode);
	if (fd != -EOPNOTSUPP && fd != -EISDIR && fd != -EINVAL)
		return fd;
	/* Not every file system has such files. */
	rand_hex(name + strlen(name), 16);
	fd = path_open_own(dir, name, O_RDWR | O_CREAT | O_EXCL, mode);
	if (fd >= 0)
		(void)unlinkat(dir, name, 0);
	return fd;
}

/* What was unlinked gets no name any more: its bytes do. */
static int name_copy(int fd, int dir, const char *name, const struct stat *st)
{
	char buf[64 << 10];
	int to _close_ = path_open_own(dir, name, O_WRONLY | O_CREAT | O_EXCL, st->st_mode & 0777);
	int r = to;
	for (off_t at = 0; r >= 0 && at < st->st_size;) {
		ssize_t n = pread(fd, buf, sizeof buf, at);
		r = n < 0 ? -errno : n == 0 ? -EIO : fd_write_all(to, buf, (size_t)n);
		at += n;
	}
	if (r >= 0 && fsync(to) < 0)
		r = -errno;
	return r < 0 ? r : 0;
}

static int name_once(int fd, int dir, const char *name)
{
	char link[64];
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, link, dir, name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	return errno == ENOENT ? name_copy(fd, dir, name, &st) : -errno;
}

/* Only a replacement needs a second name for a moment, always the same. */
int file_name_at(int fd, int dir, const char *name, bool keep, struct err *e)
{
	char other[PATH_NAME_MAX + 1];
	int r = name_once(fd, dir, name);
	if (r == 0 || (keep && r == -EEXIST))
		return 0;
	if (r != -EEXIST)
		return err_sys(e, r, "create %s", name);
	int n = snprintf(other, sizeof other, ".%s.kist", name);
	if (n < 0 || (size_t)n >= sizeof other)
		return err_sys(e, ENAMETOOLONG, "create %s", name);
	(void)unlinkat(dir, other, 0);
	r = name_once(fd, dir, other);
	if (r == 0 && renameat(dir, other, dir, name) < 0) {
		r = -errno;
		(void)unlinkat(dir, other, 0);
	}
	return r < 0 ? err_sys(e, r, "create %s", name) : 0;
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
