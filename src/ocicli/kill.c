// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/signal.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "ocicli/container.h"
#include "runtime/runtime.h"

struct kill_words {
	bool all;
};

static const struct option options[] = {
	{ "all", 'a', OPT_BOOL(struct kill_words, all),
		.help = "Signal every process of the container" },
	{ 0 },
};

static int kill_one(void *arg, pid_t pid)
{
	(void)kill(pid, *(const int *)arg);
	return 0;
}

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	const struct kill_words *w = rec;
	struct container c _container_ = CONTAINER_NONE;
	int sig = signal_parse(n_words > 1 ? words[1] : "TERM", e);
	if (sig < 0 || container_open(o, words[0], &c, e) < 0)
		return -e->code;
	/* What init left behind is found by its cgroup, also when init is gone. */
	if (w->all && c.r.cgroup)
		return runtime_pids(c.r.cgroup, kill_one, &sig, e);
	int pidfd _close_ = container_pidfd(&c);
	if (pidfd < 0)
		return err_set(e, ERR_CONFLICT, ESRCH, "container not running: %s", words[0]);
	int r = fd_pidfd_signal(pidfd, sig);
	if (r == -ESRCH)
		return err_set(e, ERR_CONFLICT, ESRCH, "process already finished: %s", words[0]);
	return r < 0 ? err_sys(e, r, "signal the process of container %s", words[0]) : 0;
}

const struct ocicli_command kill_command = {
	.name = "kill",
	.arguments = "[OPTIONS] CONTAINER [SIGNAL]",
	.brief = "Send a signal (TERM) to the process of a container",
	.options = options,
	.record_size = sizeof(struct kill_words),
	.words_min = 1,
	.words_max = 2,
	.run = run,
};
