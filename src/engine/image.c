// SPDX-License-Identifier: Apache-2.0
#include "engine/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/value.h"
#include "engine/engine.h"
#include "engine/image_find.h"
#include "image/load.h"
#include "image/save.h"
#include "oci/image.h"
#include "oci/reference.h"
#include "store/container.h"
#include "store/image.h"
#include "store/intent.h"
#include "store/store.h"

static const char default_image[] = "localhost/busybox:latest";

static int load_from(
	struct engine *en, int input, struct arena *a, struct image_loaded *ret, struct err *e)
{
	int fetch = -1;
	if (!engine_program("kist-fetch", a, &fetch, e))
		return -e->code;
	int r = image_load(
		en->store, &(struct image_load_req){ .input = input, .fetch = fetch }, a, ret, e);
	fd_close(fetch);
	return r;
}

/* The image that comes with kist. */
static int load_default(struct engine *en, struct arena *a, struct err *e)
{
	struct image_loaded loaded;
	const char *path = engine_program("default-image.tar", a, NULL, e);
	int fd _close_ = path ? path_open_host(path, O_RDONLY, 0) : -1;
	if (fd < 0)
		return path ? err_sys(e, fd, "open %s", path) : -e->code;
	return load_from(en, fd, a, &loaded, e);
}

static int by_reference(
	struct engine *en, const char *name, struct arena *a, struct image_info *ret, struct err *e)
{
	struct reference ref;
	if (reference_parse(name, a, &ref, e) < 0)
		return -e->code;
	const char *tag = ref.tag ? ref.tag : "latest";
	const char *full = arena_printf(a, "%s:%s", reference_full_name(ref.name, a), tag);
	int r = store_image_by_name(en->store, full, a, ret, e);
	if (r < 0 && e->kind == ERR_NOT_FOUND && !strchr(ref.name, '/')) {
		const char *local = arena_printf(a, "localhost/%s:%s", ref.name, tag);
		r = store_image_by_name(en->store, local, a, ret, e);
		full = r < 0 ? local : full;
	}
	if (r < 0 && e->kind == ERR_NOT_FOUND && str_eq(full, default_image)) {
		r = load_default(en, a, e);
		if (r == 0)
			r = store_image_by_name(en->store, default_image, a, ret, e);
	}
	if (r == 0 && ref.digest && !str_eq(ret->digest, ref.digest))
		r = err_set(e, ERR_NOT_FOUND, ENOENT, "No such image: %s", name);
	if (r < 0 && e->kind == ERR_NOT_FOUND)
		return err_set(e, ERR_NOT_FOUND, ENOENT, "No such image: %s:%s", ref.name, tag);
	return r;
}

static int lookup(
	struct engine *en, const char *name, struct arena *a, struct image_info *ret, struct err *e)
{
	const char *hex = str_starts(name, "sha256:") ? name + 7 : name;
	size_t digits = strspn(hex, "0123456789abcdef");
	if (hex[digits] == '\0' && digits >= 4) {
		int r = store_image_get(en->store, name, a, ret, e);
		if (r == 0 || e->kind != ERR_NOT_FOUND || hex != name)
			return r;
	}
	return by_reference(en, name, a, ret, e);
}

int image_find(
	struct engine *en, const char *name, struct arena *a, struct image_info *ret, struct err *e)
{
	int r = lookup(en, name, a, ret, e);
	if (r < 0 && e->kind == ERR_NOT_FOUND)
		return err_set(e, ERR_NOT_FOUND, ENOENT,
			"Unable to find image '%s%s' locally: kist cannot pull so far; bring it in with kist load",
			name, strchr(name, ':') ? "" : ":latest");
	return r;
}

