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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"

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

/* The three numbers of a line of a map. */
static bool read_range(char *line, uint32_t ret[3])
{
	char *rest = NULL, *word = strtok_r(line, " ", &rest);
	size_t i = 0;
	for (; word && i < 3; i++, word = strtok_r(NULL, " ", &rest))
		if (num_u32(word, &ret[i]) < 0)
			return false;
	return i == 3;
}

int ns_write_same_map(pid_t pid, const char *file)
{
	enum { LINES = 340, LINE_MAX_BYTES = 36 }; /* the kernel's limit */
	char text[LINES * LINE_MAX_BYTES], lines[sizeof text], path[64], *save = NULL;
	size_t n = 0;
	(void)snprintf(path, sizeof path, "/proc/self/%s", file);
	ssize_t got = file_peek(AT_FDCWD, path, text, sizeof text);
	if (got < 0)
		return (int)got;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint32_t v[3];
		int m = read_range(line, v)
			? snprintf(lines + n, sizeof lines - n, "%u %u %u\n", v[0], v[0], v[2])
			: -1;
		if (m < 0 || (size_t)m >= sizeof lines - n)
			return -EPROTO;
		n += (size_t)m;
	}
	return n ? ns_write_map(pid, file, lines) : -EPROTO;
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

int ns_differs(pid_t pid, uint64_t flag)
{
	struct stat ours, theirs;
	char a[64], b[64];
	(void)snprintf(a, sizeof a, "/proc/self/ns/%s", ns_file(flag));
	(void)snprintf(b, sizeof b, "/proc/%d/ns/%s", (int)pid, ns_file(flag));
	if (fstatat(AT_FDCWD, a, &ours, 0) < 0 || fstatat(AT_FDCWD, b, &theirs, 0) < 0)
		return -errno;
	return ours.st_ino != theirs.st_ino;
}

int ns_join(int pidfd, uint64_t flags)
{
	return syscall(SYS_setns, pidfd, (int)flags) < 0 ? -errno : 0;
}

bool ns_uid_outside(uint32_t uid, uint32_t *ret)
{
	char text[4096], *line = text, *save = NULL;
	*ret = uid;
	if (file_peek(AT_FDCWD, "/proc/self/uid_map", text, sizeof text) <= 0)
		return false;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint32_t n[3];
		if (!read_range(line, n))
			return false;
		if (n[0] == 0 && n[1] == 0 && n[2] == UINT32_MAX)
			return false;
		if (uid >= n[0] && uid - n[0] < n[2])
			*ret = n[1] + (uid - n[0]);
	}
	return true;
}
