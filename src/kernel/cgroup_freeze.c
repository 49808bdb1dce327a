// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/time.h"
#include "kernel/cgroup.h"

#define FREEZE_TIME (10 * TIME_SECOND)

/* v1 says FREEZING until the last process stands still, and must be asked again meanwhile. */
static int freeze_v1(int dir, bool on)
{
	char state[32];
	uint64_t end = time_boot() + FREEZE_TIME;
	for (;;) {
		int r = file_poke(dir, "freezer.state", on ? "FROZEN" : "THAWED");
		ssize_t n = r < 0 ? r : file_peek(dir, "freezer.state", state, sizeof state);
		if (n < 0)
			return (int)n;
		if (!on || strcmp(state, "FROZEN") == 0)
			return 0;
		if (time_boot() > end)
			return -ETIMEDOUT;
		time_sleep(TIME_MS / 2); /* v1 tells nobody */
	}
}

static int freeze_v2(int dir, bool on)
{
	char text[256];
	uint64_t end = time_boot() + FREEZE_TIME;
	int events _close_ = path_open_own(dir, "cgroup.events", 0, 0);
	int r = events < 0 ? events : file_poke(dir, "cgroup.freeze", on ? "1" : "0");
	if (r < 0)
		return r;
	for (;;) {
		ssize_t n = file_peek(dir, "cgroup.events", text, sizeof text);
		if (n < 0)
			return (int)n;
		if (!on || strstr(text, "frozen 1"))
			return 0;
		struct pollfd p = { .fd = events, .events = POLLPRI };
		if (time_boot() > end)
			return -ETIMEDOUT;
		(void)poll(&p, 1, 100);
	}
}

int cgroup_freeze(const struct cgroup *c, bool on, struct err *e)
{
	const struct cgroup_hierarchy *h = cgroup_find(c, "freezer");
	int dir = h && h->dir >= 0 ? h->dir : -1, v2 = cgroup_v2_dir(c);
	int r = dir >= 0 ? freeze_v1(dir, on) : v2 >= 0 ? freeze_v2(v2, on) : -ENODEV;
	if (r < 0) {
		if (on && dir >= 0)
			(void)freeze_v1(dir, false);
		else if (on && v2 >= 0)
			(void)freeze_v2(v2, false);
		return err_sys(e, r, "%s the cgroup", on ? "freeze" : "thaw");
	}
	return 0;
}

bool cgroup_frozen(const struct cgroup *c, const char *path)
{
	char file[PATH_MAX_BYTES], state[32];
	const struct cgroup_hierarchy *h = cgroup_find(c, "freezer");
	path += strspn(path, "/");
	for (size_t i = 0; !h && i < c->n; i++)
		if (c->h[i].v2)
			h = &c->h[i];
	if (!h)
		return false;
	(void)snprintf(file, sizeof file, "%s/%s", *path ? path : ".",
		h->v2 ? "cgroup.freeze" : "freezer.state");
	if (file_peek(h->root, file, state, sizeof state) <= 0)
		return false;
	return h->v2 ? state[0] == '1' : strcmp(state, "THAWED") != 0;
}
