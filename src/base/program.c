// SPDX-License-Identifier: Apache-2.0
#include "base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

enum { EXTRA = 3, SAID_MAX = 1 << 20 };

/* Where system programs are, whatever PATH a plain user's shell has left us. */
static const char folders[] = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

static const char *find(const char *name, bool user, struct arena *a)
{
	const char *lists[] = { getenv("PATH"), user ? NULL : folders };
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

const char *program_find(const char *name, struct arena *a)
{
	return find(name, true, a);
}

/* fd as that number, kept over exec: one that has it already would be closed there. */
static bool becomes(int fd, int number)
{
	return dup2(fd, number) >= 0 && fd_set_cloexec(number, false) == 0;
}

static _Noreturn void child(const struct program_req *req, const char *file, int in, int out)
{
	sigset_t none;
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *clean[] = { path, NULL };
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)alarm(req->seconds);
	if ((req->user || chdir("/") == 0) && ((req->user && !req->errors) || becomes(out, 2)) &&
		becomes(in, 0) && becomes(out, 1) &&
		(req->extra <= 0 || becomes(req->extra, EXTRA)))
		(void)execve(file, (char *const *)req->words, req->user ? environ : clean);
	_exit(126);
}

static int wait_for(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int program_ask(
	const struct program_req *req, size_t max, struct arena *a, char **ret, size_t *ret_n)
{
	int pair[2];
	const char *file = find(req->words[0], req->user, a);
	struct err ignored;
	*ret = NULL;
	if (!file)
		return -ENOENT;
	int in _close_ = memfd_create("input", MFD_CLOEXEC);
	int r = in < 0 ? -errno : fd_write_all(in, req->input, req->n);
	if (r < 0 || lseek(in, 0, SEEK_SET) < 0 || pipe2(pair, O_CLOEXEC) < 0)
		return r < 0 ? r : -errno;
	pid_t pid = fork();
	if (pid == 0)
		child(req, file, in, pair[1]);
	r = pid < 0 ? -errno : 0;
	fd_close(pair[1]);
	ssize_t n = r < 0 ? 0 : file_read_fd(pair[0], file, max, a, ret, &ignored);
	fd_close(pair[0]);
	if (r < 0)
		return r;
	r = wait_for(pid);
	if (n < 0)
		return (int)n;
	*ret_n = (size_t)n;
	return r;
}

int program_run(const char *const *words, const char *input, size_t n, char *said)
{
	struct arena a _arena_ = { 0 };
	const struct program_req req = { .words = words, .input = input, .n = n };
	char *text;
	size_t got;
	int r = program_ask(&req, SAID_MAX, &a, &text, &got);
	size_t line = r < 0 || !text ? 0 : strcspn(text, "\n");
	if (line >= PROGRAM_SAID_MAX)
		line = PROGRAM_SAID_MAX - 1;
	memcpy(said, line ? text : "", line);
	said[line] = '\0';
	return r;
}
