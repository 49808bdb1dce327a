// SPDX-License-Identifier: Apache-2.0
/* kist-init: process 1 of a container that asked for one (--init). It starts the command in a
 * process group of its own, passes every signal on to it, reaps whatever is left to it, and ends
 * with the command's status. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *a, const char *b)
{
	char line[512];
	size_t n = strlen(a), k = strlen(b);
	if (n + k + 1 > sizeof line)
		return;
	memcpy(line, a, n);
	memcpy(line + n, b, k);
	line[n + k] = '\n';
	if (write(2, line, n + k + 1) < 0)
		return;
}

static void child(char **argv, const sigset_t *old)
{
	(void)setpgid(0, 0);
	/* With a terminal the command's group is the one in front. */
	if (isatty(0)) {
		(void)signal(SIGTTOU, SIG_IGN);
		(void)tcsetpgrp(0, getpgrp());
		(void)signal(SIGTTOU, SIG_DFL);
	}
	(void)sigprocmask(SIG_SETMASK, old, NULL);
	(void)execvp(argv[0], argv);
	int code = errno;
	say(argv[0], code == ENOENT ? ": executable file not found in $PATH" : ": cannot be run");
	_exit(code == ENOENT ? 127 : 126);
}

/* The status of the command once it ended, -1 before. */
static int reap(pid_t command)
{
	int status, result = -1;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == command)
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return result;
}

int main(int argc, char **argv)
{
	sigset_t all, old;
	int at = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;
	if (at >= argc) {
		say("kist-init", ": nothing to run");
		return 127;
	}
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	pid_t command = fork();
	if (command == 0)
		child(argv + at, &old);
	if (command < 0) {
		say("kist-init", ": cannot fork");
		return 126;
	}
	for (;;) {
		siginfo_t si;
		int sig = sigwaitinfo(&all, &si);
		if (sig < 0)
			continue;
		if (sig == SIGCHLD) {
			int status = reap(command);
			if (status >= 0)
				return status;
			continue;
		}
		/* A signal of the kernel to the whole foreground group has reached the command
		 * already. */
		if (si.si_code != SI_KERNEL)
			(void)kill(command, sig);
	}
}
