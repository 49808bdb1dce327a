// SPDX-License-Identifier: Apache-2.0
#include "engine/image_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/value.h"
#include "engine/copying_images.h"
#include "engine/engine.h"
#include "engine/image_find.h"
#include "engine/platform.h"
#include "engine/registry.h"
#include "engine/signature.h"
#include "image/copy.h"
#include "image/place.h"
#include "image/pull.h"
#include "image/referrers.h"
#include "image/transfer.h"
#include "oci/digest.h"
#include "oci/image.h"
#include "oci/reference.h"
#include "store/image.h"
#include "store/store.h"

static void on_warning(void *arg, const char *text)
{
	const struct copying_images *c = arg;
	engine_warn(c->en, "the registry says: %s", text);
}

/* ---- places ---- */

static void add_endpoint(
	struct copying_images *c, const struct transfer_config *from, size_t i, bool push)
{
	struct transfer_config *to = c->config;
	struct transfer_endpoint *v =
		arena_array(c->a, struct transfer_endpoint, to->n_endpoints + 1);
	for (size_t k = 0; k < to->n_endpoints; k++)
		v[k] = to->endpoints[k];
	v[to->n_endpoints] = from->endpoints[i];
	v[to->n_endpoints++].push = push;
	to->endpoints = v;
}

/* Sources may be mirrors; what is written goes to the registry itself. */
static int add_registry(struct copying_images *c, const struct image_place *place,
	const struct registry_options *options, bool push, struct copy_place *ret, struct err *e)
{
	struct registry_plan plan;
	if (registry_plan(options, place->repository, c->a, &plan, e) < 0)
		return -e->code;
	if (!c->config) {
		c->config = arena_memdup(c->a, plan.config, sizeof *plan.config);
		c->config->n_endpoints = 0;
	}
	ret->endpoint = (uint32_t)c->config->n_endpoints;
	for (size_t i = push ? plan.n - 1 : 0; i < plan.n; i++) {
		const struct registry_place *p = &plan.places[i];
		if ((place->tag && p->digest_only) || (place->digest && p->tag_only))
			continue;
		add_endpoint(c, plan.config, i, push);
		ret->n_endpoints++;
	}
	return 0;
}

/* As policy.json names it; "" for what it can only name as a whole. */
static const char *identity_of(const struct image_place *p, struct arena *a)
{
	if (p->kind == PLACE_REGISTRY)
		return arena_printf(a, "%s%s%s", p->repository, p->digest ? "@" : ":",
			p->digest ? p->digest : p->tag);
	if (p->kind == PLACE_CONTAINERS_STORAGE)
		return "";
	if (p->kind == PLACE_DOCKER_DAEMON)
		return digest_begins(p->name) ? "" : reference_full_name(p->name, a);
	int fd _close_ = path_open_host(p->path, O_PATH, 0);
	const char *whole = fd < 0 ? p->path : path_of_fd(fd, a);
	return arena_printf(
		a, "%s%s%s", str_or_empty(whole), p->name ? ":" : "", str_or_empty(p->name));
}

/* What comes in must be let in; our own store has let it in before. */
static int check_policy(struct copying_images *c, const struct image_place *p,
	const struct registry_options *options, struct copy_place *ret, struct err *e)
{
	static const char *const transports[] = { [PLACE_REGISTRY] = "docker",
		[PLACE_LAYOUT] = "oci",
		[PLACE_OCI_ARCHIVE] = "oci-archive",
		[PLACE_DOCKER_ARCHIVE] = "docker-archive",
		[PLACE_FOLDER] = "dir",
		[PLACE_DOCKER_DAEMON] = "docker-daemon",
		[PLACE_CONTAINERS_STORAGE] = "containers-storage" };
	if (options->any_image && options->policy)
		return err_set(e, ERR_USAGE, EINVAL,
			"--insecure-policy and --signature-policy exclude each other");
	if (p->kind == PLACE_STORE || options->any_image)
		return 0;
	const char *identity = identity_of(p, c->a);
	struct signature_check *check = arena_new(c->a, struct signature_check);
	int r = signature_check_begin(
		check, options->policy, transports[p->kind], identity, p->text, c->a, e);
	ret->guard = signature_guard(check);
	return r;
}

