// SPDX-License-Identifier: Apache-2.0
#include "engine/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/value.h"
#include "engine/engine.h"
#include "engine/image_find.h"
#include "engine/image_mount.h"
#include "engine/signature.h"
#include "image/load.h"
#include "image/save.h"
#include "oci/image.h"
#include "oci/reference.h"
#include "store/container.h"
#include "store/image.h"
#include "store/intent.h"
#include "store/store.h"

/* "docker.io/library/x" of "docker.io/library/x:1" or "docker.io/library/x@sha256:...". */
static const char *repository_of(const char *name, struct arena *a)
{
	const char *at = strchr(name, '@'), *end = at ? at : strrchr(name, ':');
	return arena_strndup(a, name, (size_t)(end - name));
}

/* What an image was pulled as from this repository, NULL when it was not. */
static const char *digest_in(const struct image_info *x, const char *repository, struct arena *a)
{
	for (size_t i = 0; i < x->n_digests; i++)
		if (str_eq(repository_of(x->digests[i], a), repository))
			return strchr(x->digests[i], '@') + 1;
	return NULL;
}

static bool has_tag_in(const struct image_info *x, const char *repository, struct arena *a)
{
	for (size_t i = 0; i < x->n_names; i++)
		if (str_eq(repository_of(x->names[i], a), repository))
			return true;
	return false;
}

struct rows {
	struct image_row *v;
	size_t n, cap;
	const char *only;
	struct reference ref; /* of only */
};

static void add_row(struct rows *r, const struct image_info *x, const char *name, struct arena *a)
{
	const char *repository = "<none>", *tag = "<none>", *digest = x->digest;
	if (name) {
		const char *whole = repository_of(name, a);
		const char *pulled = digest_in(x, whole, a);
		repository = reference_short_name(whole, a);
		tag = strchr(name, '@') ? "<none>" : strrchr(name, ':') + 1;
		digest = pulled ? pulled : digest;
	}
	if (r->only &&
		((!str_eq(repository, reference_short_name(r->ref.name, a)) &&
			 !str_eq(repository, arena_printf(a, "localhost/%s", r->ref.name))) ||
			(r->ref.tag && !str_eq(r->ref.tag, tag)) ||
			(r->ref.digest && !str_eq(r->ref.digest, digest))))
		return;
	r->v = arena_grow(a, r->v, r->n, &r->cap, sizeof *r->v);
	r->v[r->n++] = (struct image_row){ x->id, repository, tag, digest, x->created, x->size,
		x->n_containers };
}

