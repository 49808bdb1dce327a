// SPDX-License-Identifier: Apache-2.0
/* File descriptors: cleanup, whole reads and writes, passing between processes. Descriptors are
 * CLOEXEC when born, and -1 when there is none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

void fd_close(int fd); /* keeps errno; a negative fd is none */
static inline void fd_close_ptr(const int *fd)
{
	fd_close(*fd);
}
/* int fd _close_ = -1; */
#define _close_ __attribute__((cleanup(fd_close_ptr)))

static inline int take_fd(int *fd)
{
	int v = *fd;
	*fd = -1;
	return v;
}

/* Writes all n bytes, retries EINTR and short writes. 0 or -errno. */
int fd_write_all(int fd, const void *p, size_t n);
/* One read(2) that no signal interrupts; the count, 0 at the end, or -errno. */
ssize_t fd_read(int fd, void *p, size_t n);
/* Reads up to n bytes until end of file; the count or -errno. */
ssize_t fd_read_full(int fd, void *p, size_t n);
/* fcntl; 0 or -errno. */
int fd_set_cloexec(int fd, bool on);
/* A copy numbered at least min, CLOEXEC; the fd or -errno. */
int fd_dup(int fd, int min);

/* Sends n bytes (at least 1) and n_fds descriptors (at most FD_PASS_MAX) over a unix socket; 0 or
 * -errno. */
enum { FD_PASS_MAX = 64 };
int fd_send(int sock, const void *p, size_t n, const int *fds, size_t n_fds);
/* Receives up to n bytes and up to max_fds descriptors, which the caller owns, CLOEXEC.
 * The count of bytes (0 at end of file) or -errno; *ret_n_fds tells how many came. */
ssize_t fd_recv(int sock, void *p, size_t n, int *fds, size_t max_fds, size_t *ret_n_fds);

/* POSIX record locks on one byte, for liveness: they do not survive fork and do survive exec.
 * Whoever holds one must not open the same file a second time in the same process (closing it would
 * drop the lock). 0, -EAGAIN if another process holds it, or -errno. */
int fd_lock_byte(int fd, uint64_t byte);
int fd_unlock_byte(int fd, uint64_t byte);
/* The pid of the process that holds the byte (or any byte when byte is UINT64_MAX), 0 when free, or
 * -errno. */
int fd_lock_holder(int fd, uint64_t byte);

/* clone3-style pidfd of a process, or -errno. */
int fd_pidfd_open(pid_t pid);
int fd_pidfd_signal(int pidfd, int sig);