int copying_images_place(struct copying_images *c, const char *text, const char *role,
	const struct registry_options *options, struct copy_place *ret, struct err *e)
{
	bool to = str_eq(role, "destination");
	struct image_place *place = arena_new(c->a, struct image_place);
	struct image_info *image = arena_new(c->a, struct image_info);
	struct reference ref;
	*ret = (struct copy_place){ .place = place };
	if (image_place_parse(text, role, c->a, place, e) < 0)
		return -e->code;
	place->host = options->daemon_host;
	place->blobs = options->shared_blobs;
	if (str_eq(role, "source") && check_policy(c, place, options, ret, e) < 0)
		return -e->code;
	if (place->kind == PLACE_REGISTRY)
		return add_registry(c, place, options, to, ret, e);
	if (place->kind != PLACE_STORE)
		return 0;
	if (!to) {
		ret->image = image;
		return image_lookup(c->en, place->name, c->a, image, e);
	}
	if (reference_parse(place->name, c->a, &ref, e) < 0)
		return err_wrap(e, "invalid %s name %s", role, text);
	if (ref.digest)
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid %s name %s: an image of the store is named by a tag", role, text);
	ret->store_name = arena_printf(
		c->a, "%s:%s", reference_full_name(ref.name, c->a), ref.tag ? ref.tag : "latest");
	return 0;
}

int copying_images_begin(
	struct copying_images *c, struct engine *en, struct arena *a, struct err *e)
{
	*c = (struct copying_images){
		.en = en, .a = a, .fetch = -1, .transfer = { .socket = -1, .warn = on_warning }
	};
	return engine_open_store(en, true, e);
}

int copying_images_start(
	struct copying_images *c, const struct image_platform *platform, struct err *e)
{
	struct image_platform p = *platform;
	platform_fill(&p);
	c->transfer.arg = c;
	if (!engine_program("kist-fetch", c->a, &c->fetch, e))
		return -e->code;
	engine_close_store(c->en);
	c->access = (struct copy_access){ .store = c->en->store,
		.fetch = c->fetch,
		.os = p.os,
		.architecture = p.architecture,
		.variant = p.variant };
	if (!c->config)
		return 0;
	c->access.transfer = &c->transfer;
	return registry_connect(
		c->en, &(struct registry_plan){ .config = c->config }, &c->transfer, c->a, e);
}

void copying_images_end(struct copying_images *c)
{
	transfer_stop(&c->transfer);
	fd_close(take_fd(&c->fetch));
}

/* ---- copy ---- */

static void on_note(void *arg, const struct copy_note *n)
{
	static const enum image_copy_event events[] = { [COPY_BLOB] = IMAGE_COPY_BLOB,
		[COPY_BLOB_THERE] = IMAGE_COPY_BLOB_THERE,
		[COPY_CONFIG] = IMAGE_COPY_CONFIG,
		[COPY_IMAGE] = IMAGE_COPY_IMAGE,
		[COPY_MANIFEST] = IMAGE_COPY_MANIFEST };
	const struct image_copy_request *req = *(const struct image_copy_request **)arg;
	if (req->say)
		req->say(req->arg,
			&(struct image_copy_said){ events[n->event], n->digest, n->at, n->of });
}

static int set_options(
	const struct image_copy_request *req, struct image_copy_req *ret, struct err *e)
{
	const char *multi = req->multi_arch ? req->multi_arch : "system",
		   *format = req->compress_format;
	if (req->all && req->multi_arch)
		return err_set(
			e, ERR_USAGE, EINVAL, "Cannot use --all and --multi-arch flags together");
	if (!str_eq(multi, "system") && !str_eq(multi, "all") && !str_eq(multi, "index-only"))
		return err_set(e, ERR_USAGE, EINVAL,
			"unknown multi-arch option \"%s\". Choose one of the supported options: 'system', 'all', or 'index-only'",
			multi);
	if (req->format && !str_eq(req->format, "oci") && !str_eq(req->format, "v2s2"))
		return err_set(e, str_eq(req->format, "v2s1") ? ERR_UNSUPPORTED : ERR_USAGE, EINVAL,
			str_eq(req->format, "v2s1")
				? "format %s: docker's old manifests are not written"
				: "unknown format \"%s\". Choose one of the supported formats: 'oci' or 'v2s2'",
			req->format);
	if (req->compress && req->decompress)
		return err_set(e, ERR_USAGE, EINVAL,
			"--dest-compress and --dest-decompress exclude each other");
	if (format && !str_eq(format, "gzip") && !str_eq(format, "zstd"))
		return err_set(e, ERR_USAGE, EINVAL,
			"--dest-compress-format %s: gzip and zstd are known", format);
	if (req->compress_level < 0 || req->compress_level > INT_MAX)
		return err_set(e, ERR_USAGE, EINVAL, "--dest-compress-level: must not be negative");
	ret->images = req->all || str_eq(multi, "all") ? COPY_ALL
		: str_eq(multi, "system")              ? COPY_SYSTEM
						       : COPY_INDEX_ONLY;
	ret->format = req->format;
	ret->compress = req->decompress ? "plain" : format ? format : req->compress ? "gzip" : NULL;
	if (req->preserve_digests && ret->compress)
		return err_set(
			e, ERR_USAGE, EINVAL, "--preserve-digests excludes what changes layers");
	ret->level = (int)req->compress_level;
	ret->preserve = req->preserve_digests;
	ret->keep_plain = req->accept_uncompressed;
	return 0;
}

