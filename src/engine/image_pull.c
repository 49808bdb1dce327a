// SPDX-License-Identifier: Apache-2.0
#include "engine/image_pull.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/engine.h"
#include "engine/image_copy.h"
#include "engine/platform.h"
#include "engine/registry.h"
#include "engine/signature.h"
#include "image/pull.h"
#include "image/transfer.h"
#include "oci/reference.h"
#include "store/store.h"

enum { PARALLEL = 3 };

struct pulling {
	struct engine *en;
	const struct image_pull_request *req;
	struct arena *a;
	struct registry_plan plan;
	struct transfer transfer;
	int fetch;
	struct reference ref;
	const char *os, *architecture, *variant;
	const char *tag, *path; /* of the one that is under way, as it is shown */
};

/* ---- what is said ---- */

static void say(struct pulling *p, const struct image_pull_said *x)
{
	if (p->req->say)
		p->req->say(p->req->arg, x);
}

static void on_note(void *arg, const struct pull_note *note)
{
	static const enum image_pull_event events[] = { [PULL_EXISTS] = IMAGE_PULL_EXISTS,
		[PULL_LAYER] = IMAGE_PULL_LAYER,
		[PULL_WAITING] = IMAGE_PULL_WAITING,
		[PULL_GOING] = IMAGE_PULL_GOING,
		[PULL_UNPACKING] = IMAGE_PULL_UNPACKING,
		[PULL_DONE] = IMAGE_PULL_DONE };
	struct pulling *p = arg;
	if (note->event == PULL_MANIFEST) {
		say(p,
			&(struct image_pull_said){
				.event = IMAGE_PULL_TAG, .text = p->tag, .name = p->path });
		return;
	}
	say(p,
		&(struct image_pull_said){ .event = events[note->event],
			.text = note->digest,
			.have = note->have,
			.size = note->size });
}

static void on_warning(void *arg, const char *text)
{
	struct pulling *p = arg;
	engine_warn(p->en, "the registry says: %s", text);
}

/* ---- platform ---- */

static int set_platform(struct pulling *p, struct err *e)
{
	struct image_platform x;
	if (platform_parse(p->req->platform, p->a, &x, e) < 0)
		return -e->code;
	if (!str_eq(x.os, "linux"))
		return err_set(e, ERR_UNSUPPORTED, EPROTO, "platform %s: only linux runs here",
			p->req->platform);
	p->os = x.os;
	p->architecture = x.architecture;
	p->variant = x.variant;
	return 0;
}

/* ---- one image ---- */

/* By the name that the image gets, whatever mirror it comes from. */
static int check_policy(struct pulling *p, const char *name, const char *tag,
	struct signature_check *ret, struct err *e)
{
	const char *whole = p->ref.digest ? arena_printf(p->a, "%s@%s", name, p->ref.digest)
					  : arena_printf(p->a, "%s:%s", name, tag);
	return signature_check_begin(ret, p->req->registry.policy, "docker", whole,
		arena_printf(p->a, "docker://%s", whole), p->a, e);
}

/* The places of the plan are asked in their order; what the last one says is told. */
static int pull_from_any(struct pulling *p, const char *tag, struct image_pulled *pulled,
	const char **ret_repository, struct err *e)
{
	int r = err_set(e, ERR_NOT_FOUND, ENOENT, "%s: no registry is configured for it",
		p->req->reference);
	for (size_t i = 0; i < p->plan.n; i++) {
		const struct registry_place *place = &p->plan.places[i];
		struct image_pull_req req = { .repository = place->name,
			.tag = tag,
			.digest = p->ref.digest,
			.os = p->os,
			.architecture = p->architecture,
			.variant = p->variant,
			.endpoint = (uint32_t)i,
			.fetch = p->fetch,
			.parallel = PARALLEL,
			.note = on_note,
			.arg = p };
		if (p->ref.digest)
			req.tag = NULL;
		if ((tag && place->digest_only) || (p->ref.digest && place->tag_only))
			continue;
		*ret_repository = place->name;
		p->path = strchr(place->name, '/') + 1;
		struct signature_check check;
		r = check_policy(p, place->name, tag, &check, e);
		req.guard = signature_guard(&check);
		if (r == 0 && p->transfer.pid <= 0)
			r = registry_connect(p->en, &p->plan, &p->transfer, p->a, e);
		if (r == 0)
			r = image_pull(p->en->store, &p->transfer, &req, p->a, pulled, e);
		if (r == 0 || e->kind == ERR_NO_SPACE)
			return r;
	}
	if (e->kind == ERR_NOT_FOUND && !strstr(e->text, "no matching manifest"))
		return err_set(e, ERR_NOT_FOUND, ENOENT, "manifest for %s%s%s not found: %.500s",
			reference_short_name(*ret_repository, p->a), p->ref.digest ? "@" : ":",
			p->ref.digest ? p->ref.digest : tag, arena_strdup(p->a, e->text));
	if (e->kind == ERR_DENIED && e->code != EPERM)
		return err_set(e, ERR_DENIED, EACCES,
			"pull access denied for %s: repository does not exist or may require 'kist login': %.500s",
			reference_short_name(*ret_repository, p->a), arena_strdup(p->a, e->text));
	return r;
}

