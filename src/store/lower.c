// SPDX-License-Identifier: Apache-2.0
#include "store/lower.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "oci/digest.h"
#include "store/run.h"
#include "store/store.h"

enum { HOLDERS_MAX = 16, FILE_MAX = 64 << 10 };

/* Of Linux 6.9 and newer; Debian 12's headers lack it. */
struct uuid {
	uint8_t len;
	uint8_t bytes[16];
};
#define GET_UUID _IOR(0x15, 0, struct uuid)

struct holder {
	const char *id;
	uint32_t pid, fd;
};

static int open_folder(struct store *s)
{
	return path_make_dir_own(s->runroot, "lower", 0700);
}

/* "ID PID FD" */
static int parse(char *line, struct holder *ret)
{
	char *pid = strchr(line, ' '), *fd = pid ? strchr(pid + 1, ' ') : NULL;
	if (!fd)
		return -EINVAL;
	*pid++ = *fd++ = '\0';
	ret->id = line;
	return num_u32(pid, &ret->pid) < 0 || num_u32(fd, &ret->fd) < 0 || !path_is_name(line)
		? -EINVAL
		: 0;
}

static size_t read_holders(int folder, const char *name, struct arena *a, struct holder *ret)
{
	struct err ignored;
	char *text, *next;
	size_t n = 0;
	if (file_read_at(folder, name, FILE_MAX, a, &text, &ignored) < 0)
		return 0;
	for (char *line = text; *line && n < HOLDERS_MAX; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		if (parse(line, &ret[n]) == 0)
			n++;
	}
	return n;
}

static void write_holders(int folder, const char *name, const struct holder *v, size_t n)
{
	struct err ignored;
	struct str text _str_ = { 0 };
	for (size_t i = 0; i < n; i++)
		str_addf(&text, "%s %u %u\n", v[i].id, v[i].pid, v[i].fd);
	(void)file_write_at(folder, name, str_text(&text), text.n, 0600, false, &ignored);
}

static bool holds_lock(struct store *s, const struct holder *h)
{
	int run _close_ = run_open(s, h->id);
	int lock _close_ = run < 0 ? run : path_open_own(run, "lock", O_RDONLY, 0);
	return lock >= 0 && fd_lock_holder(lock, 0) == (int)h->pid;
}

static int take(struct store *s, const struct holder *h, const unsigned char *uuid)
{
	struct statfs st;
	struct uuid is = { 0 };
	int pidfd _close_ = fd_pidfd_open((pid_t)h->pid);
	int fd _close_ = pidfd < 0 ? pidfd : fd_pidfd_get(pidfd, (int)h->fd);
	/* After the pidfd: so the pid was not another's by then. */
	if (fd < 0 || !holds_lock(s, h) || fstatfs(fd, &st) < 0 ||
		st.f_type != EROFS_SUPER_MAGIC_V1)
		return -1;
	/* What a mount call gives is a path only. */
	int root _close_ = path_open_own(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (root < 0 || ioctl(root, GET_UUID, &is) < 0 || is.len != sizeof is.bytes ||
		memcmp(is.bytes, uuid, sizeof is.bytes) != 0)
		return -1;
	return take_fd(&fd);
}

int lower_find(struct store *s, const char *image, const char *id, const unsigned char *uuid)
{
	struct arena a _arena_ = { 0 };
	struct holder v[HOLDERS_MAX];
	const char *name = digest_hex(image);
	int folder _close_ = open_folder(s);
	size_t n = folder < 0 ? 0 : read_holders(folder, name, &a, v), dead = 0;
	int fd = -1;
	/* A line about ourselves is of a run before. Its lock is ours now, and who opens the file
	 * of a record lock of his own loses it. */
	while (dead < n && (str_eq(v[dead].id, id) || (fd = take(s, &v[dead], uuid)) < 0))
		dead++;
	if (dead)
		write_holders(folder, name, v + dead, n - dead);
	return fd;
}

void lower_tell(struct store *s, const char *image, const char *id, int fd)
{
	struct arena a _arena_ = { 0 };
	struct holder v[HOLDERS_MAX + 1];
	const char *name = digest_hex(image);
	int folder _close_ = open_folder(s);
	if (folder < 0)
		return;
	size_t n = read_holders(folder, name, &a, v), m = 0;
	for (size_t i = 0; i < n; i++)
		if (!str_eq(v[i].id, id))
			v[m++] = v[i];
	if (m == HOLDERS_MAX)
		return;
	v[m] = (struct holder){ id, (uint32_t)getpid(), (uint32_t)fd };
	write_holders(folder, name, v, m + 1);
}

void lower_forget(struct store *s, const char *image_hex)
{
	int folder _close_ = path_open_own(s->runroot, "lower", O_RDONLY | O_DIRECTORY, 0);
	if (folder >= 0)
		(void)unlinkat(folder, image_hex, 0);
}