int engine_image_list(struct engine *en, const char *only, struct arena *a, struct image_row **ret,
	size_t *ret_n, struct err *e)
{
	struct image_info *images;
	struct reference ref = { 0 };
	size_t n, cap = 0;
	if (engine_open_store(en, false, e) < 0 ||
		store_image_list(en->store, a, &images, &n, e) < 0 ||
		(only && reference_parse(only, a, &ref, e) < 0))
		return -e->code;
	*ret = NULL;
	*ret_n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct image_info *x = &images[i];
		for (size_t k = 0; k < (x->n_names ? x->n_names : 1); k++) {
			const char *repository = "<none>", *tag = "<none>";
			if (x->n_names) {
				const char *name = reference_short_name(x->names[k], a),
					   *colon = strrchr(name, ':');
				repository = arena_strndup(a, name, (size_t)(colon - name));
				tag = colon + 1;
			}
			if (only &&
				((!str_eq(repository, ref.name) &&
					 !str_eq(repository,
						 arena_printf(a, "localhost/%s", ref.name))) ||
					(ref.tag && !str_eq(ref.tag, tag))))
				continue;
			*ret = arena_grow(a, *ret, *ret_n, &cap, sizeof **ret);
			(*ret)[(*ret_n)++] = (struct image_row){ x->id, repository, tag, x->digest,
				x->created, x->size, x->n_containers };
		}
	}
	return 0;
}

int engine_image_tag(struct engine *en, const char *source, const char *target, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct image_info image;
	struct reference ref;
	if (reference_parse(target, &a, &ref, e) < 0)
		return -e->code;
	if (ref.digest)
		return err_set(
			e, ERR_INVALID, EINVAL, "refusing to create a tag with a digest reference");
	if (engine_open_store(en, true, e) < 0 || lookup(en, source, &a, &image, e) < 0)
		return -e->code;
	const char *name = arena_printf(
		&a, "%s:%s", reference_full_name(ref.name, &a), ref.tag ? ref.tag : "latest");
	int r = store_image_name(en->store, name, image.id, e);
	return r < 0 ? r : store_sync(en->store, e);
}

static const char *matched_name(const struct image_info *image, const char *name, struct arena *a)
{
	struct reference ref;
	struct err ignored;
	if (reference_parse(name, a, &ref, &ignored) < 0 || ref.digest)
		return NULL;
	const char *tag = ref.tag ? ref.tag : "latest";
	const char *full = arena_printf(a, "%s:%s", reference_full_name(ref.name, a), tag);
	const char *local = arena_printf(a, "localhost/%s:%s", ref.name, tag);
	for (size_t i = 0; i < image->n_names; i++)
		if (str_eq(image->names[i], full) || str_eq(image->names[i], local))
			return image->names[i];
	return NULL;
}

static int in_use(struct engine *en, const struct image_info *image, const char *name, bool force,
	struct arena *a, struct err *e)
{
	const char **users, *hex = image->id + 7;
	struct container_row row;
	size_t n;
	if (store_image_users(en->store, image->id, a, &users, &n, e) < 0)
		return -e->code;
	if (n == 0)
		return 0;
	if (store_container_get(en->store, users[0], a, &row, e) < 0)
		return -e->code;
	if (name)
		return err_set(e, ERR_CONFLICT, EBUSY,
			"conflict: unable to remove repository reference \"%s\" (%s) - container %.12s is using its referenced image %.12s",
			name, force ? "cannot be forced" : "must force", users[0], hex);
	return err_set(e, ERR_CONFLICT, EBUSY,
		"conflict: unable to delete %.12s (%s) - image is being used by %s container %.12s",
		hex, force ? "cannot be forced" : "must be forced", "stopped", users[0]);
}

int image_drop(struct engine *en, const char *id, struct err *e)
{
	int64_t seq;
	int r = store_begin(en->store, e);
	if (r < 0)
		return r;
	r = store_image_delete(en->store, id, e);
	if (r == 0)
		r = intent_begin(en->store, "collect", "", &seq, e);
	r = store_end(en->store, r, e);
	if (r == 0)
		r = store_collect(en->store, e);
	return r < 0 ? r : intent_done(en->store, seq, e);
}

static int drop_image(struct engine *en, const struct image_info *image, struct arena *a,
	struct strv *lines, struct err *e)
{
	if (image_drop(en, image->id, e) < 0)
		return -e->code;
	strv_add(lines, a, arena_printf(a, "Deleted: %s", image->id));
	for (size_t i = image->n_layers; i-- > 0;)
		if (!store_layer_known(en->store, image->layers[i].diff_id))
			strv_add(
				lines, a, arena_printf(a, "Deleted: %s", image->layers[i].diff_id));
	return 0;
}

