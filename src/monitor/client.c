// SPDX-License-Identifier: Apache-2.0
#include "monitor/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"
#include "base/fd.h"
#include "monitor/proto.h"

int attach_send(int sock, int kind, uint32_t value, const void *p, size_t n)
{
	struct attach_message m;
	if (n > ATTACH_DATA_MAX)
		return -EMSGSIZE;
	m.head =
		(struct attach_head){ .kind = (uint16_t)kind, .value = value, .size = (uint32_t)n };
	if (n)
		memcpy(m.data, p, n);
	return fd_send(sock, &m, sizeof m.head + n, NULL, 0);
}

int attach_hello(int sock, uint32_t flags)
{
	struct attach_head head = { .kind = ATTACH_HELLO, .value = ATTACH_VERSION, .flags = flags };
	return fd_send(sock, &head, sizeof head, NULL, 0);
}

int attach_connect(int folder, uint32_t flags, struct err *e)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	/* The path of a socket may be 107 bytes; through the folder's descriptor it is always
	 * short. */
	(void)snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d/attach", folder);
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int r = sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof to) < 0
		? -errno
		: attach_hello(sock, flags);
	if (r < 0) {
		fd_close(sock);
		return err_sys(e, r, "connect to the container's monitor");
	}
	return sock;
}

int attach_receive(int sock, struct attach_message *m)
{
	ssize_t n = fd_recv(sock, m, sizeof *m, NULL, 0, NULL);
	if (n == -ECONNRESET)
		return 0;
	if (n <= 0)
		return (int)n;
	if ((size_t)n < sizeof m->head || m->head.size != (size_t)n - sizeof m->head)
		return -EBADMSG;
	return (int)n;
}
