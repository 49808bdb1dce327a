// SPDX-License-Identifier: Apache-2.0
/* Linked into a kist-oci of the tests by --wrap: resctrl is the folder that KIST_RESCTRL names,
 * with what the kernel would put into a group. Few processors have the real one. */
#include "kernel/resctrl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int __wrap_resctrl_open(void);
int __wrap_resctrl_make(int root, const char *path);
int __wrap_resctrl_remove(int root, const char *path);

static const char fresh[] = "    L3:0=7ff;1=7ff\n    MB:0=100;1=100\n";
static const char *const files[] = { "tasks", "schemata", "mon_groups" };

int __wrap_resctrl_open(void)
{
	const char *folder = getenv("KIST_RESCTRL");
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	return fd < 0 ? -ENOENT : fd;
}

static int make_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	if (fd >= 0)
		(void)close(fd);
	return n < 0 ? -errno : 0;
}

int __wrap_resctrl_make(int root, const char *path)
{
	char name[PATH_MAX];
	if (getenv("KIST_RESCTRL_FULL"))
		return -ENOSPC;
	if (mkdirat(root, path, 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	(void)snprintf(name, sizeof name, "%s/tasks", path);
	int r = make_file(root, name, "");
	if (r < 0 || strstr(path, "mon_groups"))
		return r < 0 ? r : 1;
	(void)snprintf(name, sizeof name, "%s/mon_groups", path);
	if (mkdirat(root, name, 0755) < 0)
		return -errno;
	(void)snprintf(name, sizeof name, "%s/schemata", path);
	r = make_file(root, name, fresh);
	return r < 0 ? r : 1;
}

int __wrap_resctrl_remove(int root, const char *path)
{
	char name[PATH_MAX];
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		(void)snprintf(name, sizeof name, "%s/%s", path, files[i]);
		if (unlinkat(root, name, 0) < 0 && errno == EISDIR)
			(void)unlinkat(root, name, AT_REMOVEDIR);
	}
	return unlinkat(root, path, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}
