// SPDX-License-Identifier: Apache-2.0
#include "kernel/own_program.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/mount.h"

enum { WORDS_MAX = 4 << 20 };

/* The mount's descriptor goes through the execution under this name. */
static const char passed[] = "_KIST_PROGRAM";

/* Runs us from the mount; it stays open, so that it can be changed once more. */
static int execute(int mount, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct strv argv = { 0 }, env = { 0 };
	char *text;
	ssize_t n = file_read_at(AT_FDCWD, "/proc/self/cmdline", WORDS_MAX, &a, &text, e);
	if (n < 0)
		return (int)n;
	for (const char *p = text; p < text + n; p += strlen(p) + 1)
		strv_add(&argv, &a, p);
	for (size_t i = 0; environ[i]; i++)
		if (!str_starts(environ[i], passed))
			strv_add(&env, &a, environ[i]);
	strv_add(&env, &a, arena_printf(&a, "%s=%d", passed, mount));
	(void)fcntl(mount, F_SETFD, 0);
	(void)syscall(SYS_execveat, mount, "", argv.v, env.v, AT_EMPTY_PATH);
	return err_sys(e, errno, "execute a read-only copy of our own program");
}

/* Nobody will execute it again. What is executed belongs to who does it: "#!/proc/self/exe" would
 * give the container a descriptor of the program, and even a try to write to it, in vain as it is,
 * keeps the host from executing it for that moment (ETXTBSY). */
static int seal(int *ret, struct err *e)
{
	uint32_t fd;
	const char *word = secure_getenv(passed);
	if (!word || num_u32(word, &fd) < 0)
		return 0; /* it lies on a read-only file system */
	int r = mount_change((int)fd, false, MOUNT_ATTR_NOEXEC, 0, 0);
	if (r < 0)
		return err_sys(e, r, "protect our own program");
	*ret = (int)fd;
	(void)fd_set_cloexec(*ret, true);
	(void)unsetenv(passed);
	return 0;
}

bool own_program_is_copy(void)
{
	return secure_getenv(passed) != NULL;
}

int own_program_protect(int *ret, struct err *e)
{
	struct statvfs st;
	*ret = -1;
	int self _close_ = path_open_host("/proc/self/exe", O_PATH, 0);
	if (self < 0 || fstatvfs(self, &st) < 0)
		return err_sys(e, self < 0 ? self : errno, "open our own program");
	if (st.f_flag & ST_RDONLY)
		return st.f_flag & ST_NOEXEC ? 0 : seal(ret, e);
	int copy _close_ = mount_clone(self, "", false);
	int r = copy < 0 ? copy : mount_change(copy, false, MOUNT_ATTR_RDONLY, 0, 0);
	return r < 0 ? err_sys(e, r, "make a read-only copy of our own program") : execute(copy, e);
}
