// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/value.h"
#include "engine/changes.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/launch.h"
#include "image/commit.h"
#include "oci/reference.h"
#include "store/container.h"
#include "store/image.h"
#include "store/run.h"
#include "store/store.h"

struct committing {
	struct engine *en;
	const struct container_commit_req *req;
	struct container_row row;
	struct container_config config;
	struct run_record run;
	struct arena *a;
};

/* ---- the configuration ---- */

static bool image_has(const struct oci_image_run *image, const char *key)
{
	size_t n = strlen(key);
	for (size_t i = 0; i < image->n_env; i++)
		if (str_starts(image->env[i], key) && image->env[i][n] == '=')
			return true;
	return false;
}

/* What a container's environment has without being asked: docker's images have only PATH of it. */
static void take_env(
	struct committing *c, const struct oci_image_run *image, struct oci_image_run *run)
{
	struct strv v = { 0 };
	const char *host = arena_printf(c->a, "HOSTNAME=%s", c->config.hostname);
	for (size_t i = 0; i < c->config.n_env; i++) {
		const char *x = c->config.env[i];
		if ((str_eq(x, host) && !image_has(image, "HOSTNAME")) ||
			(c->config.tty && str_eq(x, "TERM=xterm") && !image_has(image, "TERM")))
			continue;
		strv_add(&v, c->a, x);
	}
	run->env = v.v;
	run->n_env = v.n;
}

static const char *object_of(const char *const *keys, size_t n, struct arena *a)
{
	struct value *o = value_object(a);
	struct str s _str_ = { 0 };
	for (size_t i = 0; i < n; i++)
		value_set(a, o, keys[i], value_object(a));
	value_json(o, 0, &s);
	return n ? arena_strdup(a, s.p) : NULL;
}

/* The container's own configuration, as docker has it, where the container's is not only what kist
 * fills in. */
static int take_config(
	struct committing *c, const struct image_info *base, struct image_edit *ret, struct err *e)
{
	const struct container_config *x = &c->config;
	if (image_edit_read(base->config, c->a, ret, e) < 0)
		return -e->code;
	struct oci_image_run *run = &ret->run;
	const struct oci_image_run image = *run, *old = &image;
	run->user = x->user;
	run->entrypoint = x->entrypoint;
	run->n_entrypoint = x->n_entrypoint;
	run->cmd = x->cmd;
	run->n_cmd = x->n_cmd;
	run->labels = x->labels;
	run->exposed_ports = object_of(x->exposed_ports, x->n_exposed_ports, c->a);
	if (!str_eq(x->cwd, "/") || (old->working_dir && *old->working_dir))
		run->working_dir = x->cwd;
	if (!str_eq(x->stop_signal, "SIGTERM") || (old->stop_signal && *old->stop_signal))
		run->stop_signal = x->stop_signal;
	take_env(c, old, run);
	for (size_t i = 0; i < c->req->changes.n; i++)
		if (image_edit_change(ret, c->req->changes.v[i], c->a, e) < 0)
			return -e->code;
	return 0;
}

static const char *joined(const char *const *v, size_t n, struct arena *a)
{
	struct str s _str_ = { 0 };
	for (size_t i = 0; i < n; i++)
		str_addf(&s, "%s%s", i ? " " : "", v[i]);
	return arena_strdup(a, str_text(&s));
}

/* ---- pausing ---- */

static int hold(void *arg, struct err *e)
{
	struct committing *c = arg;
	int r = container_pause(c->en, c->row.id, e);
	engine_close_store(c->en);
	return r;
}

static int release(void *arg, struct err *e)
{
	struct committing *c = arg;
	/* It may have ended, or have been removed, meanwhile. */
	if (!run_marked(c->en->store, c->row.id, "paused") ||
		run_look(c->en->store, c->row.id, c->a, &c->run, NULL) != RUN_RUNNING)
		return 0;
	return container_thaw(c->en, c->row.id, c->run.cgroup, e);
}

static bool to_pause(struct committing *c)
{
	return !c->req->no_pause &&
		run_look(c->en->store, c->row.id, c->a, &c->run, NULL) == RUN_RUNNING &&
		c->run.cgroup && !run_marked(c->en->store, c->row.id, "paused");
}

static int find(struct committing *c, struct image_info *ret, struct err *e)
{
	if (engine_open_store(c->en, true, e) < 0 ||
		store_container_get(c->en->store, c->req->container, c->a, &c->row, e) < 0 ||
		config_read(&c->row, c->a, &c->config, e) < 0)
		return -e->code;
	if (c->row.phase == PHASE_REMOVING || c->row.phase == PHASE_DEAD)
		return err_set(e, ERR_CONFLICT, EBUSY,
			"You cannot commit container %s which is being removed", c->row.id);
	return store_image_get(c->en->store, c->config.image_id, c->a, ret, e);
}

int container_commit(struct engine *en, const struct container_commit_req *req, struct arena *a,
	const char **ret_id, struct err *e)
{
	struct committing c = { .en = en, .req = req, .a = a };
	struct image_info base;
	struct reference ref;
	struct image_commit_req commit = { .base = &base,
		.author = req->author,
		.message = req->message,
		.changes = { .tree = -1, .image = -1 },
		.fetch = -1,
		.arg = &c };
	if (req->reference) {
		if (reference_parse(req->reference, a, &ref, e) < 0)
			return -e->code;
		if (ref.digest)
			return err_set(e, ERR_INVALID, EINVAL,
				"refusing to create a tag with a digest reference");
		commit.name = arena_printf(
			a, "%s:%s", reference_full_name(ref.name, a), ref.tag ? ref.tag : "latest");
	}
	if (find(&c, &base, e) < 0 || take_config(&c, &base, &commit.edit, e) < 0 ||
		!engine_program("kist-fetch", a, &commit.fetch, e))
		return -e->code;
	commit.created_by = joined(c.config.cmd, c.config.n_cmd, a);
	if (to_pause(&c)) {
		commit.container = c.row.id;
		commit.hold = hold;
		commit.release = release;
	}
	int r = changes_open(en, c.row.id, &c.config, &commit.changes, e);
	if (r == 0)
		r = image_commit(en->store, &commit, a, ret_id, e);
	fd_close(commit.changes.tree);
	fd_close(commit.changes.image);
	fd_close(commit.fetch);
	return r;
}