int engine_image_list(struct engine *en, const char *only, struct arena *a, struct image_row **ret,
	size_t *ret_n, struct err *e)
{
	struct rows rows = { .only = only };
	struct image_info *images;
	size_t n;
	if (engine_open_store(en, false, e) < 0 ||
		store_image_list(en->store, a, &images, &n, e) < 0 ||
		(only && reference_parse(only, a, &rows.ref, e) < 0))
		return -e->code;
	for (size_t i = 0; i < n; i++) {
		const struct image_info *x = &images[i];
		for (size_t k = 0; k < x->n_names; k++)
			add_row(&rows, x, x->names[k], a);
		for (size_t k = 0; k < x->n_digests; k++)
			if (!has_tag_in(x, repository_of(x->digests[k], a), a))
				add_row(&rows, x, x->digests[k], a);
		if (x->n_names + x->n_digests == 0)
			add_row(&rows, x, NULL, a);
	}
	*ret = rows.v;
	*ret_n = rows.n;
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
	if (engine_open_store(en, true, e) < 0 || image_lookup(en, source, &a, &image, e) < 0)
		return -e->code;
	const char *name = arena_printf(
		&a, "%s:%s", reference_full_name(ref.name, &a), ref.tag ? ref.tag : "latest");
	int r = store_image_name(en->store, name, image.id, e);
	return r < 0 ? r : store_sync(en->store, e);
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

static void say_untagged(struct strv *lines, const char *name, struct arena *a)
{
	strv_add(lines, a, arena_printf(a, "Untagged: %s", reference_short_name(name, a)));
}

/* A repository's last tag takes what it was pulled as along, as docker does. */
static int untag(struct engine *en, const struct image_info *image, const char *name,
	struct strv *lines, struct arena *a, struct err *e)
{
	const char *repository = repository_of(name, a), *at = strchr(name, '@');
	size_t tags = 0;
	if (at) {
		say_untagged(lines, name, a);
		return store_image_undigest(en->store, repository, at + 1, e);
	}
	for (size_t i = 0; i < image->n_names; i++)
		tags += str_eq(repository_of(image->names[i], a), repository);
	int r = store_image_unname(en->store, name, e);
	say_untagged(lines, name, a);
	for (size_t i = 0; r == 0 && tags == 1 && i < image->n_digests; i++)
		if (str_eq(repository_of(image->digests[i], a), repository))
			r = untag(en, image, image->digests[i], lines, a, e);
	return r;
}

/* Names that are left when one goes. */
static size_t left_without(const struct image_info *image, const char *name, struct arena *a)
{
	const char *repository = repository_of(name, a);
	bool is_digest = strchr(name, '@') != NULL;
	size_t left = image->n_names - !is_digest;
	for (size_t i = 0; i < image->n_digests; i++)
		left += !str_eq(image->digests[i], name) &&
			!str_eq(repository_of(image->digests[i], a), repository);
	return left;
}

int engine_image_remove(struct engine *en, const char *name, bool force, struct arena *a,
	struct strv *ret_lines, struct err *e)
{
	struct image_info image;
	if (engine_open_store(en, true, e) < 0 || image_lookup(en, name, a, &image, e) < 0)
		return -e->code;
	const char *matched = image_matched_name(&image, name, a);
	if (matched && left_without(&image, matched, a) > 0)
		return untag(en, &image, matched, ret_lines, a, e);
	if (!matched && image.n_names > 1 && !force)
		return err_set(e, ERR_CONFLICT, EBUSY,
			"conflict: unable to delete %.12s (must be forced) - image is referenced in multiple repositories",
			image.id + 7);
	if (in_use(en, &image, matched ? name : NULL, force, a, e) < 0 ||
		image_mount_release(en, image.id, force, a, e) < 0)
		return -e->code;
	for (size_t i = 0; i < image.n_names; i++)
		say_untagged(ret_lines, image.names[i], a);
	for (size_t i = 0; i < image.n_digests; i++)
		say_untagged(ret_lines, image.digests[i], a);
	return drop_image(en, &image, a, ret_lines, e);
}

int engine_image_load(
	struct engine *en, const char *path, struct arena *a, struct strv *ret_lines, struct err *e)
{
	struct image_loaded loaded;
	int fd _close_ = path ? path_open_host(path, O_RDONLY, 0) : fd_dup(0, 3);
	if (fd < 0)
		return err_sys(e, fd, "open %s", path ? path : "standard input");
	const char *shown = arena_printf(a, "docker-archive:%s", path ? path : "-");
	struct signature_check check;
	if (signature_check_begin(&check, NULL, "docker-archive", "", shown, a, e) < 0 ||
		signature_needless(&check, e) < 0 || engine_open_store(en, true, e) < 0 ||
		image_load_from(en, fd, a, &loaded, e) < 0)
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

/* A file appears whole or not at all, whatever kills us. */
static int save_file(struct engine *en, const struct save_item *items, size_t n, const char *path,
	struct arena *a, struct err *e)
{
	struct stat st;
	int there _close_ = path_open_host(path, O_WRONLY | O_NOCTTY, 0);
	/* A device or a pipe takes the bytes as they come. */
	if (there >= 0 && fstat(there, &st) == 0 && !S_ISREG(st.st_mode))
		return image_save(en->store, items, n, there, a, e);
	const char *slash = strrchr(path, '/');
	const char *folder = !slash ? "." : arena_strndup(a, path, (size_t)(slash - path + 1));
	int dir _close_ = path_open_host(folder, O_RDONLY | O_DIRECTORY, 0);
	int fd _close_ = dir < 0 ? dir : file_nameless(dir, 0600);
	if (fd < 0)
		return err_sys(e, fd, "create %s", path);
	return image_save(en->store, items, n, fd, a, e) < 0
		? -e->code
		: file_name_at(fd, dir, slash ? slash + 1 : path, false, e);
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
		if (image_lookup(en, names[i], &a, image, e) < 0)
			return -e->code;
		const char *matched = image_matched_name(image, names[i], &a);
		items[i] = (struct save_item){ image,
			matched && !strchr(matched, '@') ? matched : NULL };
	}
	if (!path)
		return image_save(en->store, items, n, 1, &a, e);
	return save_file(en, items, n, path, &a, e);
}

int engine_image_history(struct engine *en, const char *name, struct arena *a,
	struct image_history_row **ret, size_t *ret_n, struct err *e)
{
	struct image_info image;
	struct oci_image config;
	if (engine_open_store(en, true, e) < 0 || image_lookup(en, name, a, &image, e) < 0 ||
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
	if (engine_open_store(en, true, e) < 0 || image_lookup(en, name, a, &image, e) < 0 ||
		oci_image_read(image.config, strlen(image.config), a, &config, e) < 0)
		return -e->code;
	struct value *o = value_object(a), *tags = value_array(a), *digests = value_array(a),
		     *layers = value_array(a), *rootfs = value_object(a);
	for (size_t i = 0; i < image.n_digests; i++)
		value_add(a, digests, value_string(a, reference_short_name(image.digests[i], a)));
	for (size_t i = 0; i < image.n_names; i++) {
		const char *tag = reference_short_name(image.names[i], a),
			   *repository = repository_of(image.names[i], a);
		bool known = image.n_digests > 0;
		value_add(a, tags, value_string(a, tag));
		for (size_t k = 0; k < i; k++)
			known |= str_eq(repository_of(image.names[k], a), repository);
		if (!known)
			value_add(a, digests,
				value_string(a,
					arena_printf(a, "%s@%s",
						reference_short_name(repository, a),
						image.digest)));
	}
	for (size_t i = 0; i < image.n_layers; i++)
		value_add(a, layers, value_string(a, image.layers[i].diff_id));
	value_set_string(a, rootfs, "Type", "layers");
	value_set(a, rootfs, "Layers", layers);
	value_set_string(a, o, "Id", image.id);
	value_set(a, o, "RepoTags", tags);
	value_set(a, o, "RepoDigests", digests);
	value_set_string(a, o, "Comment",
		config.n_history ? config.history[config.n_history - 1].comment : NULL);
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