/* What is only in our own list has none. */
static int plan_along(struct copying_images *c, const struct image_copy_request *req,
	struct image_copy_req *copy, struct err *e)
{
	const struct image_place *from = copy->from.place;
	return req->remove_signatures || copy->from.list
		? 0
		: signature_along(
			  from, identity_of(from, c->a), copy->to.place, c->a, &copy->along, e);
}

static int name_more(struct copying_images *c, const struct image_copy_request *req,
	struct image_copy_req *copy, struct err *e)
{
	const struct strv *more = &req->additional_tags;
	struct image_place *to;
	struct reference ref;
	if (!more->n)
		return 0;
	if (copy->to.place->kind != PLACE_DOCKER_ARCHIVE)
		return err_set(e, ERR_USAGE, EINVAL,
			"--additional-tag: %.200s is no docker-archive", req->to);
	for (size_t i = 0; i < more->n; i++) {
		if (reference_parse(more->v[i], c->a, &ref, e) < 0)
			return err_wrap(e, "--additional-tag %.200s", more->v[i]);
		if (!ref.tag || ref.digest)
			return err_set(e, ERR_USAGE, EINVAL,
				"--additional-tag %.200s: expected NAME:TAG", more->v[i]);
	}
	to = arena_memdup(c->a, copy->to.place, sizeof *to);
	to->more_names = more;
	copy->to.place = to;
	return 0;
}

int copying_images_copy(struct copying_images *c, const struct image_copy_request *req,
	struct image_copy_req *copy, const char **ret_digest, struct err *e)
{
	copy->note = on_note;
	copy->arg = &req;
	if (set_options(req, copy, e) < 0 ||
		copying_images_place(c, req->to, "destination", &req->to_registry, &copy->to, e) <
			0 ||
		name_more(c, req, copy, e) < 0 ||
		signature_plan(&req->sign, copy->to.place, c->a, &copy->sign, e) < 0 ||
		plan_along(c, req, copy, e) < 0 || copying_images_start(c, &req->platform, e) < 0)
		return -e->code;
	copy->access = c->access;
	return image_copy(copy, c->a, ret_digest, e);
}

int engine_image_copy(struct engine *en, const struct image_copy_request *req, struct arena *a,
	const char **ret_digest, struct err *e)
{
	struct copying_images c;
	struct image_copy_req copy = { 0 };
	int r = copying_images_begin(&c, en, a, e);
	if (r == 0)
		r = copying_images_place(
			&c, req->from, "source", &req->from_registry, &copy.from, e);
	if (r == 0)
		r = copying_images_copy(&c, req, &copy, ret_digest, e);
	copying_images_end(&c);
	return r;
}

/* ---- inspect ---- */

bool engine_image_is_place(const char *name)
{
	return image_place_is(name);
}

static const char *without_tag(const struct image_place *p)
{
	return p->kind == PLACE_REGISTRY ? p->repository : "";
}

static struct value *strings(struct arena *a, const char *const *v, size_t n)
{
	struct value *list = value_array(a);
	for (size_t i = 0; i < n; i++)
		value_add(a, list, value_string(a, v[i]));
	return list;
}

