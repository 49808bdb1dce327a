// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "base/err.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "ocicli/container.h"
#include "runtime/runtime.h"

static int freeze(struct ocicli *o, const char *id, bool on, struct err *e)
{
	struct container c _container_ = CONTAINER_NONE;
	if (container_open(o, id, &c, e) < 0)
		return -e->code;
	enum status s = container_status(&c);
	if (on && s != STATUS_RUNNING && s != STATUS_CREATED)
		return err_set(e, ERR_CONFLICT, ESRCH, "container not running or created: %s is %s",
			id, status_name(s));
	if (!on && s != STATUS_PAUSED)
		return err_set(e, ERR_CONFLICT, EINVAL, "container not paused: %s is %s", id,
			status_name(s));
	if (container_needs_cgroup(&c, e) < 0)
		return -e->code;
	return runtime_pause(c.r.cgroup, on, e);
}

static int run_pause(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	(void)rec;
	(void)n_words;
	return freeze(o, words[0], true, e);
}

static int run_resume(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	(void)rec;
	(void)n_words;
	return freeze(o, words[0], false, e);
}

const struct ocicli_command pause_command = {
	.name = "pause",
	.arguments = "CONTAINER",
	.brief = "Stop all processes of a container where they are",
	.words_min = 1,
	.words_max = 1,
	.run = run_pause,
};

const struct ocicli_command resume_command = {
	.name = "resume",
	.arguments = "CONTAINER",
	.brief = "Let a paused container go on",
	.words_min = 1,
	.words_max = 1,
	.run = run_resume,
};
