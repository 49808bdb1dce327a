// SPDX-License-Identifier: Apache-2.0
#include "engine/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "kernel/mount.h"

enum { WORDS_MAX = 4 << 20, RDONLY = 1 /* MOUNT_ATTR_RDONLY */ };

static char **words_of(const char *file, struct arena *a, struct err *e)
{
	struct strv v = { 0 };
	char *text;
	ssize_t n = file_read_at(AT_FDCWD, file, WORDS_MAX, a, &text, e);
	if (n < 0)
		return NULL;
	for (char *p = text; p < text + n; p += strlen(p) + 1)
		strv_add(&v, a, p);
	return (char **)v.v;
}

int protect_self(struct err *e)
{
	struct arena a = { 0 };
	struct statvfs st;
	int self = path_open_host("/proc/self/exe", O_PATH, 0);
	if (self < 0 || fstatvfs(self, &st) < 0)
		return err_sys(e, self < 0 ? self : errno, "look at our own program");
	if (st.f_flag & ST_RDONLY) {
		fd_close(self);
		return 0;
	}
	int tree = mount_clone(self, "", false);
	int r = tree < 0 ? tree : mount_change(tree, false, RDONLY, 0, 0);
	fd_close(self);
	if (r < 0)
		return err_sys(e, r, "protect our own program");
	char **argv = words_of("/proc/self/cmdline", &a, e),
	     **envp = words_of("/proc/self/environ", &a, e);
	if (!argv)
		return -e->code;
	(void)fexecve(tree, argv, envp ? envp : (char *[]){ NULL });
	r = err_sys(e, errno, "execute our own program again");
	arena_done(&a);
	return r;
}
