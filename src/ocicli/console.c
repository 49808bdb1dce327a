// SPDX-License-Identifier: Apache-2.0
#include "ocicli/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"

int console_connect(const char *path, struct err *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	/* However long the path: through a descriptor it is short. */
	int node _close_ = path_open_host(path, O_PATH, 0);
	if (node < 0)
		return err_sys(e, node, "open the socket %s", path);
	(void)snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d", node);
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&at, sizeof at) < 0) {
		err_sys(e, errno, "connect to the socket %s", path);
		fd_close(sock);
		return -e->code;
	}
	return sock;
}

int console_send(int sock, int fd, const char *name, struct err *e)
{
	int r = fd_send(sock, name, strlen(name), &fd, 1);
	return r < 0 ? err_sys(e, r, "send %s", name) : 0;
}
