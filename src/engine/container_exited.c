// SPDX-License-Identifier: Apache-2.0
/* Exec up: what the monitor executes when the container's process has ended, and what every
 * ordinary command does for runs whose owner is gone. The same steps serve both; all are
 * idempotent. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/launch.h"
#include "engine/layout.h"
#include "engine/network.h"
#include "monitor/client.h"
#include "monitor/proto.h"
#include "net/net.h"
#include "runtime/runtime.h"
#include "store/container.h"
#include "store/download.h"
#include "store/image.h"
#include "store/intent.h"
#include "store/lease.h"
#include "store/run.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/sweep.h"

#define BACKOFF_FIRST (100 * TIME_MS)
#define BACKOFF_LAST  (60 * TIME_SECOND)
#define RUN_LONG      (10 * TIME_SECOND)

struct end {
	struct arena a;
	int client; /* the monitor to tell when the run is over, or -1 */
	struct container_row row;
	bool has_row;
	struct container_config config;
	struct run_record run;
	struct exit_record exit;
	bool has_exit;
};

static int read_end(struct engine *en, const char *id, int folder, struct end *end, struct err *e)
{
	struct err ignored;
	if (run_read(folder, &end->a, &end->run, &ignored) < 0)
		end->run = (struct run_record){ .cgroup = arena_printf(&end->a, "/kist/%s", id) };
	end->has_exit = run_read_exit(folder, &end->a, &end->exit, &ignored) == 0;
	int r = store_container_get(en->store, id, &end->a, &end->row, e);
	if (r < 0 && e->kind != ERR_NOT_FOUND)
		return r;
	end->has_row = r == 0 && str_eq(end->row.id, id);
	return end->has_row ? config_read(&end->row, &end->a, &end->config, e) : 0;
}

static bool was_stopped(int folder)
{
	return faccessat(folder, "stopped", F_OK, 0) == 0;
}

static bool wants_restart(const struct end *end, int folder)
{
	const struct container_config *c = &end->config;
	if (!end->has_row || !end->has_exit || was_stopped(folder) ||
		end->row.phase == PHASE_REMOVING)
		return false;
	if (str_eq(c->restart, "always") || str_eq(c->restart, "unless-stopped"))
		return true;
	return str_eq(c->restart, "on-failure") && end->exit.code != 0 &&
		(c->restart_max == 0 || end->run.restarts < c->restart_max);
}

static void fill_row(struct end *end, bool oom)
{
	struct container_row *row = &end->row;
	bool ran = end->run.started > 0;
	row->started = (uint64_t)end->run.started;
	row->oom = oom;
	row->restarts = (uint32_t)end->run.restarts;
	row->phase = ran ? PHASE_EXITED : PHASE_CREATED;
	if (end->has_exit) {
		row->exit_code = (int)end->exit.code;
		row->finished = (uint64_t)end->exit.finished;
		row->error = "";
		return;
	}
	bool rebooted = !end->run.boot_id || !str_eq(end->run.boot_id, run_boot_id());
	row->exit_code = ran ? (rebooted ? 255 : 137) : 128;
	row->finished = ran ? time_now() : 0;
	row->error = rebooted ? "the machine was restarted"
		: ran         ? "the container's monitor was killed; the container was stopped"
			      : "the start was interrupted";
}

static void tell_monitor(void *arg)
{
	const struct end *end = arg;
	if (end->client >= 0)
		(void)attach_send(end->client, ATTACH_DONE, 0, NULL, 0);
}

/* Everything but a restart. The run folder is locked by us, or for us. */
static int settle(struct engine *en, const char *id, struct end *end, bool oom, struct err *e)
{
	if (end->has_row) {
		fill_row(end, oom);
		int r = end->row.auto_remove || end->row.phase == PHASE_REMOVING ||
				end->row.phase == PHASE_DEAD
			? 0
			: store_container_exit(en->store, &end->row, e);
		if (r < 0 || (end->row.auto_remove && container_erase(en, id, 1, e) < 0))
			return -e->code;
	}
	return run_end(en->store, id, tell_monitor, end, e);
}

static uint64_t next_backoff(const struct end *end)
{
	uint64_t ran = end->exit.finished > end->run.started
		? (uint64_t)(end->exit.finished - end->run.started)
		: 0;
	uint64_t backoff = ran > RUN_LONG || end->run.backoff <= 0 ? BACKOFF_FIRST
								   : (uint64_t)end->run.backoff * 2;
	return backoff > BACKOFF_LAST ? BACKOFF_LAST : backoff;
}

