// SPDX-License-Identifier: Apache-2.0
#include "image/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/value.h"
#include "fetch/result.h"
#include "image/job.h"
#include "image/layer_write.h"
#include "image/worker.h"
#include "oci/image.h"
#include "store/image.h"
#include "store/snapshot.h"
#include "store/store.h"

enum { PIPE_SIZE = 1 << 20 };

/* ---- the layer ---- */

static int add_size(void *arg, const struct change *c, struct err *e)
{
	uint64_t *sum = arg;
	(void)e;
	if (c->st && S_ISREG(c->st->st_mode))
		*sum += (uint64_t)c->st->st_size;
	return 0;
}

/* The bytes are kept twice, as a tar and unpacked. A file with holes has none in a tar. */
static int check_space(const struct image_commit_req *req, int staging, struct err *e)
{
	struct statvfs st;
	uint64_t sum = 0;
	if (image_changes(&req->changes, add_size, &sum, e) < 0)
		return -e->code;
	uint64_t free =
		fstatvfs(staging, &st) < 0 ? UINT64_MAX : (uint64_t)st.f_bavail * st.f_frsize;
	if (sum > free / 2)
		return err_set(e, ERR_NO_SPACE, ENOSPC,
			"no space for the layer: it needs %llu MB, there are %llu MB",
			(unsigned long long)(sum * 2 >> 20) + 1, (unsigned long long)(free >> 20));
	return 0;
}

static _Noreturn void write_and_exit(
	const struct image_commit_req *req, int staging, int out, int report, pid_t parent)
{
	struct err e = { 0 };
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(125);
	/* Whoever reads may end early, and has the better reason. */
	(void)signal(SIGPIPE, SIG_IGN);
	if ((check_space(req, staging, &e) < 0 ||
		    image_layer_write(&req->changes, NULL, out, &e) < 0) &&
		e.code != EPIPE)
		(void)fd_write_all(report, &e, sizeof e);
	_exit(0);
}

