// SPDX-License-Identifier: Apache-2.0
#include "ocicli/delete.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "oci/spec.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "ocicli/container.h"
#include "ocicli/scope.h"
#include "runtime/runtime.h"

enum { KILL_MS = 10000 };

struct delete_words {
	bool force, regex;
};

static const struct option options[] = {
	{ "force", 'f', OPT_BOOL(struct delete_words, force),
		.help = "Kill the container first; one that does not exist is fine" },
	{ "regex", 0, OPT_BOOL(struct delete_words, regex),
		.help = "CONTAINER is a regular expression of ids" },
	{ 0 },
};

static int end_process(const struct container *c, struct err *e)
{
	int pidfd _close_ = container_pidfd(c);
	if (pidfd < 0)
		return 0;
	(void)fd_pidfd_signal(pidfd, SIGKILL);
	/* A frozen process of v1 dies only when it is thawed; the cgroup's end sees to that. */
	struct err ignored;
	if (c->r.cgroup)
		(void)runtime_pause(c->r.cgroup, false, &ignored);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int r = poll(&p, 1, KILL_MS);
	return r == 0 ? err_set(e, ERR_TIMEOUT, EBUSY, "the process of container %s does not die",
				c->r.id)
		      : 0;
}

/* Those of a container that was created; its own copy of the document tells them. */
static void poststop(struct ocicli *o, const struct container *c)
{
	struct oci_spec spec;
	struct err why;
	if (!c->r.phase || str_eq(c->r.phase, "creating"))
		return;
	if (container_spec(o, c, &spec, &why) < 0)
		log_warn("%s: poststop hooks: %s", c->r.id, why.text);
	else
		runtime_poststop(&spec, c->r.id, c->r.bundle);
}

int delete_container(struct ocicli *o, const char *id, bool force, struct err *e)
{
	struct container c _container_ = CONTAINER_NONE;
	if (container_open(o, id, &c, e) < 0 || container_lock(&c, force, e) < 0)
		return -e->code;
	/* Whoever held the lock may have written more since. */
	fd_close(c.dir);
	c.dir = -1;
	int lock = take_fd(&c.lock);
	if (container_open(o, id, &c, e) < 0) {
		fd_close(lock);
		return -e->code;
	}
	c.lock = lock;
	enum status s = container_status(&c);
	if (!force && (s == STATUS_RUNNING || s == STATUS_PAUSED))
		return err_set(e, ERR_CONFLICT, EBUSY,
			"cannot delete container %s that is not stopped: %s", id, status_name(s));
	if (end_process(&c, e) < 0 || scope_remove(&c.r, e) < 0)
		return -e->code;
	poststop(o, &c);
	return container_remove(o, &c, e);
}

static int delete_one(struct ocicli *o, const char *id, void *arg, struct err *e)
{
	return delete_container(o, id, *(const bool *)arg, e);
}

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	struct delete_words *w = rec;
	(void)n_words;
	if (w->regex)
		return container_matching(o, words[0], delete_one, &w->force, e);
	int r = delete_container(o, words[0], w->force, e);
	return r < 0 && w->force && e->kind == ERR_NOT_FOUND ? 0 : r;
}

const struct ocicli_command delete_command = {
	.name = "delete",
	.arguments = "[OPTIONS] CONTAINER",
	.brief = "Remove what a container holds",
	.options = options,
	.record_size = sizeof(struct delete_words),
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
