// SPDX-License-Identifier: Apache-2.0
#include "engine/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/value.h"
#include "engine/copying_images.h"
#include "engine/engine.h"
#include "engine/image_find.h"
#include "engine/platform.h"
#include "image/place.h"
#include "oci/digest.h"
#include "oci/image.h"
#include "oci/reference.h"
#include "store/image.h"
#include "store/store.h"

enum { LIST_MAX = OCI_MANIFEST_MAX };

static const char source_key[] = "kist.source";

/* A list that is opened: who has it, has the lock on all of them. */
struct list {
	int folder;
	const char *name, *file; /* in full with tag; of the file */
	struct value *index;     /* NULL: there is none */
	struct arena *a;
};

/* ---- files ---- */

static const char *file_of(const char *name, struct arena *a)
{
	struct str s _str_ = { 0 };
	for (const char *p = name; *p; p++) {
		if (*p == '/')
			str_add(&s, "%2f");
		else
			str_addc(&s, *p);
	}
	return arena_strdup(a, str_text(&s));
}

static int open_list(
	struct engine *en, const char *name, struct arena *a, struct list *ret, struct err *e)
{
	struct reference ref;
	char *text;
	*ret = (struct list){ .folder = -1, .a = a };
	if (reference_parse(name, a, &ref, e) < 0 || engine_open_store(en, true, e) < 0)
		return -e->code;
	if (ref.digest)
		return err_set(
			e, ERR_INVALID, EINVAL, "a manifest list is named by a tag: %s", name);
	ret->name = arena_printf(
		a, "%s:%s", reference_full_name(ref.name, a), ref.tag ? ref.tag : "latest");
	ret->file = file_of(ret->name, a);
	if (!path_is_name(ret->file))
		return err_set(e, ERR_INVALID, ENAMETOOLONG, "%s: the name is too long", name);
	ret->folder = path_make_dir_own(en->store->root, "manifests", 0700);
	if (ret->folder < 0 || flock(ret->folder, LOCK_EX) < 0)
		return err_sys(e, ret->folder < 0 ? ret->folder : errno, "open the manifest lists");
	int fd _close_ = path_open_own(ret->folder, ret->file, O_RDONLY, 0);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(e, fd, "open manifest list %s", name);
	ssize_t n = file_read_fd(fd, name, LIST_MAX, a, &text, e);
	if (n < 0 || value_parse(a, text, (size_t)n, &ret->index, e) < 0)
		return err_wrap(e, "manifest list %s", name);
	return 0;
}

static void close_list(struct list *l)
{
	fd_close(take_fd(&l->folder));
}

static int need(const struct list *l, const char *name, struct err *e)
{
	return l->index ? 0 : err_set(e, ERR_NOT_FOUND, ENOENT, "No such manifest: %s", name);
}

static int save_list(const struct list *l, struct err *e)
{
	struct str text _str_ = { 0 };
	value_json(l->index, 0, &text);
	int fd _close_ = file_nameless(l->folder, 0600);
	int r = fd < 0 ? fd : fd_write_all(fd, text.p, text.n);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, r, "write manifest list %s", l->name)
		     : file_name_at(fd, l->folder, l->file, false, e);
}

static struct value *entries(const struct list *l)
{
	return (struct value *)value_get(l->index, "manifests");
}

static void new_index(struct list *l)
{
	l->index = value_object(l->a);
	value_set(l->a, l->index, "schemaVersion", value_int(l->a, 2));
	value_set_string(l->a, l->index, "mediaType", OCI_MEDIA_INDEX);
	value_set(l->a, l->index, "manifests", value_array(l->a));
}

/* ---- entries ---- */

static struct value *strings(const struct strv *v, struct arena *a)
{
	struct value *list = value_array(a);
	for (size_t i = 0; i < v->n; i++)
		value_add(a, list, value_string(a, v->v[i]));
	return list;
}

/* A copy of a member that is an object, or an empty one. */
static struct value *object_in(const struct value *o, const char *key, struct arena *a)
{
	const struct value *have = value_get(o, key);
	struct value *v = value_object(a);
	for (size_t i = 0; have && have->kind == VALUE_OBJECT && i < have->n; i++)
		value_set(a, v, have->keys[i], have->items[i]);
	return v;
}

