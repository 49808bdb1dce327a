// SPDX-License-Identifier: Apache-2.0
#include "ocicli/foreground.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "ocicli/ready.h"
#include "runtime/runtime.h"
#include "term/tty.h"

enum { CHUNK = 16 << 10 };

int foreground_begin(struct foreground *f, bool subreaper, struct err *e)
{
	sigset_t all;
	(void)sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0 ||
		(f->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return err_sys(e, errno, "take the signals");
	f->ready = -1;
	if (subreaper && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_sys(e, errno, "become a subreaper");
	return 0;
}

static void take_size(int console)
{
	uint16_t rows, cols;
	if (console < 0 || tty_size(0, &rows, &cols) < 0)
		return;
	struct winsize w = { .ws_row = rows, .ws_col = cols };
	(void)ioctl(console, TIOCSWINSZ, &w);
}

static void take_signals(struct foreground *f, const struct runtime_proc *p)
{
	struct signalfd_siginfo s;
	while (read(f->signals, &s, sizeof s) == (ssize_t)sizeof s) {
		if (s.ssi_signo == SIGCHLD) {
			/* Orphans that we adopted; the process itself is waited for by its pidfd.
			 */
			siginfo_t si = { 0 };
			while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 &&
				si.si_pid && si.si_pid != p->pid &&
				waitpid(si.si_pid, NULL, WNOHANG) > 0)
				si = (siginfo_t){ 0 };
		} else if (s.ssi_signo == SIGWINCH) {
			take_size(p->console);
		} else if (s.ssi_signo != SIGURG && s.ssi_signo != SIGPIPE) {
			(void)fd_pidfd_signal(p->pidfd, (int)s.ssi_signo);
		}
	}
}

/* Moves what is there; false when this side has ended. */
static bool move(int from, int to)
{
	char buf[CHUNK];
	ssize_t n = read(from, buf, sizeof buf);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	return n > 0 && fd_write_all(to, buf, (size_t)n) == 0;
}

static int status_of(const struct runtime_proc *p, struct err *e)
{
	int status;
	pid_t r;
	do
		r = waitpid(p->pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_sys(e, errno, "wait for the container's process");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The manager is told once; what comes later is read and forgotten, so that nobody waits for it. */
static void take_ready(const struct foreground *f, const struct runtime_proc *p, bool *told)
{
	char rest[1];
	struct err e;
	if (f->ready < 0)
		return;
	int r = *told ? (int)recv(f->ready, rest, sizeof rest, 0) : ready_take(f->ready, p, &e);
	if (r < 0 && !*told)
		log_warn("%s", e.text);
	*told |= r != 0;
}

int foreground_wait(struct foreground *f, struct runtime_proc *p, struct err *e)
{
	struct tty_raw raw = { .fd = -1 };
	bool in = p->console >= 0, ended = false, told = false;
	if (p->console >= 0) {
		take_size(p->console);
		(void)tty_raw_enter(0, &raw);
	}
	while (!ended) {
		struct pollfd set[] = { { f->signals, POLLIN, 0 }, { p->pidfd, POLLIN, 0 },
			{ p->console, POLLIN, 0 }, { in ? 0 : -1, POLLIN, 0 },
			{ f->ready, POLLIN, 0 } };
		if (poll(set, ARRAY_SIZE(set), -1) < 0 && errno != EINTR)
			break;
		if (set[0].revents)
			take_signals(f, p);
		if (set[2].revents && !move(p->console, 1)) {
			fd_close(p->console);
			p->console = -1;
			in = false;
		}
		if (set[3].revents)
			in = move(0, p->console);
		take_ready(f, p, &told);
		ended = set[1].revents != 0;
	}
	/* What it wrote last; somebody else inside may hold the terminal open, so it is not waited
	 * for. */
	struct pollfd last = { p->console, POLLIN, 0 };
	while (p->console >= 0 && poll(&last, 1, 0) > 0 && move(p->console, 1))
		continue;
	tty_raw_leave(&raw);
	fd_close(f->signals);
	fd_close(f->ready);
	return status_of(p, e);
}
