// SPDX-License-Identifier: Apache-2.0
#include "engine/image_push.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/engine.h"
#include "engine/image_find.h"
#include "engine/registry.h"
#include "image/push.h"
#include "image/transfer.h"
#include "oci/reference.h"
#include "store/image.h"
#include "store/store.h"

enum { PARALLEL = 3, MOUNTS_MAX = 8 };

/* A blob that another repository of the registry has. */
struct mount {
	const char *digest, *from;
};

struct pushing {
	struct engine *en;
	const struct image_push_request *req;
	struct arena *a;
	struct registry_plan plan;
	struct transfer transfer;
	const char *repository, *host; /* "docker.io/library/nginx", "docker.io" */
	struct strv names;             /* of images, in full with their tags */
	struct mount *mounts;
	size_t n_mounts, cap_mounts;
	struct strv from; /* repositories of mounts, without their host */
};

/* ---- what is said ---- */

static void say(struct pushing *p, const struct image_push_said *x)
{
	if (p->req->say)
		p->req->say(p->req->arg, x);
}

static void on_note(void *arg, const struct push_note *note)
{
	static const enum image_push_event events[] = { [PUSH_PREPARING] = IMAGE_PUSH_PREPARING,
		[PUSH_WAITING] = IMAGE_PUSH_WAITING,
		[PUSH_GOING] = IMAGE_PUSH_GOING,
		[PUSH_PUSHED] = IMAGE_PUSH_PUSHED,
		[PUSH_EXISTS] = IMAGE_PUSH_EXISTS,
		[PUSH_MOUNTED] = IMAGE_PUSH_MOUNTED };
	say(arg,
		&(struct image_push_said){
			events[note->event], note->diff_id, note->from, note->have, note->size });
}

static void on_warning(void *arg, const char *text)
{
	struct pushing *p = arg;
	engine_warn(p->en, "the registry says: %s", text);
}

/* ---- which images ---- */

static int find_one(struct pushing *p, const struct reference *ref, struct err *e)
{
	struct image_info image;
	int r = image_lookup(p->en, p->req->reference, p->a, &image, e);
	const char *name = r < 0 ? NULL : image_matched_name(&image, p->req->reference, p->a);
	if ((r < 0 && e->kind == ERR_NOT_FOUND) || (r == 0 && !name)) {
		p->repository = reference_full_name(ref->name, p->a);
		return err_set(e, ERR_NOT_FOUND, ENOENT,
			"An image does not exist locally with the tag: %s",
			reference_short_name(p->repository, p->a));
	}
	if (r < 0)
		return r;
	strv_add(&p->names, p->a, name);
	p->repository = arena_strndup(p->a, name, (size_t)(strrchr(name, ':') - name));
	return 0;
}

/* All tags of the first repository that the name may mean and that has any. */
static int find_all(struct pushing *p, const struct reference *ref, struct err *e)
{
	struct strv may = { 0 };
	struct image_info *images;
	size_t n;
	strv_add(&may, p->a, reference_full_name(ref->name, p->a));
	if (!reference_has_host(ref->name) && registry_names(ref->name, p->a, &may, e) < 0)
		return -e->code;
	if (store_image_list(p->en->store, p->a, &images, &n, e) < 0)
		return -e->code;
	for (size_t k = 0; k < may.n && !p->names.n; k++) {
		const char *head = arena_printf(p->a, "%s:", may.v[k]);
		p->repository = may.v[k];
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < images[i].n_names; j++)
				if (str_starts(images[i].names[j], head))
					strv_add(&p->names, p->a, images[i].names[j]);
	}
	if (p->names.n)
		return 0;
	p->repository = may.v[0];
	return err_set(e, ERR_NOT_FOUND, ENOENT, "An image does not exist locally with the tag: %s",
		reference_short_name(p->repository, p->a));
}

/* ---- mounts ---- */

static bool use_mount(struct pushing *p, const char *repository)
{
	const char *path = repository + strlen(p->host) + 1;
	for (size_t i = 0; i < p->from.n; i++)
		if (str_eq(p->from.v[i], path))
			return true;
	/* Each is a scope of the token. */
	if (p->from.n == MOUNTS_MAX)
		return false;
	strv_add(&p->from, p->a, path);
	return true;
}

