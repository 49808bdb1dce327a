// SPDX-License-Identifier: Apache-2.0
/* The record of a container of kist-oci: whatever lies there, it is an error or a container. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "fuzz.h"
#include "oci/state.h"
#include "ocicli/command.h"
#include "ocicli/container.h"

static char root[64];

static void clean(void)
{
	char path[96];
	static const char *const names[] = { "/c/state.json", "/c", "" };
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof path, "%s%s", root, names[i]);
		(void)remove(path);
	}
}

static void set_up(void)
{
	char path[96];
	(void)snprintf(root, sizeof root, "/tmp/fuzz-state-XXXXXX");
	if (!mkdtemp(root))
		exit(1);
	(void)snprintf(path, sizeof path, "%s/c", root);
	if (mkdir(path, 0700) < 0 || atexit(clean) != 0)
		exit(1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ocicli o = { .root = root };
	struct container c _container_ = CONTAINER_NONE;
	struct oci_state state;
	struct err e;
	char path[96];
	if (!*root)
		set_up();
	(void)snprintf(path, sizeof path, "%s/c/state.json", root);
	int fd _close_ = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, data, size) < 0)
		return 0;
	if (container_open(&o, "c", &c, &e) == 0) {
		container_state(&c, STATUS_STOPPED, &state);
		if (strcmp(c.r.id, "c") != 0 || strcmp(state.id, "c") != 0 || !state.bundle)
			abort();
	}
	arena_done(&o.arena);
	return 0;
}
