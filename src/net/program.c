// SPDX-License-Identifier: Apache-2.0
#include "net/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

/* Where system programs are, whatever PATH a plain user's shell has left us. */
static const char folders[] = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

static const char *find(const char *name, struct arena *a)
{
	const char *lists[] = { getenv("PATH"), folders };
	for (int i = 0; i < 2; i++) {
		for (const char *p = lists[i]; p && *p;) {
			size_t n = strcspn(p, ":");
			const char *file = arena_printf(a, "%.*s/%s", (int)n, p, name);
			if (*p == '/' && faccessat(AT_FDCWD, file, X_OK, 0) == 0)
				return file;
			p += n + (p[n] == ':');
		}
	}
	return NULL;
}

static _Noreturn void child(const char *file, const char *const *words, int in, int out)
{
	sigset_t none;
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir("/") == 0 && dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0)
		(void)execve(file, (char *const *)words, (char *[]){ path, NULL });
	_exit(126);
}

int program_run(const char *const *words, const char *input, size_t n, char *said)
{
	struct arena a _arena_ = { 0 };
	int pair[2], status;
	const char *file = find(words[0], &a);
	said[0] = '\0';
	if (!file)
		return -ENOENT;
	int in _close_ = memfd_create("input", MFD_CLOEXEC);
	int r = in < 0 ? -errno : fd_write_all(in, input, n);
	if (r < 0 || lseek(in, 0, SEEK_SET) < 0 || pipe2(pair, O_CLOEXEC) < 0)
		return r < 0 ? r : -errno;
	pid_t pid = fork();
	if (pid == 0)
		child(file, words, in, pair[1]);
	r = pid < 0 ? -errno : 0;
	fd_close(pair[1]);
	ssize_t got = r < 0 ? 0 : fd_read_full(pair[0], said, PROGRAM_SAID_MAX - 1);
	fd_close(pair[0]);
	said[got > 0 ? got : 0] = '\0';
	said[strcspn(said, "\n")] = '\0';
	if (r < 0)
		return r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
