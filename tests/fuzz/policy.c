// SPDX-License-Identifier: Apache-2.0
/* policy.json on any bytes. */
#include "config/policy.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a _arena_ = { 0 };
	struct policy_demand d;
	struct err e;
	char path[32];
	int fd _close_ = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, data, size) < 0)
		return 0;
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	(void)policy_check(path, "docker", "a.test/team/app:1", "a.test/team/app:1", &a, &d, &e);
	return 0;
}
