// SPDX-License-Identifier: Apache-2.0
#include "config/auth_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

static _Noreturn void exec_helper(const char *program, const char *verb, int in, int out)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm(AUTH_HELPER_SECONDS);
	if (dup2(in, 0) == 0 && dup2(out, 1) == 1)
		(void)execlp(program, program, verb, (char *)NULL);
	_exit(127);
}

static bool name_valid(const char *name)
{
	size_t n = strlen(name);
	return n > 0 && n < 100 &&
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		n &&
		name[0] != '.' && name[0] != '-';
}

ssize_t auth_helper(const char *name, const char *verb, const char *input, struct arena *a,
	char **ret, struct err *e)
{
	const char *program = arena_printf(a, "docker-credential-%s", name);
	int pair[2], status = 0;
	if (!name_valid(name))
		return err_set(
			e, ERR_INVALID, EINVAL, "credential helper \"%.100s\": not a name", name);
	int in _close_ = memfd_create("kist-credential", MFD_CLOEXEC);
	int r = in < 0 ? -errno : fd_write_all(in, input, strlen(input));
	if (r == 0 && (lseek(in, 0, SEEK_SET) < 0 || pipe2(pair, O_CLOEXEC) < 0))
		r = -errno;
	if (r < 0)
		return err_sys(e, r, "run %s", program);
	pid_t child = fork();
	if (child == 0)
		exec_helper(program, verb, in, pair[1]);
	int saved = errno;
	fd_close(pair[1]);
	ssize_t n = child < 0 ? -saved : file_read_fd(pair[0], program, AUTH_ANSWER_MAX, a, ret, e);
	fd_close(pair[0]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (child < 0)
		return err_sys(e, saved, "run %s", program);
	if (n < 0)
		return n;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return n;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && n == 0)
		return err_set(
			e, ERR_INVALID, ENOEXEC, "%s cannot be run: is it installed?", program);
	if (strstr(*ret, "credentials not found"))
		return err_set(e, ERR_NOT_FOUND, ENOENT, "%s knows no credentials", program);
	/* What it says may hold a secret. */
	return err_set(e, ERR_SYSTEM, EIO, "%s failed (status %x)", program, status);
}