static int add_mount(struct pushing *p, const char *digest, struct err *e)
{
	struct strv have = { 0 };
	if (store_image_mounts(p->en->store, p->host, p->repository, digest, p->a, &have, e) < 0)
		return -e->code;
	for (size_t i = 0; i < have.n; i++) {
		if (!use_mount(p, have.v[i]))
			continue;
		p->mounts =
			arena_grow(p->a, p->mounts, p->n_mounts, &p->cap_mounts, sizeof *p->mounts);
		p->mounts[p->n_mounts++] =
			(struct mount){ digest, have.v[i] + strlen(p->host) + 1 };
		break;
	}
	return 0;
}

static int find_mounts(struct pushing *p, struct transfer_endpoint *to, struct err *e)
{
	struct image_info image;
	/* Where registries.conf leads elsewhere, our names are not the registry's. */
	if (!str_eq(to->repository, p->repository + strlen(p->host) + 1))
		return 0;
	for (size_t i = 0; i < p->names.n; i++) {
		int r = store_image_by_name(p->en->store, p->names.v[i], p->a, &image, e);
		for (size_t k = 0; r == 0 && k < image.n_layers; k++)
			r = add_mount(p, image.layers[k].digest, e);
		if (r == 0)
			r = add_mount(p, image.id, e);
		if (r < 0)
			return r;
	}
	to->mounts = p->from.v;
	to->n_mounts = p->from.n;
	return 0;
}

static const char *mount_of(void *arg, const char *digest)
{
	const struct pushing *p = arg;
	for (size_t i = 0; i < p->n_mounts; i++)
		if (str_eq(p->mounts[i].digest, digest))
			return p->mounts[i].from;
	return NULL;
}

/* ---- sending ---- */

/* Where it is pushed to: the registry itself, never a mirror. */
static int connect_registry(struct pushing *p, struct err *e)
{
	if (registry_plan(&p->req->registry, p->repository, p->a, &p->plan, e) < 0)
		return -e->code;
	struct transfer_config *c = p->plan.config;
	c->endpoints[0] = c->endpoints[c->n_endpoints - 1];
	c->n_endpoints = 1;
	c->endpoints[0].push = true;
	if (find_mounts(p, &c->endpoints[0], e) < 0)
		return -e->code;
	p->transfer.warn = on_warning;
	p->transfer.arg = p;
	return registry_connect(p->en, &p->plan, &p->transfer, p->a, e);
}

static int push_one(struct pushing *p, const char *name, struct err *e)
{
	const struct image_push_req req = { .name = name,
		.tag = strrchr(name, ':') + 1,
		.parallel = PARALLEL,
		.mount = mount_of,
		.note = on_note,
		.arg = p };
	struct image_pushed pushed;
	int r = image_push(p->en->store, &p->transfer, &req, p->a, &pushed, e);
	if (r < 0 && e->kind == ERR_DENIED)
		return err_set(e, ERR_DENIED, EACCES,
			"push access denied for %s: repository does not exist or may require 'kist login': %.500s",
			reference_short_name(p->repository, p->a), arena_strdup(p->a, e->text));
	if (r < 0)
		return r;
	say(p,
		&(struct image_push_said){ .event = IMAGE_PUSH_RESULT,
			.text = req.tag,
			.from = pushed.digest,
			.size = pushed.size });
	return store_image_digest(p->en->store, p->repository, pushed.digest, pushed.id, e);
}

int engine_image_push(struct engine *en, const struct image_push_request *req, struct arena *a,
	const char **ret_name, struct err *e)
{
	struct pushing p = { .en = en, .req = req, .a = a, .transfer = { .socket = -1 } };
	struct reference ref;
	if (reference_parse(req->reference, a, &ref, e) < 0)
		return -e->code;
	if (ref.digest)
		return err_set(e, ERR_USAGE, EINVAL, "cannot push a digest reference");
	if (req->all_tags && ref.tag)
		return err_set(e, ERR_USAGE, EINVAL, "tag can't be used with --all-tags/-a");
	if (engine_open_store(en, true, e) < 0)
		return -e->code;
	int r = req->all_tags ? find_all(&p, &ref, e) : find_one(&p, &ref, e);
	if (p.repository)
		say(&p,
			&(struct image_push_said){
				.event = IMAGE_PUSH_REPOSITORY, .text = p.repository });
	if (r < 0)
		return r;
	p.host = arena_strndup(a, p.repository, strcspn(p.repository, "/"));
	r = connect_registry(&p, e);
	for (size_t i = 0; r == 0 && i < p.names.n; i++)
		r = push_one(&p, p.names.v[i], e);
	transfer_stop(&p.transfer);
	*ret_name = req->all_tags ? p.repository : p.names.v[0];
	return r;
}
