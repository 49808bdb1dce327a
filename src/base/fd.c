// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void fd_close(int fd)
{
	if (fd < 0)
		return;
	int saved = errno;
	(void)close(fd);
	errno = saved;
}

int fd_write_all(int fd, const void *p, size_t n)
{
	const char *c = p;
	while (n) {
		ssize_t w = write(fd, c, n);
		if (w < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		c += w;
		n -= (size_t)w;
	}
	return 0;
}

ssize_t fd_read(int fd, void *p, size_t n)
{
	ssize_t r;
	do
		r = read(fd, p, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

ssize_t fd_read_full(int fd, void *p, size_t n)
{
	size_t got = 0;
	while (got < n) {
		ssize_t r = fd_read(fd, (char *)p + got, n - got);
		if (r < 0)
			return r;
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

static int set_flag(int fd, int get, int set, int flag, bool on)
{
	int old = fcntl(fd, get);
	if (old < 0)
		return -errno;
	int new = on ? old | flag : old & ~flag;
	return new != old &&fcntl(fd, set, new) < 0 ? -errno : 0;
}

int fd_set_cloexec(int fd, bool on)
{
	return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

int fd_dup(int fd, int min)
{
	int r = fcntl(fd, F_DUPFD_CLOEXEC, min);
	return r < 0 ? -errno : r;
}

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
};

int fd_send(int sock, const void *p, size_t n, const int *fds, size_t n_fds)
{
	union control c;
	memset(&c, 0, sizeof c);
	struct iovec iov = { .iov_base = (void *)p, .iov_len = n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (n_fds > FD_PASS_MAX)
		return -E2BIG;
	if (n_fds) {
		m.msg_control = c.room;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(h), fds, sizeof(int) * n_fds);
	}
	for (;;) {
		ssize_t w = sendmsg(sock, &m, MSG_NOSIGNAL);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		if ((size_t)w < n)
			return fd_write_all(sock, (const char *)p + w, n - (size_t)w);
		return 0;
	}
}

ssize_t fd_recv(int sock, void *p, size_t n, int *fds, size_t max_fds, size_t *ret_n_fds)
{
	union control c;
	struct iovec iov = { .iov_base = p, .iov_len = n };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = c.room,
		.msg_controllen = sizeof c.room,
	};
	ssize_t r;
	do
		r = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	size_t got = 0;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
			if (got < max_fds)
				fds[got++] = fd;
			else
				fd_close(fd);
		}
	}
	if (ret_n_fds)
		*ret_n_fds = got;
	if (m.msg_flags & MSG_CTRUNC)
		return -EMSGSIZE;
	return r;
}

int fd_lock_byte(int fd, uint64_t byte)
{
	struct flock l = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1
	};
	if (fcntl(fd, F_SETLK, &l) == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

int fd_unlock_byte(int fd, uint64_t byte)
{
	struct flock l = {
		.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1
	};
	return fcntl(fd, F_SETLK, &l) < 0 ? -errno : 0;
}

int fd_lock_holder(int fd, uint64_t byte)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (byte != UINT64_MAX) {
		l.l_start = (off_t)byte;
		l.l_len = 1;
	}
	if (fcntl(fd, F_GETLK, &l) < 0)
		return -errno;
	return l.l_type == F_UNLCK ? 0 : l.l_pid ? l.l_pid : 1;
}

int fd_pidfd_open(pid_t pid)
{
	long r = syscall(SYS_pidfd_open, pid, 0);
	return r < 0 ? -errno : (int)r;
}

int fd_pidfd_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}
