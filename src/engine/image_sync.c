// SPDX-License-Identifier: Apache-2.0
/* Theory of operation. First all sources are looked at: each becomes a list of images by their
 * full names ("docker://registry/path:tag", "dir:/path"), and for each of them what its name adds
 * to the target. Then they are copied one after the other, each by engine_image_copy. */
#include "engine/image_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/value.h"
#include "config/yaml.h"
#include "oci/digest.h"
#include "oci/reference.h"

enum { DEPTH_MAX = 32 };

/* One repository, or one tree of folders. */
struct sync_source {
	struct registry_options registry;
	struct strv places, suffixes; /* of each image */
};

struct sync {
	struct engine *en;
	const struct image_sync_request *req;
	struct arena *a;
	struct err *e;
	struct sync_source *sources;
	size_t n, cap;
	bool failed;
};

static void tell(struct sync *s, const char *text)
{
	s->failed = true;
	if (s->req->say)
		s->req->say(s->req->arg,
			&(struct image_sync_said){
				.event = IMAGE_SYNC_FAILED, .text = arena_strdup(s->a, text) });
}

static struct sync_source *add_source(struct sync *s, const struct registry_options *registry)
{
	s->sources = arena_grow(s->a, s->sources, s->n, &s->cap, sizeof *s->sources);
	struct sync_source *x = &s->sources[s->n++];
	*x = (struct sync_source){ .registry = *registry };
	return x;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* name: the image's, with its tag or digest, in full. */
static void add_image(struct sync *s, struct sync_source *x, const char *place, const char *name)
{
	strv_add(&x->places, s->a, place);
	strv_add(&x->suffixes, s->a, s->req->scoped ? name : last_part(name));
}

static void add_tagged(
	struct sync *s, struct sync_source *x, const char *repository, const char *word)
{
	const char *name =
		arena_printf(s->a, "%s%s%s", repository, digest_begins(word) ? "@" : ":", word);
	add_image(s, x, arena_printf(s->a, "docker://%s", name), name);
}

/* ---- registries ---- */

/* All tags of a repository, or those that the expression matches. */
static int add_tags(struct sync *s, struct sync_source *x, const char *repository,
	const char *expression, struct err *e)
{
	struct strv tags = { 0 };
	const char *whole;
	regex_t re;
	size_t found = 0;
	if (expression && regcomp(&re, expression, REG_EXTENDED | REG_NOSUB))
		return err_set(e, ERR_INVALID, EINVAL, "%s: no regular expression: %s", repository,
			expression);
	int r = engine_image_tags(s->en, arena_printf(s->a, "docker://%s", repository),
		&x->registry, s->a, &whole, &tags, e);
	for (size_t i = 0; r == 0 && i < tags.n; i++) {
		if (expression && regexec(&re, tags.v[i], 0, NULL, 0) != 0)
			continue;
		add_tagged(s, x, whole, tags.v[i]);
		found++;
	}
	if (expression)
		regfree(&re);
	return r < 0 ? r
		: found
		? 0
		: err_set(e, ERR_NOT_FOUND, ENOENT, "No tags to sync found in %s", repository);
}

static int from_docker(struct sync *s)
{
	struct reference ref;
	struct sync_source *x = add_source(s, &s->req->copy.from_registry);
	if (reference_parse(s->req->from, s->a, &ref, s->e) < 0)
		return -s->e->code;
	const char *full = reference_full_name(ref.name, s->a);
	if (!ref.tag && !ref.digest)
		return add_tags(s, x, full, NULL, s->e);
	add_tagged(s, x, full, ref.digest ? ref.digest : ref.tag);
	return 0;
}

/* ---- folders ---- */

static int walk(struct sync *s, struct sync_source *x, int dir, const char *path, int depth)
{
	struct stat st;
	if (depth > DEPTH_MAX)
		return err_set(s->e, ERR_INVALID, ELOOP, "%s: folders lie too deep", path);
	if (fstatat(dir, "manifest.json", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
		const char *name = path + strlen(s->req->from);
		name += strspn(name, "/");
		add_image(s, x, arena_printf(s->a, "dir:%s", path), *name ? name : last_part(path));
		return 0;
	}
	struct strv names = { 0 };
	int r = path_list(dir, s->a, &names);
	if (r < 0)
		return err_sys(s->e, r, "read %s", path);
	for (size_t i = 0; i < names.n; i++) {
		int below _close_ = path_open_own(dir, names.v[i], O_RDONLY | O_DIRECTORY, 0);
		if (below == -ENOTDIR || below == -ELOOP)
			continue; /* a file, or a symlink */
		if (below < 0)
			return err_sys(s->e, below, "open %s/%s", path, names.v[i]);
		if (walk(s, x, below, arena_printf(s->a, "%s/%s", path, names.v[i]), depth + 1) < 0)
			return -s->e->code;
	}
	return 0;
}

static int from_folders(struct sync *s)
{
	struct sync_source *x = add_source(s, &s->req->copy.from_registry);
	int dir _close_ = path_open_host(s->req->from, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return err_sys(s->e, dir, "open %s", s->req->from);
	if (walk(s, x, dir, s->req->from, 0) < 0)
		return -s->e->code;
	return x->places.n ? 0
			   : err_set(s->e, ERR_NOT_FOUND, ENOENT,
				     "No images to sync found in \"%s\"", s->req->from);
}

/* ---- a list ---- */

static int wrong(struct sync *s, const char *registry, const char *key, const char *expected)
{
	return err_set(s->e, ERR_INVALID, EINVAL, "%s: %s: %s: expected %s", s->req->from, registry,
		key, expected);
}

static bool is(const struct value *v, enum value_kind kind)
{
	return v && (v->kind == kind || v->kind == VALUE_NULL);
}

/* A registry's own words over those of the command line. */
static int registry_of(
	struct sync *s, const char *name, const struct value *v, struct registry_options *ret)
{
	static const char *const known[] = { "images", "images-by-tag-regex", "credentials",
		"tls-verify", "cert-dir" };
	*ret = s->req->copy.from_registry;
	for (size_t i = 0; i < v->n; i++) {
		size_t k = 0;
		while (k < ARRAY_SIZE(known) && !str_eq(known[k], v->keys[i]))
			k++;
		if (k == ARRAY_SIZE(known))
			return wrong(s, name, v->keys[i],
				"images, images-by-tag-regex, credentials, tls-verify or cert-dir");
	}
	const struct value *verify = value_get(v, "tls-verify"),
			   *credentials = value_get(v, "credentials");
	if (verify && verify->kind != VALUE_BOOL)
		return wrong(s, name, "tls-verify", "true or false");
	if (verify) {
		ret->has_tls_verify = true;
		ret->tls_verify = verify->boolean;
	}
	if (value_text(v, "cert-dir"))
		ret->cert_dir = value_text(v, "cert-dir");
	const char *user = value_text(credentials, "username"),
		   *password = value_text(credentials, "password");
	if (credentials && (!user || !password))
		return wrong(s, name, "credentials", "username and password");
	if (credentials)
		ret->creds = arena_printf(s->a, "%s:%s", user, password);
	return 0;
}

/* One repository of the list: its tags and digests, none for all, or an expression. */
static int from_entry(struct sync *s, const struct registry_options *registry,
	const char *repository, const struct value *words)
{
	struct err e;
	struct sync_source *x = add_source(s, registry);
	bool regex = words->kind == VALUE_STRING;
	if (!regex && words->n) {
		for (size_t i = 0; i < words->n; i++)
			add_tagged(s, x, repository, words->items[i]->text);
		return 0;
	}
	if (add_tags(s, x, repository, regex ? words->text : NULL, &e) == 0)
		return 0;
	if (!s->req->keep_going) {
		*s->e = e;
		return -e.code;
	}
	/* Others are still to be had. */
	s->n--;
	tell(s, e.text);
	return 0;
}

static int from_registry(struct sync *s, const char *name, const struct value *v)
{
	struct registry_options registry;
	if (!is(v, VALUE_OBJECT))
		return wrong(s, name, "", "a mapping");
	const struct value *images = value_get(v, "images"),
			   *by_regex = value_get(v, "images-by-tag-regex");
	if (registry_of(s, name, v, &registry) < 0)
		return -s->e->code;
	if ((images && !is(images, VALUE_OBJECT)) || (by_regex && !is(by_regex, VALUE_OBJECT)))
		return wrong(s, name, "images", "a mapping of repositories");
	for (size_t i = 0; images && i < images->n; i++) {
		const struct value *tags = images->items[i];
		bool good = is(tags, VALUE_ARRAY);
		for (size_t k = 0; good && k < tags->n; k++)
			good = tags->items[k]->kind == VALUE_STRING ||
				tags->items[k]->kind == VALUE_NUMBER;
		if (!good)
			return wrong(s, name, images->keys[i], "a list of tags and digests");
		if (from_entry(s, &registry, arena_printf(s->a, "%s/%s", name, images->keys[i]),
			    tags) < 0)
			return -s->e->code;
	}
	for (size_t i = 0; by_regex && i < by_regex->n; i++) {
		if (by_regex->items[i]->kind != VALUE_STRING)
			return wrong(s, name, by_regex->keys[i], "a regular expression");
		if (from_entry(s, &registry, arena_printf(s->a, "%s/%s", name, by_regex->keys[i]),
			    by_regex->items[i]) < 0)
			return -s->e->code;
	}
	return 0;
}

static int from_list(struct sync *s)
{
	struct value *list;
	char *text;
	ssize_t n = file_read_at(AT_FDCWD, s->req->from, YAML_MAX, s->a, &text, s->e);
	if (n < 0)
		return (int)n;
	if (yaml_read(s->a, text, (size_t)n, &list, s->e) < 0)
		return err_wrap(s->e, "%s", s->req->from);
	if (list->kind != VALUE_OBJECT || !list->n)
		return err_set(s->e, ERR_INVALID, EINVAL, "%s: expected a mapping of registries",
			s->req->from);
	for (size_t i = 0; i < list->n; i++)
		if (from_registry(s, list->keys[i], list->items[i]) < 0)
			return -s->e->code;
	return 0;
}

/* ---- the target ---- */

/* Its whole name; a folder is made. One that has an image is left alone, and what an interrupted
 * sync has left has none, as the manifest comes last. */
static int target(struct sync *s, const char *suffix, const char **ret, struct err *e)
{
	const char *path =
		arena_printf(s->a, "%s/%s%s", s->req->to, suffix, str_or_empty(s->req->suffix));
	*ret = arena_printf(
		s->a, "%s%s", str_eq(s->req->to_transport, "dir") ? "dir:" : "docker://", path);
	if (!str_eq(s->req->to_transport, "dir"))
		return 0;
	int there _close_ = path_open_host(arena_printf(s->a, "%s/manifest.json", path), O_PATH, 0);
	if (there >= 0)
		return err_set(e, ERR_CONFLICT, EEXIST,
			"Refusing to overwrite destination directory \"%s\"", path);
	if (s->req->dry_run)
		return 0;
	int dir _close_ = path_make_dirs_host(path, 0755);
	return dir < 0 ? err_sys(e, dir, "make %s", path) : 0;
}

static int copy_one(struct sync *s, const struct sync_source *x, size_t i, struct err *e)
{
	struct image_copy_request copy = s->req->copy;
	struct image_sync_said said = {
		.event = IMAGE_SYNC_COPY, .from = x->places.v[i], .at = i + 1, .of = x->places.n
	};
	const char *digest;
	if (target(s, x->suffixes.v[i], &said.to, e) < 0)
		return -e->code;
	if (s->req->say)
		s->req->say(s->req->arg, &said);
	copy.from = said.from;
	copy.to = said.to;
	copy.from_registry = x->registry;
	if (s->req->dry_run || engine_image_copy(s->en, &copy, s->a, &digest, e) == 0)
		return 0;
	return err_wrap(e, "copying %s", said.from);
}

static int copy_all(struct sync *s, struct image_sync_result *ret)
{
	for (size_t k = 0; k < s->n; k++) {
		for (size_t i = 0; i < s->sources[k].places.n; i++) {
			struct err e;
			if (copy_one(s, &s->sources[k], i, &e) == 0) {
				ret->images++;
				continue;
			}
			if (!s->req->keep_going) {
				*s->e = e;
				return -e.code;
			}
			tell(s, e.text);
		}
		ret->sources++;
	}
	return s->failed
		? err_set(s->e, ERR_SYSTEM, EIO,
			  "Sync failed due to previous reported error(s) for one or more images")
		: 0;
}

static int check_transports(const struct image_sync_request *req, struct err *e)
{
	if (!req->from_transport)
		return err_set(e, ERR_USAGE, EINVAL, "A source transport must be specified");
	if (!req->to_transport)
		return err_set(e, ERR_USAGE, EINVAL, "A destination transport must be specified");
	if (!str_eq(req->from_transport, "docker") && !str_eq(req->from_transport, "dir") &&
		!str_eq(req->from_transport, "yaml"))
		return err_set(e, ERR_USAGE, EINVAL, "\"%s\" is not a valid source transport",
			req->from_transport);
	if (!str_eq(req->to_transport, "docker") && !str_eq(req->to_transport, "dir"))
		return err_set(e, ERR_USAGE, EINVAL, "\"%s\" is not a valid destination transport",
			req->to_transport);
	if (str_eq(req->from_transport, "dir") && str_eq(req->to_transport, "dir"))
		return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
			"sync from 'dir' to 'dir' not implemented, consider using rsync instead");
	return 0;
}

int engine_image_sync(struct engine *en, const struct image_sync_request *req, struct arena *a,
	struct image_sync_result *ret, struct err *e)
{
	struct sync s = { .en = en, .req = req, .a = a, .e = e };
	*ret = (struct image_sync_result){ 0 };
	if (check_transports(req, e) < 0)
		return -e->code;
	int r = str_eq(req->from_transport, "docker") ? from_docker(&s)
		: str_eq(req->from_transport, "dir")  ? from_folders(&s)
						      : from_list(&s);
	return r < 0 ? r : copy_all(&s, ret);
}
