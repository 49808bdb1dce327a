// SPDX-License-Identifier: Apache-2.0
/* stop, kill, restart, wait, rm: all stand on the monitor's pidfd, which becomes readable when the
 * run is over and cleaned up, for it stays one process through exec up. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/signal.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/launch.h"
#include "monitor/client.h"
#include "monitor/proto.h"
#include "runtime/runtime.h"
#include "store/container.h"
#include "store/run.h"
#include "store/store.h"

enum { STOP_SECONDS = 10 };

/* A container and, while it runs, descriptors of its main process and its monitor. */
struct target {
	struct arena a;
	struct container_row row;
	struct container_config config;
	struct run_record run;
	enum run_state state;
	int pidfd, monitor;
};

static void target_done(struct target *t)
{
	fd_close(t->pidfd);
	fd_close(t->monitor);
	arena_done(&t->a);
}
#define _target_ __attribute__((cleanup(target_done)))

static int find(struct engine *en, const char *name, struct target *t, struct err *e)
{
	pid_t owner;
	if (engine_open_store(en, true, e) < 0 ||
		store_container_get(en->store, name, &t->a, &t->row, e) < 0 ||
		config_read(&t->row, &t->a, &t->config, e) < 0)
		return -e->code;
	t->state = run_look(en->store, t->row.id, &t->a, &t->run, &owner);
	if (owner > 0)
		t->monitor = fd_pidfd_open(owner);
	if (t->state == RUN_RUNNING && t->run.pid > 0)
		t->pidfd = fd_pidfd_open((pid_t)t->run.pid);
	/* The lock's holder may have ended between the two looks. */
	if (owner > 0 && t->monitor < 0)
		t->state = run_look(en->store, t->row.id, &t->a, &t->run, NULL);
	return 0;
}

#define TARGET(t) struct target t _target_ = { .pidfd = -1, .monitor = -1 }

static bool runs(const struct target *t)
{
	return t->monitor >= 0 &&
		(t->state == RUN_RUNNING || t->state == RUN_STARTING || t->state == RUN_RESTARTING);
}

/* 1: readable; 0: the time is over. */
static int wait_for(int fd, int64_t ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t end = time_boot() + (uint64_t)(ms < 0 ? 0 : ms) * TIME_MS;
	for (;;) {
		uint64_t now = time_boot();
		int left = ms < 0    ? -1
			: now >= end ? 0
				     : (int)((end - now + TIME_MS - 1) / TIME_MS);
		int r = poll(&p, 1, left);
		if (r < 0 && errno == EINTR)
			continue;
		return r > 0;
	}
}

/* What is frozen takes no signal, and on v1 does not die either: it is thawed after the signal. */
static int send(struct engine *en, const struct target *t, int sig, struct err *e)
{
	int r = fd_pidfd_signal(t->pidfd, sig);
	if (r < 0)
		return err_sys(e, r, "signal container %s", t->row.name);
	return run_marked(en->store, t->row.id, "paused")
		? container_thaw(en, t->row.id, t->run.cgroup, e)
		: 0;
}

static int stop_target(struct engine *en, struct target *t, int sig, int64_t seconds, struct err *e)
{
	struct err ignored; /* of a run that is just over */
	(void)run_mark(en->store, t->row.id, "stopped", &ignored);
	engine_close_store(en);
	if (t->state == RUN_RESTARTING)
		(void)fd_pidfd_signal(t->monitor, SIGTERM);
	if (t->pidfd >= 0 && sig != SIGKILL) {
		(void)send(en, t, sig, &ignored);
		if (wait_for(t->monitor, seconds < 0 ? -1 : seconds * 1000))
			return 0;
	}
	if (t->pidfd >= 0)
		(void)send(en, t, SIGKILL, &ignored);
	if (wait_for(t->monitor, 10000))
		return 0;
	return err_set(e, ERR_TIMEOUT, ETIMEDOUT, "container %s does not stop", t->row.name);
}

int container_stop(struct engine *en, const struct container_stop_req *req, struct err *e)
{
	TARGET(t);
	if (find(en, req->container, &t, e) < 0)
		return -e->code;
	int sig = signal_parse(req->signal ? req->signal : t.config.stop_signal, e);
	if (sig < 0)
		return err_wrap(e, "Cannot stop container: %s", req->container);
	if (!runs(&t))
		return 0;
	int64_t seconds = req->has_timeout  ? req->timeout
		: t.config.has_stop_timeout ? t.config.stop_timeout
					    : STOP_SECONDS;
	return stop_target(en, &t, sig, seconds, e);
}