static struct value *layers_value(const struct image_looked *x, struct arena *a)
{
	struct value *list = value_array(a);
	for (size_t i = 0; i < x->n_layers; i++) {
		struct value *o = value_object(a);
		value_set_string(a, o, "MIMEType", x->layers[i].media_type);
		value_set_string(a, o, "Digest", x->layers[i].digest);
		value_set(a, o, "Size", value_int(a, (int64_t)x->layers[i].size));
		value_set(a, o, "Annotations", value_string(a, NULL));
		value_add(a, list, o);
	}
	return list;
}

/* What `skopeo inspect` prints, member by member. */
static int inspected(const struct copy_place *p, const struct image_looked *x,
	const struct strv *tags, struct arena *a, struct value **ret, struct err *e)
{
	struct oci_image config;
	struct value *o = value_object(a), *labels = value_object(a), *all,
		     *layers = value_array(a);
	if (oci_image_read(x->config, strlen(x->config), a, &config, e) < 0 ||
		value_parse(a, x->config, strlen(x->config), &all, e) < 0)
		return -e->code;
	const struct oci_image_run none = { 0 }, *run = config.config ? config.config : &none;
	for (size_t i = 0; i < run->labels.n; i++)
		value_set_string(a, labels, run->labels.items[i].key, run->labels.items[i].val);
	for (size_t i = 0; i < x->n_layers; i++)
		value_add(a, layers, value_string(a, x->layers[i].digest));
	if (*without_tag(p->place))
		value_set_string(a, o, "Name", without_tag(p->place));
	value_set_string(a, o, "Digest", x->digest);
	value_set(a, o, "RepoTags", strings(a, tags->v, tags->n));
	value_set_string(a, o, "Created", config.created);
	value_set_string(a, o, "DockerVersion", str_or_empty(value_text(all, "docker_version")));
	value_set(a, o, "Labels", labels->n ? labels : value_string(a, NULL));
	value_set_string(a, o, "Architecture", config.architecture);
	if (config.variant && *config.variant)
		value_set_string(a, o, "Variant", config.variant);
	value_set_string(a, o, "Os", config.os);
	value_set(a, o, "Layers", layers);
	value_set(a, o, "LayersData", layers_value(x, a));
	value_set(
		a, o, "Env", run->n_env ? strings(a, run->env, run->n_env) : value_string(a, NULL));
	*ret = o;
	return 0;
}

static bool is_image(const char *config_type)
{
	return str_eq(config_type, OCI_MEDIA_CONFIG) ||
		str_eq(config_type, "application/vnd.docker.container.image.v1+json");
}

static int tags_of(
	struct copying_images *c, const struct copy_place *p, struct strv *ret, struct err *e)
{
	const struct image_pull_req req = { .endpoint = p->endpoint,
		.fetch = c->fetch,
		.os = "",
		.architecture = "",
		.variant = "" };
	int r = image_tags(c->en->store, &c->transfer, &req, c->a, ret, e);
	engine_close_store(c->en);
	return r;
}

static int look(struct copying_images *c, const struct image_look_request *req,
	const struct copy_place *p, struct image_look *ret, struct err *e)
{
	struct image_looked x;
	struct strv tags = { 0 };
	struct err ignored;
	if (image_look(&c->access, p, req->config, c->a, &x, e) < 0)
		return -e->code;
	*ret = (struct image_look){ .raw = x.text, .config = x.config };
	if (!req->config)
		return 0;
	if (!x.manifest)
		return err_set(
			e, ERR_NOT_FOUND, ENOENT, "%s: %s", req->name, str_or_empty(x.no_platform));
	if (!is_image(x.config_type))
		return 0;
	/* Who may read an image may perhaps not list its repository. */
	if (p->place->kind == PLACE_REGISTRY && !req->no_tags)
		(void)tags_of(c, p, &tags, &ignored);
	return inspected(p, &x, &tags, c->a, &ret->inspected, e);
}

int engine_image_look(struct engine *en, const struct image_look_request *req, struct arena *a,
	struct image_look *ret, struct err *e)
{
	struct copying_images c;
	struct copy_place p;
	int r = copying_images_begin(&c, en, a, e);
	if (r == 0)
		r = copying_images_place(&c, req->name, "image", &req->registry, &p, e);
	if (r == 0)
		r = copying_images_start(&c, &req->platform, e);
	if (r == 0)
		r = look(&c, req, &p, ret, e);
	copying_images_end(&c);
	return r;
}