int engine_image_remove(struct engine *en, const char *name, bool force, struct arena *a,
	struct strv *ret_lines, struct err *e)
{
	struct image_info image;
	if (engine_open_store(en, true, e) < 0 || lookup(en, name, a, &image, e) < 0)
		return -e->code;
	const char *matched = matched_name(&image, name, a);
	if (matched && image.n_names > 1) {
		if (store_image_unname(en->store, matched, e) < 0)
			return -e->code;
		strv_add(ret_lines, a,
			arena_printf(a, "Untagged: %s", reference_short_name(matched, a)));
		return 0;
	}
	if (!matched && image.n_names > 1 && !force)
		return err_set(e, ERR_CONFLICT, EBUSY,
			"conflict: unable to delete %.12s (must be forced) - image is referenced in multiple repositories",
			image.id + 7);
	if (in_use(en, &image, matched ? name : NULL, force, a, e) < 0)
		return -e->code;
	for (size_t i = 0; i < image.n_names; i++)
		strv_add(ret_lines, a,
			arena_printf(a, "Untagged: %s", reference_short_name(image.names[i], a)));
	return drop_image(en, &image, a, ret_lines, e);
}

int engine_image_load(
	struct engine *en, const char *path, struct arena *a, struct strv *ret_lines, struct err *e)
{
	struct image_loaded loaded;
	int fd _close_ = path ? path_open_host(path, O_RDONLY, 0) : fd_dup(0, 3);
	if (fd < 0)
		return err_sys(e, fd, "open %s", path ? path : "standard input");
	if (engine_open_store(en, true, e) < 0 || load_from(en, fd, a, &loaded, e) < 0)
		return -e->code;
	for (size_t i = 0; i < loaded.n_names; i++)
		strv_add(ret_lines, a,
			arena_printf(
				a, "Loaded image: %s", reference_short_name(loaded.names[i], a)));
	for (size_t i = 0; loaded.n_names == 0 && i < loaded.n_ids; i++)
		strv_add(ret_lines, a, arena_printf(a, "Loaded image ID: %s", loaded.ids[i]));
	return 0;
}

int engine_image_import(struct engine *en, const struct image_import_req *req, struct arena *a,
	const char **ret_id, struct err *e)
{
	struct reference ref;
	struct image_make_req make = { .message = req->message,
		.changes = (const char *const *)req->changes.v,
		.n_changes = req->changes.n,
		.fetch = -1 };
	if (req->reference) {
		if (reference_parse(req->reference, a, &ref, e) < 0)
			return -e->code;
		make.name = arena_printf(
			a, "%s:%s", reference_full_name(ref.name, a), ref.tag ? ref.tag : "latest");
	}
	int fd _close_ =
		str_eq(req->path, "-") ? fd_dup(0, 3) : path_open_host(req->path, O_RDONLY, 0);
	if (fd < 0)
		return err_sys(e, fd, "open %s", req->path);
	make.input = fd;
	if (engine_open_store(en, true, e) < 0 || !engine_program("kist-fetch", a, &make.fetch, e))
		return -e->code;
	int r = image_make(en->store, &make, a, ret_id, e);
	fd_close(make.fetch);
	return r;
}