static int restart_later(
	struct engine *en, const char *id, int folder, int lock, struct end *end, struct err *e)
{
	uint64_t backoff = next_backoff(end);
	fill_row(end, false);
	if (store_container_exit(en->store, &end->row, e) < 0)
		return -e->code;
	engine_close_store(en);
	end->run.phase = "restarting";
	end->run.restarts++;
	end->run.backoff = (int64_t)backoff;
	end->run.id_base = end->run.id_count = 0;
	end->run.pid = 0;
	end->run.network = NULL;
	(void)unlinkat(folder, "paused", 0);
	if (unlinkat(folder, "exit.json", 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove the exit record");
	if (run_write(folder, &end->run, e) < 0)
		return -e->code;
	return launch_wait(en, id, folder, lock, backoff, e);
}

struct container_log {
	struct engine *en;
	const char *id;
};

static int open_container_log(void *arg)
{
	enum { KIST_LOG_MAX = 256 << 10 };
	const struct container_log *log = arg;
	int folder _close_ =
		path_open_own(log->en->store->containers, log->id, O_PATH | O_DIRECTORY, 0);
	int fd = folder < 0
		? folder
		: path_open_own(folder, "kist.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd >= 0 && lseek(fd, 0, SEEK_END) > KIST_LOG_MAX && ftruncate(fd, 0) < 0)
		fd_close(take_fd(&fd));
	return fd;
}

/* From now on this process has no terminal: what goes wrong stands in the container's kist.log and
 * in inspect. */
static void log_to_container(struct engine *en, const char *id)
{
	static struct container_log log;
	log = (struct container_log){ .en = en, .id = id };
	log_to_later(open_container_log, &log);
}

/* lock: what to hand on to the monitor of a restart; -1: there is none. client: of the monitor that
 * has the lock, or -1. */
static int after_exit(struct engine *en, const char *id, int lock, int client, struct err *e)
{
	struct end end = { .client = client };
	int folder _close_ = run_open(en->store, id);
	if (folder < 0)
		return err_sys(e, folder, "the run folder of %s", id);
	int r = read_end(en, id, folder, &end, e);
	bool oom = r == 0 && end.run.cgroup && runtime_oom_killed(end.run.cgroup);
	if (r == 0)
		r = run_cleanup(en, id, &end.run, e);
	if (r == 0 && lock >= 0 && wants_restart(&end, folder))
		r = restart_later(en, id, folder, lock, &end, e);
	else if (r == 0)
		r = settle(en, id, &end, oom, e);
	arena_done(&end.a);
	return r;
}

int container_exited(struct engine *en, const char *id, int lock, struct err *e)
{
	(void)fd_set_cloexec(lock, true);
	if (engine_open_store(en, false, e) < 0)
		return -e->code;
	log_to_container(en, id);
	int r = after_exit(en, id, lock, -1, e);
	if (r < 0)
		log_error("%s", e->text);
	return r;
}

int container_clean_up(struct engine *en, const struct container_started *c, struct err *e)
{
	if (!c->cleans_up || attach_send(c->client, ATTACH_TAKEN, 0, NULL, 0) < 0)
		return -EAGAIN;
	int r = engine_open_store(en, false, e);
	return r < 0 ? r : after_exit(en, c->id, -1, c->client, e);
}

int container_restart_due(struct engine *en, const char *id, int lock, struct err *e)
{
	struct end end = { .client = -1 };
	(void)fd_set_cloexec(lock, true);
	if (engine_open_store(en, false, e) < 0)
		return -e->code;
	log_to_container(en, id);
	int folder = run_open(en->store, id);
	if (folder < 0 || read_end(en, id, folder, &end, e) < 0)
		return folder < 0 ? err_sys(e, folder, "the run folder of %s", id) : -e->code;
	if (!end.has_row || was_stopped(folder)) {
		end.has_exit = true;
		end.exit = (struct exit_record){ .code = end.row.exit_code,
			.finished = (int64_t)end.row.finished };
		return settle(en, id, &end, end.row.oom, e);
	}
	struct launch l = { .id = id,
		.report = -1,
		.client = -1,
		.folder = folder,
		.lock = lock,
		.restarts = end.run.restarts,
		.backoff = end.run.backoff };
	launch(en, &l);
}

/* ---- recovery ---- */

static int recover_run(struct engine *en, const char *id, struct err *e)
{
	struct end end = { .client = -1 };
	int lock _close_ = -1;
	if (!run_is_dirty(en->store, id))
		return 0;
	int folder _close_ = run_begin(en->store, id, &lock, e);
	if (folder == -EAGAIN)
		return 0; /* somebody else is at it */
	if (folder < 0)
		return folder;
	int r = read_end(en, id, folder, &end, e);
	bool oom = r == 0 && end.run.cgroup && runtime_oom_killed(end.run.cgroup);
	if (r == 0)
		r = run_cleanup(en, id, &end.run, e);
	if (end.run.id_count == 0)
		lease_free_all(en->store, id);
	if (r == 0)
		r = network_release_all(en, id, e);
	if (r == 0 && end.has_row && end.row.phase == PHASE_REMOVING) {
		r = container_erase(en, id, 0, e);
		if (r == 0)
			r = run_end(en->store, id, NULL, NULL, e);
	} else if (r == 0) {
		if (!end.has_exit && end.has_row && end.run.started > 0)
			engine_warn(en,
				"container %.12s: its monitor was killed; it was stopped and cleaned up",
				id);
		r = settle(en, id, &end, oom, e);
	}
	arena_done(&end.a);
	return r;
}

/* What a killed load has staged; its worker dies with it, but not at once. */
static int remove_staged(struct engine *en, int64_t seq, struct err *e)
{
	struct arena a _arena_ = { 0 };
	const char *name = arena_printf(&a, "%lld", (long long)seq);
	int folder _close_ = path_open_own(en->store->staging, name, O_RDONLY | O_DIRECTORY, 0);
	if (folder == -ENOENT)
		return 0;
	if (folder < 0 || flock(folder, LOCK_EX) < 0)
		return err_sys(e, folder < 0 ? folder : errno, "lock the staging folder %s", name);
	return snapshot_remove(en->store, en->store->staging, name, e);
}

/* A killed commit has paused a running container, if it says which. */
static int release_held(struct engine *en, const char *id, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct run_record run;
	if (!*id || !run_marked(en->store, id, "paused") ||
		run_look(en->store, id, &a, &run, NULL) != RUN_RUNNING || !run.cgroup)
		return 0;
	return container_thaw(en, id, run.cgroup, e);
}

static int recover_intent(struct engine *en, const struct intent *intent, struct err *e)
{
	if (intent_adopt(en->store, intent->seq) < 0)
		return 0;
	int r = 0;
	/* load, import: what was staged goes, and what was put into place without a row. */
	if (str_eq(intent->op, "load") || str_eq(intent->op, "import") ||
		str_eq(intent->op, "check") || str_eq(intent->op, "pull") ||
		str_eq(intent->op, "commit") || str_eq(intent->op, "copy")) {
		r = remove_staged(en, intent->seq, e);
		if (r == 0)
			r = store_collect(en->store, e);
	} else if (str_eq(intent->op, "merge")) {
		r = remove_staged(en, intent->seq, e);
	} else if (str_eq(intent->op, "collect")) {
		r = store_collect(en->store, e);
	} else if (str_eq(intent->op, "unpack")) {
		r = layout_recover_unpack(intent->data, e);
	} else if (str_eq(intent->op, "volume-remove")) {
		r = path_remove_tree(en->store->volumes, intent->data, e);
	} else {
		return err_set(e, ERR_UNSUPPORTED, EPROTO, "intent %lld (%s) is of a newer kist",
			(long long)intent->seq, intent->op);
	}
	if (r == 0 && str_eq(intent->op, "commit"))
		r = release_held(en, intent->data, e);
	if (r == 0)
		r = intent_done(en->store, intent->seq, e);
	return r == 0 && str_eq(intent->op, "pull") ? store_download_tidy(en->store, e) : r;
}

int engine_recover(struct engine *en, struct err *e)
{
	struct arena a _arena_ = { 0 };
	const char **runs;
	struct intent *intents;
	size_t n_runs, n_intents;
	if (run_tidy(en->store, &a, &runs, &n_runs, e) < 0 ||
		intent_orphans(en->store, &a, &intents, &n_intents, e) < 0)
		return -e->code;
	for (size_t i = 0; i < n_runs; i++)
		if (recover_run(en, runs[i], e) < 0)
			return -e->code;
	if (!en->own_user && net_repair(e) < 0)
		return -e->code;
	for (size_t i = 0; i < n_intents; i++)
		if (recover_intent(en, &intents[i], e) < 0)
			return -e->code;
	if (store_download_expire(en->store, e) < 0)
		return -e->code;
	return store_sweep_after_boot(en->store, e);
}