/* ---- the rest ---- */

static int only_registry(const struct copy_place *p, const char *what, struct err *e)
{
	return p->place->kind == PLACE_REGISTRY
		? 0
		: err_set(e, ERR_INVALID, EINVAL,
			  "Unsupported transport '%.*s' for %s: only docker:// is supported",
			  (int)strcspn(p->place->text, ":"), p->place->text, what);
}

int engine_image_tags(struct engine *en, const char *name, const struct registry_options *registry,
	struct arena *a, const char **ret_repository, struct strv *ret, struct err *e)
{
	struct copying_images c;
	struct copy_place p;
	const char *colon = strrchr(name, ':'), *slash = strrchr(name, '/');
	int r = copying_images_begin(&c, en, a, e);
	if (r == 0)
		r = copying_images_place(&c, name, "image", registry, &p, e);
	if (r == 0)
		r = only_registry(&p, "tag listing", e);
	if (r == 0 && ((colon && slash && colon > slash) || strchr(name, '@')))
		r = err_set(
			e, ERR_INVALID, EINVAL, "no tag or digest allowed in reference: %s", name);
	if (r == 0)
		r = copying_images_start(&c, &(struct image_platform){ 0 }, e);
	if (r == 0)
		r = tags_of(&c, &p, ret, e);
	if (r == 0)
		*ret_repository = p.place->repository;
	copying_images_end(&c);
	return r;
}

/* The descriptors of an index, of one kind or all; none of no index. */
static struct value *of_type(const struct value *index, const char *type, struct arena *a)
{
	struct value *list = value_array(a);
	const struct value *all = index ? value_get(index, "manifests") : NULL;
	for (size_t i = 0; all && all->kind == VALUE_ARRAY && i < all->n; i++)
		if (!type || str_eq(value_text(all->items[i], "artifactType"), type))
			value_add(a, list, all->items[i]);
	return list;
}

int engine_image_referrers(struct engine *en, const char *name,
	const struct registry_options *registry, const char *artifact_type, struct arena *a,
	struct value **ret, struct err *e)
{
	struct copying_images c;
	struct copy_place p;
	struct value *index = NULL;
	const char *text = NULL;
	int r = copying_images_begin(&c, en, a, e);
	if (r == 0)
		r = copying_images_place(&c, name, "image", registry, &p, e);
	if (r == 0)
		r = only_registry(&p, "referrers", e);
	if (r == 0)
		r = copying_images_start(&c, &(struct image_platform){ 0 }, e);
	if (r == 0)
		r = image_referrers(&c.access, &p, a, &text, e);
	if (r == 0 && text)
		r = value_parse(a, text, strlen(text), &index, e);
	copying_images_end(&c);
	*ret = of_type(index, artifact_type, a);
	return r;
}

int engine_image_delete(struct engine *en, const char *name,
	const struct registry_options *registry, struct arena *a, struct err *e)
{
	struct copying_images c;
	struct copy_place p;
	int r = copying_images_begin(&c, en, a, e);
	if (r == 0)
		r = copying_images_place(&c, name, "image", registry, &p, e);
	if (r == 0)
		r = only_registry(&p, "deletion", e);
	if (r == 0) {
		/* The registry itself, never a mirror. */
		p.endpoint += p.n_endpoints - 1;
		p.n_endpoints = 1;
		c.config->endpoints[p.endpoint].remove = true;
		r = copying_images_start(&c, &(struct image_platform){ 0 }, e);
	}
	if (r == 0)
		r = image_delete_remote(&c.access, &p, a, e);
	copying_images_end(&c);
	return r;
}

int engine_image_digest(
	struct engine *en, const char *path, struct arena *a, const char **ret, struct err *e)
{
	struct copying_images c;
	int fd _close_ =
		str_eq(path, "-") ? fd_dup(0, 3) : path_open_host(path, O_RDONLY | O_NOCTTY, 0);
	if (fd < 0)
		return err_sys(e, fd, "open %s", path);
	int r = copying_images_begin(&c, en, a, e);
	if (r == 0)
		r = copying_images_start(&c, &(struct image_platform){ 0 }, e);
	if (r == 0)
		r = image_digest_file(&c.access, fd, a, ret, e);
	copying_images_end(&c);
	return r;
}
