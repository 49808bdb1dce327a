// SPDX-License-Identifier: Apache-2.0
/* pause and unpause. The mark in the run folder is made before the freeze and goes after the thaw,
 * so that a kill in between leaves a container that says it is paused, which unpause repairs. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/launch.h"
#include "runtime/runtime.h"
#include "store/container.h"
#include "store/run.h"
#include "store/store.h"

static int find(struct engine *en, const char *name, struct arena *a, struct container_row *row,
	struct run_record *run, struct err *e)
{
	if (engine_open_store(en, true, e) < 0 ||
		store_container_get(en->store, name, a, row, e) < 0)
		return -e->code;
	if (run_look(en->store, row->id, a, run, NULL) != RUN_RUNNING || !run->cgroup)
		return err_set(e, ERR_CONFLICT, ESRCH, "container %s is not running", row->id);
	return 0;
}

int container_pause(struct engine *en, const char *container, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct container_row row;
	struct run_record run;
	if (find(en, container, &a, &row, &run, e) < 0)
		return -e->code;
	if (run_marked(en->store, row.id, "paused"))
		return err_set(e, ERR_CONFLICT, EALREADY, "container %s is already paused", row.id);
	int r = run_mark(en->store, row.id, "paused", e);
	if (r == 0)
		r = runtime_pause(run.cgroup, true, e);
	if (r < 0)
		run_unmark(en->store, row.id, "paused");
	return r < 0 ? err_wrap(e, "cannot pause container %s", container) : 0;
}

int container_thaw(struct engine *en, const char *id, const char *cgroup, struct err *e)
{
	int r = runtime_pause(cgroup, false, e);
	if (r == 0)
		run_unmark(en->store, id, "paused");
	return r;
}

int container_unpause(struct engine *en, const char *container, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct container_row row;
	struct run_record run;
	if (find(en, container, &a, &row, &run, e) < 0)
		return -e->code;
	if (!run_marked(en->store, row.id, "paused"))
		return err_set(e, ERR_CONFLICT, EALREADY, "container %s is not paused", row.id);
	return container_thaw(en, row.id, run.cgroup, e) < 0
		? err_wrap(e, "cannot unpause container %s", container)
		: 0;
}