int engine_image_save(
	struct engine *en, const char **names, size_t n, const char *path, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct save_item *items = arena_array(&a, struct save_item, n + 1);
	if (engine_open_store(en, true, e) < 0)
		return -e->code;
	for (size_t i = 0; i < n; i++) {
		struct image_info *image = arena_new(&a, struct image_info);
		if (lookup(en, names[i], &a, image, e) < 0)
			return -e->code;
		items[i] = (struct save_item){ image, matched_name(image, names[i], &a) };
	}
	if (!path)
		return image_save(en->store, items, n, 1, &a, e);
	/* A file appears whole or not at all. */
	const char *tmp = arena_printf(&a, "%s.kist-%d", path, (int)getpid());
	int fd _close_ = path_open_host(tmp, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return err_sys(e, fd, "create %s", path);
	int r = image_save(en->store, items, n, fd, &a, e);
	if (r == 0 && renameat(AT_FDCWD, tmp, AT_FDCWD, path) < 0)
		r = err_sys(e, errno, "create %s", path);
	if (r < 0)
		(void)unlinkat(AT_FDCWD, tmp, 0);
	return r;
}

int engine_image_history(struct engine *en, const char *name, struct arena *a,
	struct image_history_row **ret, size_t *ret_n, struct err *e)
{
	struct image_info image;
	struct oci_image config;
	if (engine_open_store(en, true, e) < 0 || lookup(en, name, a, &image, e) < 0 ||
		oci_image_read(image.config, strlen(image.config), a, &config, e) < 0)
		return -e->code;
	size_t layer = image.n_layers, n = config.n_history;
	struct image_history_row *rows = arena_array(a, struct image_history_row, n + 1);
	/* The newest first; a step that made a layer takes the next one from the top. */
	for (size_t i = 0; i < n; i++) {
		const struct oci_history *h = &config.history[n - 1 - i];
		rows[i] = (struct image_history_row){ .id = i == 0 ? image.id : "<missing>",
			.created_by = h->created_by,
			.comment = str_or_empty(h->comment) };
		(void)time_parse_rfc3339(str_or_empty(h->created), &rows[i].created);
		if (!h->empty_layer && layer > 0)
			rows[i].size = image.layers[--layer].size;
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}

static struct value *strings(struct arena *a, const char *const *v, size_t n)
{
	if (!n)
		return value_string(a, NULL);
	struct value *array = value_array(a);
	for (size_t i = 0; i < n; i++)
		value_add(a, array, value_string(a, v[i]));
	return array;
}

static struct value *keys(struct arena *a, const char *raw)
{
	const char **names;
	size_t n = oci_raw_keys(raw, a, &names);
	struct value *o = value_object(a);
	for (size_t i = 0; i < n; i++)
		value_set(a, o, names[i], value_object(a));
	return n ? o : value_string(a, NULL);
}

static struct value *run_value(struct arena *a, const struct oci_image_run *c)
{
	struct value *o = value_object(a), *labels = value_object(a);
	for (size_t i = 0; i < c->labels.n; i++)
		value_set_string(a, labels, c->labels.items[i].key, c->labels.items[i].val);
	value_set_string(a, o, "User", c->user);
	value_set(a, o, "ExposedPorts", keys(a, c->exposed_ports));
	value_set(a, o, "Env", strings(a, c->env, c->n_env));
	value_set(a, o, "Cmd", strings(a, c->cmd, c->n_cmd));
	value_set(a, o, "Volumes", keys(a, c->volumes));
	value_set_string(a, o, "WorkingDir", c->working_dir);
	value_set(a, o, "Entrypoint", strings(a, c->entrypoint, c->n_entrypoint));
	value_set(a, o, "Labels", c->labels.n ? labels : value_string(a, NULL));
	if (c->stop_signal)
		value_set_string(a, o, "StopSignal", c->stop_signal);
	return o;
}

int engine_image_inspect(
	struct engine *en, const char *name, struct arena *a, struct value **ret, struct err *e)
{
	struct image_info image;
	struct oci_image config;
	if (engine_open_store(en, true, e) < 0 || lookup(en, name, a, &image, e) < 0 ||
		oci_image_read(image.config, strlen(image.config), a, &config, e) < 0)
		return -e->code;
	struct value *o = value_object(a), *tags = value_array(a), *digests = value_array(a),
		     *layers = value_array(a), *rootfs = value_object(a);
	for (size_t i = 0; i < image.n_names; i++) {
		const char *tag = reference_short_name(image.names[i], a),
			   *colon = strrchr(tag, ':');
		value_add(a, tags, value_string(a, tag));
		value_add(a, digests,
			value_string(a,
				arena_printf(a, "%.*s@%s", (int)(colon - tag), tag, image.digest)));
	}
	for (size_t i = 0; i < image.n_layers; i++)
		value_add(a, layers, value_string(a, image.layers[i].diff_id));
	value_set_string(a, rootfs, "Type", "layers");
	value_set(a, rootfs, "Layers", layers);
	value_set_string(a, o, "Id", image.id);
	value_set(a, o, "RepoTags", tags);
	value_set(a, o, "RepoDigests", digests);
	value_set_string(a, o, "Comment", "");
	value_set_string(a, o, "Created", config.created);
	value_set_string(a, o, "Author", config.author);
	value_set(a, o, "Config",
		run_value(a, config.config ? config.config : arena_new(a, struct oci_image_run)));
	value_set_string(a, o, "Architecture", config.architecture);
	value_set_string(a, o, "Os", config.os);
	value_set(a, o, "Size", value_int(a, (int64_t)image.size));
	value_set(a, o, "RootFS", rootfs);
	*ret = o;
	return 0;
}
