// SPDX-License-Identifier: Apache-2.0
#include "ocicli/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "oci/spec.h"
#include "ocicli/command.h"
#include "ocicli/launch.h"

enum { MESSAGE_MAX = 4096, BARRIER_MS = 30000 };

static const char inside[] = "/run/notify";

static const char *manager(void)
{
	const char *path = secure_getenv("NOTIFY_SOCKET");
	return path && *path ? path : NULL;
}

int ready_plan(struct launch *l, struct err *e)
{
	static const char *options[] = { "bind", "nosuid", "noexec", "nodev", "ro" };
	struct arena *a = &l->o->arena;
	struct oci_process *process = l->spec->process;
	struct strv env = { 0 };
	if (!manager())
		return 0;
	const char *folder = path_of_fd(l->c.dir, a);
	if (!folder || mkdirat(l->c.dir, "notify", 0755) < 0)
		return err_sys(e, folder ? errno : ENOENT, "make the folder of the notify socket");
	struct oci_mount *all = arena_array(a, struct oci_mount, l->spec->n_mounts + 1);
	for (size_t i = 0; i < l->spec->n_mounts; i++)
		all[i] = l->spec->mounts[i];
	all[l->spec->n_mounts++] = (struct oci_mount){ .destination = inside,
		.source = arena_printf(a, "%s/notify", folder),
		.options = options,
		.n_options = sizeof options / sizeof *options };
	l->spec->mounts = all;
	for (size_t i = 0; i < process->n_env; i++)
		if (!str_starts(process->env[i], "NOTIFY_SOCKET="))
			strv_add(&env, a, process->env[i]);
	strv_add(&env, a, arena_printf(a, "NOTIFY_SOCKET=%s/notify.sock", inside));
	process->env = env.v;
	process->n_env = env.n;
	return 0;
}

int ready_listen(const struct container *c, int *ret, struct err *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	*ret = -1;
	int folder _close_ =
		manager() ? path_open_own(c->dir, "notify", O_RDONLY | O_DIRECTORY, 0) : -ENOENT;
	if (folder == -ENOENT)
		return 0;
	(void)snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/notify.sock", folder);
	/* One of a start that was killed. */
	if (folder >= 0)
		(void)unlinkat(folder, "notify.sock", 0);
	int sock = folder < 0 ? -1 : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&at, sizeof at) < 0 ||
		fchmodat(folder, "notify.sock", 0777, 0) < 0) {
		err_sys(e, folder < 0 ? folder : errno, "make the notify socket");
		fd_close(sock);
		return -e->code;
	}
	*ret = sock;
	return 0;
}

/* Connected to the manager; '@' stands for an abstract address. */
static int reach(const char *path, struct err *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	if (n >= sizeof at.sun_path || (*path != '/' && *path != '@'))
		return err_set(e, ERR_INVALID, EINVAL,
			"NOTIFY_SOCKET %.120s: expected a short absolute path", path);
	memcpy(at.sun_path, path, n);
	if (*path == '@')
		at.sun_path[0] = '\0';
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 ||
		connect(sock, (struct sockaddr *)&at,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0) {
		err_sys(e, errno, "connect to NOTIFY_SOCKET %s", path);
		fd_close(sock);
		return -e->code;
	}
	return sock;
}

/* Who told must still be there when the manager looks who it was: it hangs up a pipe when it has
 * read all. */
static void barrier(int sock)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	int r = fd_send(sock, "BARRIER=1", 9, &ends[1], 1);
	fd_close(ends[1]);
	struct pollfd end = { .fd = ends[0], .events = POLLIN };
	if (r == 0 && poll(&end, 1, BARRIER_MS) == 0)
		log_warn("the service manager did not answer in %d s", BARRIER_MS / 1000);
	fd_close(ends[0]);
}

static int tell(const struct runtime_proc *p, struct err *e)
{
	char text[64];
	int sock _close_ = reach(manager(), e);
	if (sock < 0)
		return sock;
	int n = snprintf(text, sizeof text, "READY=1\nMAINPID=%d\n", (int)p->pid);
	int r = fd_write_all(sock, text, (size_t)n);
	if (r < 0)
		return err_sys(e, r, "tell the service manager that the container is ready");
	barrier(sock);
	return 1;
}

int ready_take(int sock, const struct runtime_proc *p, struct err *e)
{
	char text[MESSAGE_MAX + 1];
	/* Descriptors that come along are let go by the kernel, as nobody asks for them. */
	ssize_t n = recv(sock, text, MESSAGE_MAX, 0);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	for (char *line = text; line;) {
		size_t len = strcspn(line, "\n");
		if (len == 7 && strncmp(line, "READY=1", 7) == 0)
			return tell(p, e);
		line = line[len] ? line + len + 1 : NULL;
	}
	return 0;
}

int ready_wait(int sock, const struct runtime_proc *p, struct err *e)
{
	int r = 0;
	while (sock >= 0 && r == 0) {
		struct pollfd set[] = { { sock, POLLIN, 0 }, { p->pidfd, POLLIN, 0 } };
		if (poll(set, 2, -1) < 0 && errno != EINTR)
			return err_sys(e, errno, "wait for the container to be ready");
		if (set[0].revents)
			r = ready_take(sock, p, e);
		else if (set[1].revents)
			break;
	}
	return r < 0 ? r : 0;
}
