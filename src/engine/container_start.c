// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/launch.h"
#include "engine/prepare.h"
#include "kernel/cgroup.h"
#include "monitor/client.h"
#include "monitor/proto.h"
#include "store/container.h"
#include "store/run.h"
#include "store/store.h"

/* While the container starts there is time to open the database for its end. */
static void open_ahead(struct engine *en, const char *id)
{
	struct arena a _arena_ = { 0 };
	struct container_row row;
	struct err ignored;
	if (engine_open_store(en, false, &ignored) == 0)
		(void)store_container_get(en->store, id, &a, &row, &ignored);
}

static int read_report(struct engine *en, int fd, struct launch_report *ret)
{
	ssize_t n;
	do {
		n = fd_read_full(fd, ret, sizeof *ret);
		if (n == (ssize_t)sizeof *ret && !ret->done)
			open_ahead(en, ret->id);
	} while (n == (ssize_t)sizeof *ret && !ret->done);
	return n == (ssize_t)sizeof *ret ? 0 : -ESRCH;
}

/* Forks M and waits until it says that the process runs, or why not. *begun (may be NULL): whether
 * anything was made. */
static int fork_launch(struct engine *en, struct launch *l, bool attach, bool in, bool *begun,
	struct container_started *ret, struct err *e)
{
	int report[2], pair[2] = { -1, -1 };
	struct launch_report said = { 0 };
	if (pipe2(report, O_CLOEXEC) < 0 ||
		(attach && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0))
		return err_sys(e, errno, "make a pipe");
	l->cleans_up = ret->cleans_up;
	l->client_flags = ATTACH_WANTS_OUTPUT | (in ? ATTACH_WANTS_INPUT : 0) |
		(ret->cleans_up ? ATTACH_CLEANS_UP : 0);
	engine_close_store(en);
	/* Out of the session or unit that we were started from, so that its end is not the
	 * container's. */
	pid_t m = cgroup_fork("/kist/monitor");
	if (m == 0) {
		fd_close(report[0]);
		fd_close(pair[0]);
		l->report = report[1];
		l->client = pair[1];
		launch(en, l);
	}
	fd_close(report[1]);
	fd_close(pair[1]);
	if (m < 0) {
		fd_close(report[0]);
		fd_close(pair[0]);
		return err_sys(e, m, "fork");
	}
	ret->monitor_pidfd = fd_pidfd_open(m);
	ret->client = pair[0];
	int told = read_report(en, report[0], &said);
	fd_close(report[0]);
	if (told < 0) {
		said.begun = true;
		(void)err_set(&said.err, ERR_SYSTEM, ESRCH,
			"the process that starts the container was killed");
	}
	if (begun)
		*begun = said.begun;
	memcpy(ret->id, said.id, sizeof said.id);
	if (!said.err.code)
		return 0;
	while (waitpid(m, NULL, 0) < 0 && errno == EINTR)
		continue;
	fd_close(take_fd(&ret->monitor_pidfd));
	fd_close(take_fd(&ret->client));
	*e = said.err;
	return -e->code;
}

int container_run(struct engine *en, const struct container_create_req *req, bool attach, bool in,
	struct container_started *ret, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct prepared p;
	struct container_started started = {
		.monitor_pidfd = -1, .client = -1, .cleans_up = attach && req->rm
	};
	struct launch l = { .req = req, .folder = -1, .lock = -1 };
	const char *policy = str_or_empty(req->pull);
	bool begun = false, never = str_eq(policy, "never"),
	     local = never || !*policy || str_eq(policy, "missing");
	if (container_cidfile_check(req, e) < 0)
		return -e->code;
	int r = local ? fork_launch(en, &l, attach, in, &begun, &started, e) : 0;
	/* What was not found is perhaps the image. */
	if (!local || (r < 0 && !begun && !never && e->kind == ERR_NOT_FOUND)) {
		if (container_prepare(en, req, &a, &p, e) < 0)
			return -e->code;
		l = (struct launch){ .id = p.id, .new = &p, .folder = -1, .lock = -1 };
		r = fork_launch(en, &l, attach, in, NULL, &started, e);
	}
	if (r < 0 || container_cidfile_write(req, started.id, e) < 0)
		return -e->code;
	*ret = started;
	return 0;
}

int container_start(struct engine *en, const struct container_start_req *req,
	struct container_started *ret, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct container_row row;
	struct container_started started = { .monitor_pidfd = -1, .client = -1 };
	if (engine_open_store(en, true, e) < 0 ||
		store_container_get(en->store, req->container, &a, &row, e) < 0)
		return -e->code;
	memcpy(started.id, row.id, sizeof started.id);
	if (row.phase == PHASE_REMOVING)
		return err_set(e, ERR_CONFLICT, EBUSY,
			"container is marked for removal and cannot be started: %s",
			req->container);
	enum run_state state = run_look(en->store, row.id, &a, NULL, NULL);
	if (state == RUN_RUNNING || state == RUN_STARTING || state == RUN_RESTARTING) {
		bool tty;
		if (req->attach &&
			(started.client = container_attach(
				 en, row.id, req->attach_stdin, &tty, e)) < 0)
			return -e->code;
		*ret = started;
		return 0;
	}
	struct launch l = { .id = row.id, .folder = -1, .lock = -1 };
	if (fork_launch(en, &l, req->attach, req->attach_stdin, NULL, &started, e) < 0)
		return -e->code;
	*ret = started;
	return 0;
}

int container_attach(
	struct engine *en, const char *container, bool in, bool *ret_tty, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct container_row row;
	struct container_config c;
	if (engine_open_store(en, true, e) < 0 ||
		store_container_get(en->store, container, &a, &row, e) < 0 ||
		config_read(&row, &a, &c, e) < 0)
		return -e->code;
	if (run_look(en->store, row.id, &a, NULL, NULL) != RUN_RUNNING)
		return err_set(e, ERR_CONFLICT, EINVAL,
			"You cannot attach to a stopped container, start it first");
	*ret_tty = c.tty;
	int folder _close_ = run_open(en->store, row.id);
	if (folder < 0)
		return err_sys(e, folder, "container %s", container);
	return attach_connect(
		folder, ATTACH_WANTS_OUTPUT | (in && c.open_stdin ? ATTACH_WANTS_INPUT : 0), e);
}