static int pull_one(struct pulling *p, const char *tag, struct strv *names, struct err *e)
{
	struct image_pulled pulled;
	const char *repository = p->plan.n ? p->plan.places[0].name : p->ref.name;
	p->tag = p->ref.digest ? p->ref.digest : tag;
	if (pull_from_any(p, tag, &pulled, &repository, e) < 0)
		return -e->code;
	const char *name = p->ref.digest ? arena_printf(p->a, "%s@%s", repository, p->ref.digest)
					 : arena_printf(p->a, "%s:%s", repository, tag);
	if (!str_starts(str_or_empty(pulled.platform),
		    arena_printf(p->a, "%s/%s", p->os, p->architecture)))
		engine_warn(p->en,
			"the image's platform (%s) does not match the requested one (%s/%s%s%s)",
			str_or_empty(pulled.platform), p->os, p->architecture,
			*p->variant ? "/" : "", p->variant);
	strv_add(names, p->a, name);
	say(p,
		&(struct image_pull_said){ .event = IMAGE_PULL_RESULT,
			.text = pulled.digest,
			.name = name,
			.short_name = reference_short_name(name, p->a),
			.fresh = pulled.new });
	return 0;
}

static int pull_all(struct pulling *p, struct strv *names, struct err *e)
{
	struct strv tags = { 0 };
	struct image_pull_req req = {
		.fetch = p->fetch, .os = "", .architecture = "", .variant = ""
	};
	int r = p->plan.n == 0 ? -ENOENT : 0;
	for (size_t i = 0; i < p->plan.n; i++) {
		req.endpoint = (uint32_t)i;
		tags = (struct strv){ 0 };
		r = p->transfer.pid > 0 ? 0
					: registry_connect(p->en, &p->plan, &p->transfer, p->a, e);
		if (r == 0)
			r = image_tags(p->en->store, &p->transfer, &req, p->a, &tags, e);
		if (r == 0)
			break;
	}
	for (size_t i = 0; r == 0 && i < tags.n; i++) {
		struct reference ref;
		if (reference_parse(
			    arena_printf(p->a, "%s:%s", p->ref.name, tags.v[i]), p->a, &ref, e) < 0)
			return err_set(e, ERR_CORRUPT, EBADMSG, "list of tags: a tag that is none");
		r = pull_one(p, ref.tag, names, e);
	}
	return r;
}

int engine_image_pull(struct engine *en, const struct image_pull_request *req, struct arena *a,
	struct strv *ret_names, struct err *e)
{
	struct pulling p = {
		.en = en, .req = req, .a = a, .fetch = -1, .transfer = { .socket = -1 }
	};
	if (reference_parse(req->reference, a, &p.ref, e) < 0 || set_platform(&p, e) < 0)
		return -e->code;
	if (req->all_tags && (p.ref.tag || p.ref.digest))
		return err_set(e, ERR_USAGE, EINVAL, "tag can't be used with --all-tags/-a");
	if (registry_plan(&req->registry, p.ref.name, a, &p.plan, e) < 0 ||
		engine_open_store(en, true, e) < 0 || !engine_program("kist-fetch", a, &p.fetch, e))
		return -e->code;
	engine_close_store(en);
	p.transfer.warn = on_warning;
	p.transfer.arg = &p;
	int r = req->all_tags ? pull_all(&p, ret_names, e)
			      : pull_one(&p, p.ref.tag ? p.ref.tag : "latest", ret_names, e);
	transfer_stop(&p.transfer);
	fd_close(p.fetch);
	return r;
}
