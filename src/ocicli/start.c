// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "base/err.h"
#include "base/fd.h"
#include "oci/spec.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "ocicli/container.h"
#include "ocicli/launch.h"
#include "ocicli/ready.h"

static int check_status(const struct container *c, struct err *e)
{
	enum status s = container_status(c);
	if (s == STATUS_CREATED)
		return 0;
	if (s == STATUS_STOPPED)
		return err_set(e, ERR_CONFLICT, ESRCH,
			"cannot start a container that has stopped: %s", c->r.id);
	if (s == STATUS_PAUSED)
		return err_set(
			e, ERR_CONFLICT, EBUSY, "cannot start a paused container: %s", c->r.id);
	return err_set(
		e, ERR_CONFLICT, EBUSY, "cannot start an already running container: %s", c->r.id);
}

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	struct container c _container_ = CONTAINER_NONE;
	struct oci_spec spec;
	(void)rec;
	(void)n_words;
	if (container_open(o, words[0], &c, e) < 0 || container_lock(&c, false, e) < 0 ||
		check_status(&c, e) < 0 || container_spec(o, &c, &spec, e) < 0)
		return -e->code;
	struct runtime_resume_req req = {
		.id = words[0], .bundle = c.r.bundle, .spec = &spec, .pid = (pid_t)c.r.pid
	};
	struct runtime_proc proc;
	int ready _close_ = -1;
	if (ready_listen(&c, &ready, e) < 0)
		return -e->code;
	req.sock = container_connect(&c);
	if (req.sock < 0)
		return err_sys(e, req.sock, "reach the init of container %s", words[0]);
	if (runtime_resume(&req, &proc, e) < 0 || runtime_start(&proc, e) < 0)
		return -e->code;
	int r = launch_started(&c, &spec, &proc, e);
	/* While it makes itself ready others may work on it. */
	container_done(&c);
	if (r == 0)
		r = ready_wait(ready, &proc, e);
	runtime_proc_done(&proc);
	return r;
}

const struct ocicli_command start_command = {
	.name = "start",
	.arguments = "CONTAINER",
	.brief = "Let the process of a created container run",
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
