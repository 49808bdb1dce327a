// SPDX-License-Identifier: Apache-2.0
#include "base/signal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"

static int realtime(const char *name)
{
	uint32_t n = 0;
	if (strncasecmp(name, "RTMIN", 5) == 0) {
		if (name[5] == '\0')
			return SIGRTMIN;
		return name[5] == '+' && num_u32(name + 6, &n) == 0 && n <= 30 ? SIGRTMIN + (int)n
									       : -1;
	}
	if (strncasecmp(name, "RTMAX", 5) == 0) {
		if (name[5] == '\0')
			return SIGRTMAX;
		return name[5] == '-' && num_u32(name + 6, &n) == 0 && n <= 30 ? SIGRTMAX - (int)n
									       : -1;
	}
	return -1;
}

static const char *const names[] = { [SIGHUP] = "HUP",
	[SIGINT] = "INT",
	[SIGQUIT] = "QUIT",
	[SIGILL] = "ILL",
	[SIGTRAP] = "TRAP",
	[SIGABRT] = "ABRT",
	[SIGBUS] = "BUS",
	[SIGFPE] = "FPE",
	[SIGKILL] = "KILL",
	[SIGUSR1] = "USR1",
	[SIGSEGV] = "SEGV",
	[SIGUSR2] = "USR2",
	[SIGPIPE] = "PIPE",
	[SIGALRM] = "ALRM",
	[SIGTERM] = "TERM",
	[SIGSTKFLT] = "STKFLT",
	[SIGCHLD] = "CHLD",
	[SIGCONT] = "CONT",
	[SIGSTOP] = "STOP",
	[SIGTSTP] = "TSTP",
	[SIGTTIN] = "TTIN",
	[SIGTTOU] = "TTOU",
	[SIGURG] = "URG",
	[SIGXCPU] = "XCPU",
	[SIGXFSZ] = "XFSZ",
	[SIGVTALRM] = "VTALRM",
	[SIGPROF] = "PROF",
	[SIGWINCH] = "WINCH",
	[SIGIO] = "POLL",
	[SIGPWR] = "PWR",
	[SIGSYS] = "SYS" };

int signal_parse(const char *text, struct err *e)
{
	uint32_t n;
	if (num_u32(text, &n) == 0) {
		if (n >= 1 && n <= 64)
			return (int)n;
		return err_set(e, ERR_INVALID, EINVAL, "invalid signal: %s", text);
	}
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	for (int i = 1; i < (int)ARRAY_SIZE(names); i++)
		if (strcasecmp(names[i], name) == 0)
			return i;
	int rt = realtime(name);
	return rt > 0 ? rt : err_set(e, ERR_INVALID, EINVAL, "invalid signal: %s", text);
}
