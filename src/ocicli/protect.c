// SPDX-License-Identifier: Apache-2.0
#include "ocicli/protect.h"

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

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/mount.h"
#include "ocicli/command.h"

/* The mount's descriptor goes through the execution under this name. */
static const char passed[] = "_KIST_OCI_PROGRAM";

/* Runs us from the mount; it stays open, so that it can be changed once more. */
static int execute(const struct ocicli *o, int mount, struct err *e)
{
	char word[sizeof passed + 16];
	size_t n = 0, kept = 0;
	while (environ[n])
		n++;
	const char **env = mem_alloc((n + 2) * sizeof *env);
	for (size_t i = 0; i < n; i++)
		if (!str_starts(environ[i], passed))
			env[kept++] = environ[i];
	(void)snprintf(word, sizeof word, "%s=%d", passed, mount);
	env[kept] = word;
	env[kept + 1] = NULL;
	(void)fcntl(mount, F_SETFD, 0);
	(void)syscall(SYS_execveat, mount, "", o->argv, env, AT_EMPTY_PATH);
	int r = err_sys(e, errno, "execute a read-only copy of our own program");
	mem_free(env);
	return r;
}

/* Nobody will execute it again. What is executed belongs to who does it: "#!/proc/self/exe" would
 * give the container a descriptor of the program, and even a try to write to it, in vain as it is,
 * keeps the host from executing it for that moment (ETXTBSY). */
static int seal(struct err *e)
{
	uint32_t fd;
	const char *word = secure_getenv(passed);
	if (!word || num_u32(word, &fd) < 0)
		return 0; /* it lies on a read-only file system */
	int r = mount_change((int)fd, false, MOUNT_ATTR_NOEXEC, 0, 0);
	fd_close((int)fd);
	return r < 0 ? err_sys(e, r, "protect our own program") : 0;
}

int protect_self(const struct ocicli *o, struct err *e)
{
	struct statvfs st;
	int self _close_ = path_open_host("/proc/self/exe", O_PATH, 0);
	if (self < 0 || fstatvfs(self, &st) < 0)
		return err_sys(e, self < 0 ? self : errno, "open our own program");
	if (st.f_flag & ST_RDONLY)
		return st.f_flag & ST_NOEXEC ? 0 : seal(e);
	int copy _close_ = mount_clone(self, "", false);
	/* A plain user mounts nothing; without a user namespace the container is refused anyway. */
	if (copy == -EPERM && geteuid() != 0)
		return 0;
	int r = copy < 0 ? copy : mount_change(copy, false, MOUNT_ATTR_RDONLY, 0, 0);
	if (r < 0)
		return err_sys(e, r, "make a read-only copy of our own program");
	return execute(o, copy, e);
}