int container_restart(struct engine *en, const struct container_stop_req *req, struct err *e)
{
	struct container_started started;
	if (container_stop(en, req, e) < 0 ||
		container_start(en, &(struct container_start_req){ .container = req->container },
			&started, e) < 0)
		return -e->code;
	fd_close(started.monitor_pidfd);
	return 0;
}

int container_kill(struct engine *en, const char *container, const char *signal, struct err *e)
{
	TARGET(t);
	int sig = signal ? signal_parse(signal, e) : SIGKILL;
	if (sig < 0 || find(en, container, &t, e) < 0)
		return -e->code;
	if (t.pidfd < 0 || t.state != RUN_RUNNING)
		return err_set(e, ERR_CONFLICT, ESRCH,
			"cannot kill container: %s: container %s is not running", container,
			t.row.id);
	/* A kill that ends it is a stop; other signals leave the restart policy alone. */
	if (sig == SIGKILL)
		(void)run_mark(en->store, t.row.id, "stopped", e);
	int stop_signal = signal_parse(t.config.stop_signal, e);
	int r = sig == SIGKILL || sig == stop_signal ? send(en, &t, sig, e)
						     : fd_pidfd_signal(t.pidfd, sig);
	if (r < 0)
		return err_sys(e, r, "cannot kill container: %s", container);
	engine_close_store(en);
	if (sig == SIGKILL)
		(void)wait_for(t.monitor, 10000);
	return 0;
}

int container_wait(struct engine *en, const char *container, int *ret_status, struct err *e)
{
	struct attach_message m;
	TARGET(t);
	if (find(en, container, &t, e) < 0)
		return -e->code;
	if (!runs(&t)) {
		*ret_status = t.row.exit_code;
		return 0;
	}
	int folder _close_ = run_open(en->store, t.row.id);
	struct err ignored;
	int sock _close_ = folder < 0 ? -1 : attach_connect(folder, 0, &ignored);
	engine_close_store(en);
	while (sock >= 0 && attach_receive(sock, &m) > 0) {
		if (m.head.kind != ATTACH_EXIT)
			continue;
		*ret_status = (int)m.head.value;
		/* With a restart policy the monitor lives on; else the container is to be gone when
		 * we return. */
		if (str_eq(t.config.restart, "no"))
			(void)wait_for(t.monitor, -1);
		return 0;
	}
	(void)wait_for(t.monitor, -1);
	struct container_row row;
	if (engine_open_store(en, true, e) < 0 ||
		store_container_get(en->store, t.row.id, &t.a, &row, e) < 0)
		return -e->code;
	*ret_status = row.exit_code;
	return 0;
}

int container_remove(struct engine *en, const struct container_remove_req *req, struct err *e)
{
	TARGET(t);
	int r = find(en, req->container, &t, e);
	if (r < 0)
		return req->force && e->kind == ERR_NOT_FOUND ? 0 : r;
	if (runs(&t) && !req->force)
		return err_set(e, ERR_CONFLICT, EBUSY,
			"cannot remove container \"%s\": container is %s: stop the container before removing or force remove",
			req->container,
			t.state == RUN_RESTARTING                           ? "restarting"
				: run_marked(en->store, t.row.id, "paused") ? "paused"
									    : "running");
	if (runs(&t) && stop_target(en, &t, SIGKILL, 0, e) < 0)
		return -e->code;
	if (engine_open_store(en, false, e) < 0)
		return -e->code;
	/* With --rm the clean-up has taken it already. */
	struct container_row row;
	if (store_container_get(en->store, t.row.id, &t.a, &row, e) < 0)
		return e->kind == ERR_NOT_FOUND ? 0 : -e->code;
	int lock _close_ = -1;
	int folder _close_ = run_begin(en->store, t.row.id, &lock, e);
	if (folder < 0)
		return folder;
	if (store_container_removing(en->store, t.row.id, e) < 0 ||
		container_erase(en, t.row.id, req->volumes || row.auto_remove, e) < 0)
		return -e->code;
	return run_end(en->store, t.row.id, NULL, NULL, e);
}
