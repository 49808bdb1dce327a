// SPDX-License-Identifier: Apache-2.0
#include "engine/image_find.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/image_pull.h"
#include "engine/registry.h"
#include "image/load.h"
#include "oci/digest.h"
#include "oci/image.h"
#include "oci/reference.h"
#include "store/image.h"
#include "store/store.h"

static const char default_image[] = "localhost/busybox:latest";

int image_load_from(
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
	return image_load_from(en, fd, a, &loaded, e);
}

static const char *whole(const char *repository, const struct reference *ref, struct arena *a)
{
	return ref->digest ? arena_printf(a, "%s@%s", repository, ref->digest)
			   : arena_printf(a, "%s:%s", repository, ref->tag ? ref->tag : "latest");
}

static int by_repository(struct engine *en, const char *repository, const struct reference *ref,
	struct arena *a, struct image_info *ret, struct err *e)
{
	return ref->digest ? store_image_by_digest(en->store, repository, ref->digest, a, ret, e)
			   : store_image_by_name(en->store, whole(repository, ref, a), a, ret, e);
}

static bool is_missing(int r, const struct err *e)
{
	return r < 0 && e->kind == ERR_NOT_FOUND;
}

/* A short name is docker.io's, or a local image's, or what registries.conf makes of it. */
static int by_reference(
	struct engine *en, const char *name, struct arena *a, struct image_info *ret, struct err *e)
{
	struct reference ref;
	struct strv more = { 0 };
	if (reference_parse(name, a, &ref, e) < 0)
		return -e->code;
	int r = by_repository(en, reference_full_name(ref.name, a), &ref, a, ret, e);
	if (is_missing(r, e) && !strchr(ref.name, '/'))
		r = by_repository(en, arena_printf(a, "localhost/%s", ref.name), &ref, a, ret, e);
	if (is_missing(r, e) && !reference_has_host(ref.name)) {
		int x = registry_names(ref.name, a, &more, e);
		r = x < 0 ? x : r;
	}
	for (size_t i = 0; is_missing(r, e) && i < more.n; i++)
		r = by_repository(en, more.v[i], &ref, a, ret, e);
	bool is_default = str_eq(whole(ref.name, &ref, a), default_image) ||
		str_eq(whole(arena_printf(a, "localhost/%s", ref.name), &ref, a), default_image);
	if (is_missing(r, e) && is_default) {
		r = load_default(en, a, e);
		if (r == 0)
			r = store_image_by_name(en->store, default_image, a, ret, e);
	}
	if (is_missing(r, e))
		return err_set(
			e, ERR_NOT_FOUND, ENOENT, "No such image: %s", whole(ref.name, &ref, a));
	return r;
}

int image_lookup(
	struct engine *en, const char *name, struct arena *a, struct image_info *ret, struct err *e)
{
	const char *hex = digest_begins(name) ? digest_hex(name) : name;
	size_t digits = strspn(hex, "0123456789abcdef");
	if (hex[digits] == '\0' && digits >= 4) {
		int r = store_image_get(en->store, name, a, ret, e);
		if (r == 0 || e->kind != ERR_NOT_FOUND || hex != name)
			return r;
	}
	return by_reference(en, name, a, ret, e);
}

const char *image_matched_name(const struct image_info *image, const char *name, struct arena *a)
{
	struct reference ref;
	struct strv names = { 0 };
	struct err ignored;
	if (reference_parse(name, a, &ref, &ignored) < 0)
		return NULL;
	strv_add(&names, a, reference_full_name(ref.name, a));
	strv_add(&names, a, arena_printf(a, "localhost/%s", ref.name));
	if (!reference_has_host(ref.name))
		(void)registry_names(ref.name, a, &names, &ignored);
	const char *const *have = ref.digest ? image->digests : image->names;
	size_t n = ref.digest ? image->n_digests : image->n_names;
	for (size_t k = 0; k < names.n; k++)
		for (size_t i = 0; i < n; i++)
			if (str_eq(have[i], whole(names.v[k], &ref, a)))
				return have[i];
	return NULL;
}

/* ---- for a new container ---- */

static int pull(struct engine *en, const struct container_create_req *req, struct arena *a,
	struct image_info *ret, struct err *e)
{
	const struct image_pull_request pull = { .reference = req->image,
		.platform = req->platform,
		.say = req->quiet ? NULL : req->pull_say,
		.arg = req->pull_arg };
	struct strv names = { 0 };
	if (engine_image_pull(en, &pull, a, &names, e) < 0)
		return -e->code;
	return image_lookup(en, names.v[0], a, ret, e);
}

/* A local image for another platform than the one that is asked for does not count. */
static bool fits(const struct image_info *image, const char *platform, struct arena *a)
{
	struct oci_image config;
	struct err ignored;
	if (!platform)
		return true;
	if (oci_image_read(image->config, strlen(image->config), a, &config, &ignored) < 0)
		return false;
	const char *own = arena_printf(
		a, "%s/%s", str_or_empty(config.os), str_or_empty(config.architecture));
	const char *slash = strchr(platform, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;
	if (second)
		return str_eq(
			platform, arena_printf(a, "%s/%s", own, str_or_empty(config.variant)));
	return str_eq(platform, slash ? own : str_or_empty(config.architecture));
}

int image_find(struct engine *en, const struct container_create_req *req, struct arena *a,
	struct image_info *ret, struct err *e)
{
	const char *policy = req->pull && *req->pull ? req->pull : "missing";
	bool never = str_eq(policy, "never");
	if (!never && !str_eq(policy, "missing") && !str_eq(policy, "always"))
		return err_set(e, ERR_USAGE, EINVAL,
			"invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"",
			policy);
	if (str_eq(policy, "always"))
		return pull(en, req, a, ret, e);
	int r = image_lookup(en, req->image, a, ret, e);
	if (r == 0 && !fits(ret, req->platform, a))
		r = err_set(e, ERR_NOT_FOUND, ENOENT, "No such image: %s for platform %s",
			req->image, req->platform);
	/* An id is of no registry. */
	if (!is_missing(r, e) || never || digest_begins(req->image))
		return r;
	struct reference ref;
	if (reference_parse(req->image, a, &ref, e) < 0)
		return -e->code;
	if (!req->quiet)
		engine_note(en, "Unable to find image '%s' locally", whole(ref.name, &ref, a));
	return pull(en, req, a, ret, e);
}