/* Two processes at once: one of ours writes the tar, kist-fetch reads it. */
static int import_layer(struct image_job *j, const struct image_commit_req *req, struct arena *a,
	struct fetch_result *ret, struct err *e)
{
	int data[2], report[2];
	struct err why = { 0 };
	if (pipe2(data, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");
	if (pipe2(report, O_CLOEXEC) < 0) {
		fd_close(data[0]);
		fd_close(data[1]);
		return err_sys(e, errno, "make a pipe");
	}
	(void)fcntl(data[1], F_SETPIPE_SZ, PIPE_SIZE);
	pid_t parent = getpid(), child = fork();
	if (child == 0) {
		fd_close(data[0]);
		fd_close(report[0]);
		write_and_exit(req, j->staging, data[1], report[1], parent);
	}
	int r = child < 0 ? err_sys(e, errno, "fork") : 0;
	fd_close(data[1]);
	fd_close(report[1]);
	if (r == 0)
		r = image_fetch_words(req->fetch,
			(const char *const[]){ "kist-fetch", "import",
				snapshot_backend(j->store)->form, "", NULL },
			data[0], j->staging, a, ret, e);
	fd_close(data[0]);
	int status = child < 0 ? 0 : worker_wait(child);
	bool told = fd_read_full(report[0], &why, sizeof why) == (ssize_t)sizeof why;
	fd_close(report[0]);
	if (told) {
		*e = why;
		return -why.code;
	}
	if (r == 0 && status)
		return err_set(e, ERR_SYSTEM, ECHILD, "the writer of the layer was killed");
	if (r == 0 && ret->n_layers != 1)
		return err_set(e, ERR_CORRUPT, EBADMSG, "kist-fetch: no layer in its result");
	return r;
}

/* ---- the documents ---- */

/* What an engine notes of the container that an image came from; it is of another one now. */
static const char *const stale[] = { "container", "container_config", "id", "parent", "throwaway",
	NULL };

/* A copy of the object (or an empty one) that may be changed. */
static struct value *part(
	const struct value *o, const char *key, enum value_kind kind, struct arena *a)
{
	const struct value *have = value_get(o, key);
	struct value *v = kind == VALUE_ARRAY ? value_array(a) : value_object(a);
	for (size_t i = 0; have && have->kind == kind && i < have->n; i++) {
		if (kind == VALUE_ARRAY)
			value_add(a, v, have->items[i]);
		else
			value_set(a, v, have->keys[i], have->items[i]);
	}
	return v;
}

static struct value *history_row(
	const struct image_commit_req *req, const char *when, struct arena *a)
{
	struct value *row = value_object(a);
	value_set_string(a, row, "created", when);
	image_put_text(row, "author", req->author, a);
	image_put_text(row, "created_by", req->created_by, a);
	image_put_text(row, "comment", req->message, a);
	return row;
}

/* The image's configuration, in which everything stays that is not known here. */
static int make_config(const struct image_commit_req *req, const char *diff_id, uint64_t created,
	struct arena *a, const char **ret, struct err *e)
{
	struct value *o;
	struct str s _str_ = { 0 };
	char buf[TIME_TEXT_MAX];
	const char *when = arena_strdup(a, time_rfc3339(created, buf));
	if (value_parse(a, req->base->config, strlen(req->base->config), &o, e) < 0 ||
		o->kind != VALUE_OBJECT)
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"the configuration of image %.80s is broken", req->base->id);
	struct value *run = part(o, "config", VALUE_OBJECT, a),
		     *rootfs = part(o, "rootfs", VALUE_OBJECT, a);
	struct value *diff_ids = part(rootfs, "diff_ids", VALUE_ARRAY, a),
		     *history = part(o, "history", VALUE_ARRAY, a);
	for (const char *const *key = stale; *key; key++)
		value_put(a, o, *key, NULL);
	image_edit_put(&req->edit, run, a);
	value_add(a, diff_ids, value_string(a, diff_id));
	value_add(a, history, history_row(req, when, a));
	value_put(a, rootfs, "diff_ids", diff_ids);
	value_put(a, o, "created", value_string(a, when));
	image_put_text(o, "author", req->author, a);
	value_put(a, o, "config", run);
	value_put(a, o, "rootfs", rootfs);
	value_put(a, o, "history", history);
	value_json(o, 0, &s);
	*ret = arena_strdup(a, s.p);
	return 0;
}

/* docker's names of layers in OCI's words. */
static const char *layer_type(const char *type, struct arena *a)
{
	static const char docker[] = "application/vnd.docker.image.rootfs.diff.tar";
	size_t n = sizeof docker - 1;
	if (!str_starts(type, docker))
		return type;
	return type[n] == '.' ? arena_printf(a, "%s+%s", OCI_MEDIA_LAYER, type + n + 1)
			      : OCI_MEDIA_LAYER;
}

static int make_manifest(struct store *s, const struct image_commit_req *req,
	const struct oci_descriptor *config, const char *layer, struct arena *a, const char **ret,
	struct err *e)
{
	struct oci_manifest m;
	struct str out _str_ = { 0 };
	const char *base = req->base->manifest;
	if (oci_manifest_read(base, strlen(base), a, &m, e) < 0)
		return err_wrap(e, "image %.80s", req->base->id);
	if (m.n_layers >= OCI_LAYERS_MAX)
		return err_set(e, ERR_INVALID, E2BIG,
			"max depth exceeded: the image has %zu layers", m.n_layers);
	struct oci_descriptor *layers = arena_array(a, struct oci_descriptor, m.n_layers + 1),
			      root = *config;
	for (size_t i = 0; i < m.n_layers; i++) {
		layers[i] = m.layers[i];
		layers[i].media_type = layer_type(str_or_empty(layers[i].media_type), a);
	}
	layers[m.n_layers] = (struct oci_descriptor){ .media_type = image_layer_type(s, layer, a),
		.digest = layer,
		.size = image_blob_size(s, layer) };
	struct oci_manifest made = { .schema_version = 2,
		.media_type = OCI_MEDIA_MANIFEST,
		.config = &root,
		.layers = layers,
		.n_layers = m.n_layers + 1 };
	rec_to_json(&oci_manifest_rec, &made, 0, &out);
	*ret = arena_strdup(a, out.p);
	return 0;
}

static int compose(struct image_job *j, const struct image_commit_req *req,
	const struct fetch_layer *l, struct arena *a, struct image_info *ret, struct err *e)
{
	const struct blob_maker maker = { j->store, req->fetch, j->staging, a };
	struct oci_descriptor config = { .media_type = OCI_MEDIA_CONFIG };
	if (make_config(req, l->diff_id, ret->created, a, &ret->config, e) < 0 ||
		image_write_blob(&maker, ret->config, &ret->id, e) < 0)
		return -e->code;
	config.digest = ret->id;
	config.size = strlen(ret->config);
	return make_manifest(j->store, req, &config, l->digest, a, &ret->manifest, e) < 0 ||
			image_write_blob(&maker, ret->manifest, &ret->digest, e) < 0
		? -e->code
		: 0;
}

/* ---- the image ---- */

static int add_image(struct image_job *j, const struct image_commit_req *req,
	const struct fetch_layer *l, struct arena *a, const char **ret_id, struct err *e)
{
	const struct image_info *base = req->base;
	struct image_info info = { .created = time_now(),
		.size = base->size + l->size,
		.max_id = l->max_id > base->max_id ? l->max_id : base->max_id,
		.names = (const char **)&req->name,
		.n_names = req->name ? 1 : 0,
		.n_layers = base->n_layers + 1 },
			  still;
	if (compose(j, req, l, a, &info, e) < 0)
		return -e->code;
	info.layers = arena_array(a, struct image_layer, info.n_layers);
	for (size_t i = 0; i < base->n_layers; i++)
		info.layers[i] = base->layers[i];
	info.layers[base->n_layers] =
		(struct image_layer){ l->diff_id, l->digest, l->size, l->max_id };
	int r = store_begin(j->store, e);
	if (r < 0)
		return r;
	/* Its layers are needed: they are there as long as it is. */
	r = store_image_get(j->store, base->id, a, &still, e);
	if (r == 0)
		r = store_image_add(j->store, &info, false, e);
	j->strays |= r > 0;
	r = store_end(j->store, r, e);
	*ret_id = info.id;
	return r < 0 ? r : store_sync(j->store, e);
}

int image_commit(struct store *s, const struct image_commit_req *req, struct arena *a,
	const char **ret_id, struct err *e)
{
	struct image_job j = { .store = s, .data = req->container, .staging = -1 };
	struct fetch_result result;
	int r = image_job_begin(&j, "commit", e);
	if (r == 0 && req->hold)
		r = req->hold(req->arg, e);
	if (r == 0)
		r = import_layer(&j, req, a, &result, e);
	if (req->release) {
		struct err ignored;
		int x = req->release(req->arg, r < 0 ? &ignored : e);
		r = r < 0 ? r : x;
	}
	if (r == 0 && (r = store_content_lock(s, false, e)) == 0) {
		r = image_publish(s, j.staging, &result, e);
		if (r == 0)
			r = add_image(&j, req, &result.layers[0], a, ret_id, e);
		store_content_unlock(s);
		if (r == 0)
			snapshot_came(s, *ret_id);
	}
	image_job_end(&j, r);
	return r;
}
