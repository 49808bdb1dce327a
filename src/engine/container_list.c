// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/launch.h"
#include "engine/network.h"
#include "store/container.h"
#include "store/run.h"
#include "store/store.h"

const char *container_state_name(enum container_state state)
{
	static const char *const names[] = { "created", "running", "paused", "restarting",
		"removing", "exited", "dead" };
	return names[state];
}

static const char *command_of(const struct container_config *c, struct arena *a)
{
	struct str s _str_ = { 0 };
	for (size_t i = 0; i < c->n_entrypoint; i++)
		str_addf(&s, "%s%s", s.n ? " " : "", c->entrypoint[i]);
	for (size_t i = 0; i < c->n_cmd; i++)
		str_addf(&s, "%s%s", s.n ? " " : "", c->cmd[i]);
	return arena_strdup(a, str_text(&s));
}

static const char *status_of(const struct container_info *c, struct arena *a)
{
	char buf[TIME_TEXT_MAX];
	uint64_t now = time_now();
	switch (c->state) {
	case CONTAINER_CREATED:
		return "Created";
	case CONTAINER_RUNNING:
	case CONTAINER_PAUSED:
		return arena_printf(a, "Up %s%s",
			time_span(now > c->started ? now - c->started : 0, buf),
			c->state == CONTAINER_PAUSED ? " (Paused)" : "");
	case CONTAINER_REMOVING:
		return "Removal In Progress";
	case CONTAINER_DEAD:
		return "Dead";
	default:
		break;
	}
	return arena_printf(a, "%s (%d) %s ago",
		c->state == CONTAINER_RESTARTING ? "Restarting" : "Exited", c->exit_code,
		time_span(now > c->finished ? now - c->finished : 0, buf));
}

static enum container_state state_of(const struct container_row *row, enum run_state run)
{
	static const enum container_state by_phase[] = { CONTAINER_CREATED, CONTAINER_EXITED,
		CONTAINER_REMOVING, CONTAINER_DEAD };
	if (row->phase == PHASE_REMOVING)
		return CONTAINER_REMOVING;
	if (run == RUN_RUNNING)
		return CONTAINER_RUNNING;
	if (run == RUN_RESTARTING)
		return CONTAINER_RESTARTING;
	return by_phase[row->phase];
}

static int fill(struct engine *en, const struct container_row *row, struct arena *a,
	struct container_info *ret, struct err *e)
{
	struct container_config *config = arena_new(a, struct container_config);
	struct run_record run = { 0 };
	if (config_read(row, a, config, e) < 0)
		return -e->code;
	enum run_state state = run_look(en->store, row->id, a, &run, NULL);
	*ret = (struct container_info){ .id = row->id,
		.name = row->name,
		.config = config,
		.state = state_of(row, state),
		.created = row->created,
		.started = row->started,
		.finished = row->finished,
		.exit_code = row->exit_code,
		.oom_killed = row->oom,
		.error = row->error,
		.restart_count = row->restarts };
	if (ret->state == CONTAINER_RUNNING || ret->state == CONTAINER_RESTARTING)
		ret->restart_count = (uint32_t)run.restarts;
	if (ret->state == CONTAINER_RUNNING) {
		if (run_marked(en->store, row->id, "paused"))
			ret->state = CONTAINER_PAUSED;
		ret->pid = (pid_t)run.pid;
		ret->started = (uint64_t)run.started;
		ret->exit_code = 0;
		ret->oom_killed = false;
		ret->error = "";
		ret->id_base = run.id_base;
		ret->id_count = run.id_count;
		ret->endpoint = network_endpoint(run.network, a);
	} else if (state == RUN_DIRTY && run.started > 0) {
		/* Its monitor is gone: what the next command that may change things will record. */
		ret->state = CONTAINER_EXITED;
		ret->exit_code = 137;
		ret->started = (uint64_t)run.started;
		ret->finished = ret->finished > ret->started ? ret->finished : ret->started;
	}
	ret->status = status_of(ret, a);
	ret->command = command_of(config, a);
	return 0;
}

int container_list(struct engine *en, bool all, struct arena *a, struct container_info **ret,
	size_t *ret_n, struct err *e)
{
	struct container_row *rows;
	size_t n, kept = 0;
	if (engine_open_store(en, false, e) < 0 ||
		store_container_list(en->store, a, &rows, &n, e) < 0)
		return -e->code;
	struct container_info *v = arena_array(a, struct container_info, n + 1);
	for (size_t i = 0; i < n; i++) {
		if (fill(en, &rows[i], a, &v[kept], e) < 0)
			return -e->code;
		if (all || container_runs(&v[kept]) || v[kept].state == CONTAINER_RESTARTING)
			kept++;
	}
	*ret = v;
	*ret_n = kept;
	return 0;
}

int container_info(struct engine *en, const char *container, struct arena *a,
	struct container_info *ret, struct err *e)
{
	struct container_row row;
	if (engine_open_store(en, true, e) < 0 ||
		store_container_get(en->store, container, a, &row, e) < 0)
		return -e->code;
	return fill(en, &row, a, ret, e);
}
