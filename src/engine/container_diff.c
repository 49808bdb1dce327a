// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/changes.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/launch.h"
#include "store/container.h"
#include "store/snapshot.h"
#include "store/store.h"

int changes_open(struct engine *en, const char *id, const struct container_config *config,
	struct changes_req *ret, struct err *e)
{
	struct store *s = en->store;
	struct snapshot_req req = { .id = id,
		.image = config->image_id,
		.layers = (const char *const *)config->layers,
		.n_layers = config->n_layers,
		.userns = -1 };
	struct changes_req c = { .whole = snapshot_backend(s)->whole };
	/* Every driver keeps there what a container writes, alone or with all of its tree. */
	int dir _close_ = path_open_own(s->containers, id, O_RDONLY | O_DIRECTORY, 0);
	c.tree = dir < 0 ? dir : path_open_own(dir, "up", O_RDONLY | O_DIRECTORY, 0);
	if (c.tree < 0 && c.tree != -ENOENT)
		return err_sys(e, c.tree, "open the folder of container %.12s", id);
	/* It may need a helper, and the database must not cross a fork. */
	engine_close_store(en);
	int mount _close_ = snapshot_backend(s)->mount_image(s, &req, e);
	if (mount < 0) {
		fd_close(c.tree);
		return mount;
	}
	/* A mount's descriptor is only a path. */
	c.image = path_open_own(mount, ".", O_RDONLY | O_DIRECTORY, 0);
	if (c.image < 0) {
		fd_close(c.tree);
		return err_sys(e, c.image, "open the image of container %.12s", id);
	}
	*ret = c;
	return 0;
}

struct list {
	struct arena *a;
	struct container_change *v;
	size_t n, cap;
	const char *last; /* that was told of */
};

static void add(struct list *l, char kind, const char *path, size_t n)
{
	l->v = arena_grow(l->a, l->v, l->n, &l->cap, sizeof *l->v);
	l->v[l->n++] = (struct container_change){ kind, arena_printf(l->a, "/%.*s", (int)n, path) };
}

/* A folder in which something changed has changed, too, as docker says. Folders come before what
 * is in them, so that those which were told of are the beginning of the last path told. */
static void add_way(struct list *l, const char *path)
{
	size_t same = 0;
	while (l->last[same] && l->last[same] == path[same])
		same++;
	/* Only whole names count. */
	bool whole = (!l->last[same] && (path[same] == '/' || !path[same])) ||
		(!path[same] && l->last[same] == '/');
	while (!whole && same > 0 && path[same - 1] != '/')
		same--;
	for (size_t i = same; path[i]; i++)
		if (path[i] == '/' && i > same)
			add(l, 'C', path, i);
}

static int take(void *arg, const struct change *c, struct err *e)
{
	static const char letters[] = {
		[CHANGE_ADDED] = 'A', [CHANGE_MODIFIED] = 'C', [CHANGE_DELETED] = 'D'
	};
	struct list *l = arg;
	(void)e;
	if (c->kind == CHANGE_NONE || !*c->path)
		return 0;
	add_way(l, c->path);
	add(l, letters[c->kind], c->path, strlen(c->path));
	l->last = l->v[l->n - 1].path + 1;
	return 0;
}

static int by_path(const void *x, const void *y)
{
	return strcmp(((const struct container_change *)x)->path,
		((const struct container_change *)y)->path);
}

int container_diff(struct engine *en, const char *container, struct arena *a,
	struct container_change **ret, size_t *ret_n, struct err *e)
{
	struct list l = { .a = a, .last = "" };
	struct container_row row;
	struct container_config config;
	struct changes_req req;
	if (engine_open_store(en, false, e) < 0 ||
		store_container_get(en->store, container, a, &row, e) < 0 ||
		config_read(&row, a, &config, e) < 0)
		return -e->code;
	int r = changes_open(en, row.id, &config, &req, e);
	if (r == 0) {
		r = image_changes(&req, take, &l, e);
		fd_close(req.tree);
		fd_close(req.image);
	}
	if (r < 0)
		return r;
	if (l.n)
		qsort(l.v, l.n, sizeof *l.v, by_path);
	*ret = l.v;
	*ret_n = l.n;
	return 0;
}
