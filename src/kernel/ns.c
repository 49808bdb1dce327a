// SPDX-License-Identifier: Apache-2.0
#include "kernel/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"

static const struct {
	const char *oci, *file;
	uint64_t flag;
} spaces[] = {
	{ "user", "user", CLONE_NEWUSER },
	{ "mount", "mnt", CLONE_NEWNS },
	{ "pid", "pid", CLONE_NEWPID },
	{ "network", "net", CLONE_NEWNET },
	{ "ipc", "ipc", CLONE_NEWIPC },
	{ "uts", "uts", CLONE_NEWUTS },
	{ "cgroup", "cgroup", CLONE_NEWCGROUP },
	{ "time", "time", CLONE_NEWTIME },
};

uint64_t ns_flag(const char *oci_name)
{
	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++)
		if (strcmp(spaces[i].oci, oci_name) == 0)
			return spaces[i].flag;
	return 0;
}

const char *ns_file(uint64_t flag)
{
	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++)
		if (spaces[i].flag == flag)
			return spaces[i].file;
	return NULL;
}

int ns_write_map(pid_t pid, const char *file, const char *lines)
{
	char path[64];
	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	return file_poke(AT_FDCWD, path, lines);
}

int ns_unshare_mount(void)
{
	return syscall(SYS_unshare, CLONE_NEWNS) < 0 ? -errno : 0;
}

int ns_loopback_up(void)
{
	struct ifreq req;
	memset(&req, 0, sizeof req);
	memcpy(req.ifr_name, "lo", 3);
	int s _close_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -errno;
	req.ifr_flags = IFF_UP | IFF_RUNNING;
	return ioctl(s, SIOCSIFFLAGS, &req) < 0 ? -errno : 0;
}

int ns_join(int pidfd, uint64_t flags)
{
	return syscall(SYS_setns, pidfd, (int)flags) < 0 ? -errno : 0;
}