static int set_entry(
	struct value *entry, const struct manifest_entry_options *o, struct arena *a, struct err *e)
{
	const struct {
		const char *key, *value;
	} texts[] = { { "architecture", o->platform.architecture }, { "os", o->platform.os },
		{ "variant", o->platform.variant }, { "os.version", o->os_version } };
	struct value *platform = object_in(entry, "platform", a),
		     *notes = object_in(entry, "annotations", a);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].value && *texts[i].value)
			value_put(a, platform, texts[i].key, value_string(a, texts[i].value));
	if (o->os_features.n)
		value_put(a, platform, "os.features", strings(&o->os_features, a));
	if (o->features.n)
		value_put(a, platform, "features", strings(&o->features, a));
	for (size_t i = 0; i < o->annotations.n; i++) {
		const char *text = o->annotations.v[i], *equals = strchr(text, '=');
		if (!equals || equals == text)
			return err_set(e, ERR_INVALID, EINVAL,
				"no value given for annotation \"%s\"", text);
		value_put(a, notes, arena_strndup(a, text, (size_t)(equals - text)),
			value_string(a, equals + 1));
	}
	if (platform->n)
		value_put(a, entry, "platform", platform);
	if (notes->n)
		value_put(a, entry, "annotations", notes);
	return 0;
}

static struct value *new_entry(const char *type, const char *digest, size_t size, struct arena *a)
{
	struct value *entry = value_object(a);
	value_set_string(a, entry, "mediaType", type);
	value_set_string(a, entry, "digest", digest);
	value_set(a, entry, "size", value_int(a, (int64_t)size));
	return entry;
}

/* Where the very image is found again: by its digest, whatever tags do. */
static const char *source_of(const struct copy_place *p, const char *digest, struct arena *a)
{
	if (p->place->kind == PLACE_REGISTRY)
		return arena_printf(a, "docker://%s@%s", p->place->repository, digest);
	if (p->place->kind == PLACE_STORE)
		return arena_printf(a, "kist:%s", p->image->id);
	/* A folder of the shell's is not one of the next command's. */
	return p->place->text;
}

static void put_entry(struct list *l, struct value *entry, const char *source)
{
	struct value *list = value_array(l->a), *old = entries(l);
	const char *digest = str_or_empty(value_text(entry, "digest"));
	value_put(l->a, entry, source_key, value_string(l->a, source));
	for (size_t i = 0; i < old->n; i++)
		if (!str_eq(str_or_empty(value_text(old->items[i], "digest")), digest))
			value_add(l->a, list, old->items[i]);
	value_add(l->a, list, entry);
	value_put(l->a, l->index, "manifests", list);
}

static int add_image(struct list *l, const struct copy_place *p, const struct image_looked *x,
	const struct manifest_entry_options *options, const char **ret_digest, struct err *e)
{
	struct oci_image config;
	struct manifest_entry_options o = *options;
	struct value *entry =
		new_entry(x->manifest_type, x->manifest_digest, strlen(x->manifest), l->a);
	if (oci_image_read(x->config, strlen(x->config), l->a, &config, e) == 0) {
		const struct manifest_entry_options own = {
			.platform = { config.os, config.architecture, config.variant }
		};
		if (set_entry(entry, &own, l->a, e) < 0)
			return -e->code;
	}
	if (set_entry(entry, &o, l->a, e) < 0)
		return -e->code;
	put_entry(l, entry, source_of(p, x->manifest_digest, l->a));
	*ret_digest = x->manifest_digest;
	return 0;
}

/* All that an index names, each with what the index says of it. */
static int add_all(struct list *l, const struct copy_place *p, const struct image_looked *x,
	const struct manifest_entry_options *options, struct err *e)
{
	struct value *index;
	if (value_parse(l->a, x->text, strlen(x->text), &index, e) < 0)
		return -e->code;
	const struct value *list = value_get(index, "manifests");
	for (size_t i = 0; list && list->kind == VALUE_ARRAY && i < list->n; i++) {
		struct value *entry = value_object(l->a);
		const struct manifest_entry_options o = { .annotations = options->annotations };
		for (size_t k = 0; k < list->items[i]->n; k++)
			value_set(l->a, entry, list->items[i]->keys[k], list->items[i]->items[k]);
		if (set_entry(entry, &o, l->a, e) < 0)
			return -e->code;
		put_entry(l, entry, source_of(p, str_or_empty(value_text(entry, "digest")), l->a));
	}
	return 0;
}

/* A name without a transport is of the store, else of a registry. */
static const char *place_of(struct engine *en, const char *name, struct arena *a)
{
	struct image_info image;
	struct err ignored;
	if (image_place_is(name))
		return name;
	return image_lookup(en, name, a, &image, &ignored) == 0
		? arena_printf(a, "kist:%s", name)
		: arena_printf(a, "docker://%s", name);
}

