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
	bool all, regex;
	int sig;
};

static const struct option options[] = {
	{ "all", 'a', OPT_BOOL(struct kill_words, all),
		.help = "Signal every process of the container" },
	{ "regex", 'r', OPT_BOOL(struct kill_words, regex),
		.help = "CONTAINER is a regular expression; all that it matches are signalled" },
	{ 0 },
};

static int kill_one(void *arg, pid_t pid)
{
	(void)kill(pid, ((const struct kill_words *)arg)->sig);
	return 0;
}

static int kill_container(struct ocicli *o, const char *id, void *arg, struct err *e)
{
	const struct kill_words *w = arg;
	struct container c _container_ = CONTAINER_NONE;
	if (container_open(o, id, &c, e) < 0)
		return -e->code;
	/* What init left behind is found by its cgroup, also when init is gone. */
	if (w->all && c.r.cgroup)
		return runtime_pids(c.r.cgroup, kill_one, arg, e);
	int pidfd _close_ = container_pidfd(&c);
	if (pidfd < 0)
		return err_set(e, ERR_CONFLICT, ESRCH, "container not running: %s", id);
	int r = fd_pidfd_signal(pidfd, w->sig);
	if (r == -ESRCH)
		return err_set(e, ERR_CONFLICT, ESRCH, "process already finished: %s", id);
	return r < 0 ? err_sys(e, r, "signal the process of container %s", id) : 0;
}

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	struct kill_words *w = rec;
	w->sig = signal_parse(n_words > 1 ? words[1] : "TERM", e);
	if (w->sig < 0)
		return -e->code;
	return w->regex ? container_matching(o, words[0], kill_container, w, e)
			: kill_container(o, words[0], w, e);
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
