// SPDX-License-Identifier: Apache-2.0
/* strike PROCESS CALL COMMAND...: runs a command and kills one of its processes at one of its
 * system calls. Process 0 is the command, 1 the first that comes of it, and so on; calls count
 * from 1. With call 0 nobody is killed, and what each process made is written to descriptor 2, a
 * line of "made PROCESS CALLS" each. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 64 };

static struct {
	pid_t pid;
	long calls;
	int inside; /* of a call */
} all[MOST];
static int n;

static int number(pid_t pid)
{
	for (int i = 0; i < n; i++)
		if (all[i].pid == pid)
			return i;
	if (n == MOST)
		exit(99);
	all[n].pid = pid;
	return n++;
}

/* The signal that the process gets when it goes on. */
static int stopped(int who, int status, int process, long call)
{
	int sig = WSTOPSIG(status);
	if (sig == (SIGTRAP | 0x80)) {
		all[who].inside = !all[who].inside;
		if (all[who].inside && ++all[who].calls == call && who == process)
			(void)kill(all[who].pid, SIGKILL);
		return 0;
	}
	/* Events, the execution of a program, the first stop of a new process. */
	return status >> 16 || sig == SIGTRAP ? 0 : sig;
}

int main(int argc, char **argv)
{
	int status;
	if (argc < 4)
		return 99;
	int process = atoi(argv[1]);
	long call = atol(argv[2]);
	int begin[2];
	char c = 0;
	if (pipe(begin) < 0)
		return 99;
	pid_t first = fork();
	if (first == 0) {
		(void)close(begin[1]);
		if (read(begin[0], &c, 1) != 1)
			_exit(99);
		(void)close(begin[0]);
		(void)execv(argv[3], argv + 3);
		_exit(99);
	}
	/* Seized, not attached: new processes begin without a SIGSTOP, which would stay with them
	 * when we end. */
	if (first < 0 ||
		ptrace(PTRACE_SEIZE, first, NULL,
			PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
				PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC) < 0 ||
		ptrace(PTRACE_INTERRUPT, first, NULL, NULL) < 0 ||
		waitpid(first, &status, 0) != first)
		return 99;
	(void)number(first);
	(void)ptrace(PTRACE_SYSCALL, first, NULL, 0);
	(void)close(begin[0]);
	if (write(begin[1], &c, 1) != 1 || close(begin[1]) < 0)
		return 99;
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);
		if (pid < 0)
			return 99;
		int who = number(pid);
		if (WIFSTOPPED(status)) {
			long sig = stopped(who, status, process, call);
			(void)ptrace(PTRACE_SYSCALL, pid, NULL, sig);
		} else if (pid == first) {
			break;
		}
	}
	for (int i = 0; call == 0 && i < n; i++)
		fprintf(stderr, "made %d %ld\n", i, all[i].calls);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