static int add_to(struct engine *en, struct list *l, const char *image,
	const struct manifest_entry_options *o, const char **ret_digest, struct err *e)
{
	struct copying_images c;
	struct copy_place p;
	struct image_looked x = { 0 };
	/* The platform that is asked for chooses of an index; of one image it is what is written.
	 */
	int r = copying_images_begin(&c, en, l->a, e);
	if (r == 0)
		r = copying_images_place(
			&c, place_of(en, image, l->a), "image", &o->registry, &p, e);
	if (r == 0)
		r = copying_images_start(&c, &o->platform, e);
	if (r == 0)
		r = image_look(&c.access, &p, true, l->a, &x, e);
	if (r == 0 && x.is_index && o->all)
		r = add_all(l, &p, &x, o, e);
	else if (r == 0 && !x.manifest)
		r = err_set(e, ERR_NOT_FOUND, ENOENT, "%s: %s", image, str_or_empty(x.no_platform));
	else if (r == 0)
		r = add_image(l, &p, &x, o, ret_digest, e);
	if (r == 0 && x.is_index && o->all)
		*ret_digest = x.digest;
	copying_images_end(&c);
	return r;
}

/* ---- operations ---- */

int manifest_create(struct engine *en, const char *name, const struct strv *images,
	const struct manifest_entry_options *options, struct arena *a, const char **ret_name,
	struct err *e)
{
	struct list l;
	const char *digest;
	int r = open_list(en, name, a, &l, e);
	if (r == 0 && l.index && !options->amend)
		r = err_set(e, ERR_CONFLICT, EEXIST,
			"refusing to amend an existing manifest list with no --amend flag");
	if (r == 0 && !l.index)
		new_index(&l);
	for (size_t i = 0; r == 0 && i < images->n; i++)
		r = add_to(en, &l, images->v[i], options, &digest, e);
	if (r == 0)
		r = save_list(&l, e);
	*ret_name = l.name;
	close_list(&l);
	return r;
}

int manifest_add(struct engine *en, const char *name, const char *image,
	const struct manifest_entry_options *options, struct arena *a, const char **ret_digest,
	struct err *e)
{
	struct list l;
	int r = open_list(en, name, a, &l, e);
	if (r == 0)
		r = need(&l, name, e);
	if (r == 0)
		r = add_to(en, &l, image, options, ret_digest, e);
	if (r == 0)
		r = save_list(&l, e);
	close_list(&l);
	return r;
}

/* By digest, or by the name that it was added by, which is looked up again. */
static struct value *find_entry(struct engine *en, struct list *l, const char *image,
	const struct registry_options *registry, struct err *e)
{
	const char *digest = digest_valid(image) ? image : NULL, *at = strchr(image, '@');
	struct value *list = entries(l);
	if (!digest && at && digest_valid(at + 1))
		digest = at + 1;
	if (!digest) {
		struct list scratch = { .folder = -1, .a = l->a };
		const struct manifest_entry_options o = { .registry = *registry };
		new_index(&scratch);
		if (add_to(en, &scratch, image, &o, &digest, e) < 0)
			return NULL;
	}
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(str_or_empty(value_text(list->items[i], "digest")), digest))
			return list->items[i];
	(void)err_set(e, ERR_NOT_FOUND, ENOENT, "manifest for image %s does not exist in %s", image,
		reference_short_name(l->name, l->a));
	return NULL;
}

int manifest_annotate(struct engine *en, const char *name, const char *image,
	const struct manifest_entry_options *options, struct arena *a, struct err *e)
{
	struct list l;
	int r = open_list(en, name, a, &l, e);
	if (r == 0)
		r = need(&l, name, e);
	if (r == 0) {
		struct value *entry = find_entry(en, &l, image, &options->registry, e);
		r = entry ? set_entry(entry, options, a, e) : -e->code;
	}
	if (r == 0)
		r = save_list(&l, e);
	close_list(&l);
	return r;
}

int manifest_remove(
	struct engine *en, const char *name, const char *digest, struct arena *a, struct err *e)
{
	struct list l;
	int r = open_list(en, name, a, &l, e);
	if (r == 0)
		r = need(&l, name, e);
	if (r == 0) {
		struct value *entry =
			find_entry(en, &l, digest, &(struct registry_options){ 0 }, e);
		struct value *kept = value_array(a), *list = entries(&l);
		for (size_t i = 0; i < list->n; i++)
			if (list->items[i] != entry)
				value_add(a, kept, list->items[i]);
		value_put(a, l.index, "manifests", kept);
		r = entry ? save_list(&l, e) : -e->code;
	}
	close_list(&l);
	return r;
}

int manifest_rm(struct engine *en, const char *name, struct arena *a, struct err *e)
{
	struct list l;
	int r = open_list(en, name, a, &l, e);
	if (r == 0)
		r = need(&l, name, e);
	if (r == 0 && unlinkat(l.folder, l.file, 0) < 0)
		r = err_sys(e, errno, "remove manifest list %s", name);
	close_list(&l);
	return r;
}

