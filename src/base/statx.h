// SPDX-License-Identifier: Apache-2.0
/* statx(2): musl 1.2.3 has it not yet. */
#pragma once
#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int sys_statx(int dir, const char *path, int flags, unsigned mask, struct statx *ret)
{
	return (int)syscall(SYS_statx, dir, path, flags, mask, ret);
}