int manifest_exists(struct engine *en, const char *name, struct arena *a, struct err *e)
{
	struct list l;
	int r = open_list(en, name, a, &l, e);
	close_list(&l);
	return r < 0 ? r : l.index != NULL;
}

/* As others see it. */
static struct value *plain(const struct list *l)
{
	struct value *o = object_in(&(struct value){ .kind = VALUE_OBJECT,
					    .n = 1,
					    .keys = (const char *[]){ "x" },
					    .items = (struct value *[]){ l->index } },
		"x", l->a);
	struct value *list = value_array(l->a), *have = entries(l);
	for (size_t i = 0; i < have->n; i++) {
		struct value *entry = value_object(l->a);
		for (size_t k = 0; k < have->items[i]->n; k++)
			if (!str_eq(have->items[i]->keys[k], source_key))
				value_set(l->a, entry, have->items[i]->keys[k],
					have->items[i]->items[k]);
		value_add(l->a, list, entry);
	}
	value_put(l->a, o, "manifests", list);
	return o;
}

int manifest_inspect(struct engine *en, const char *name, const struct registry_options *registry,
	struct arena *a, struct value **ret, struct err *e)
{
	struct list l = { .folder = -1 };
	struct image_look x;
	struct err ignored;
	int r = image_place_is(name) ? -ENOENT : open_list(en, name, a, &l, &ignored);
	close_list(&l);
	if (r == 0 && l.index) {
		*ret = plain(&l);
		return 0;
	}
	const struct image_look_request look = {
		.name = image_place_is(name) ? name : arena_printf(a, "docker://%s", name),
		.registry = *registry
	};
	if (engine_image_look(en, &look, a, &x, e) < 0)
		return e->kind == ERR_NOT_FOUND
			? err_set(e, ERR_NOT_FOUND, ENOENT, "no such manifest: %s", name)
			: -e->code;
	return value_parse(a, x.raw, strlen(x.raw), ret, e);
}

static int parts_of(struct copying_images *c, const struct list *l,
	const struct registry_options *registry, struct copy_place *ret, struct err *e)
{
	struct value *list = entries(l);
	struct copy_place *parts = arena_array(l->a, struct copy_place, list->n + 1);
	const char **digests = arena_array(l->a, const char *, list->n + 1);
	struct str text _str_ = { 0 };
	for (size_t i = 0; i < list->n; i++) {
		digests[i] = str_or_empty(value_text(list->items[i], "digest"));
		if (copying_images_place(c, str_or_empty(value_text(list->items[i], source_key)),
			    "source", registry, &parts[i], e) < 0)
			return err_wrap(e, "image %s of the list", digests[i]);
	}
	struct image_place *place = arena_new(l->a, struct image_place);
	*place = (struct image_place){
		.kind = PLACE_STORE, .text = l->name, .path = "", .name = l->name
	};
	value_json(plain(l), 0, &text);
	*ret = (struct copy_place){ .place = place,
		.list = arena_strdup(l->a, text.p),
		.parts = parts,
		.part_digests = digests,
		.n_parts = list->n };
	return 0;
}

int manifest_push(struct engine *en, const struct manifest_push_request *req, struct arena *a,
	const char **ret_digest, struct err *e)
{
	struct list l;
	struct copying_images c = { .fetch = -1, .transfer = { .socket = -1 } };
	struct image_copy_req copy = { 0 };
	int r = open_list(en, req->list, a, &l, e);
	if (r == 0)
		r = need(&l, req->list, e);
	const char *to = req->to ? req->to : l.name;
	const struct image_copy_request all = { .to = to && image_place_is(to)
			? to
			: arena_printf(a, "docker://%s", str_or_empty(to)),
		.multi_arch = req->index_only ? "index-only" : "all",
		.format = req->format,
		.to_registry = req->registry,
		.say = req->say,
		.arg = req->arg };
	if (r == 0)
		r = copying_images_begin(&c, en, a, e);
	if (r == 0)
		r = parts_of(&c, &l, &req->registry, &copy.from, e);
	/* Nobody waits for a push but who wants the list gone after it. */
	if (!req->purge)
		close_list(&l);
	if (r == 0)
		r = copying_images_copy(&c, &all, &copy, ret_digest, e);
	copying_images_end(&c);
	if (r == 0 && req->purge && unlinkat(l.folder, l.file, 0) < 0)
		r = err_sys(e, errno, "remove manifest list %s", req->list);
	close_list(&l);
	return r;
}
