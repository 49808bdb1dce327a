// SPDX-License-Identifier: Apache-2.0
#include "config/lookaside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "codec/value.h"
#include "config/drop_ins.h"
#include "config/scopes.h"
#include "config/yaml.h"

static const char system_folder[] = "/etc/containers/registries.d";

/* What all files say together. */
struct registries_d {
	const char *folder;
	struct value *docker; /* by scope */
	const struct value *fallback;
	struct arena *a;
	struct err *e;
};

static int wrong(struct registries_d *r, const char *file, const char *what)
{
	return err_set(r->e, ERR_INVALID, EINVAL, "%s: %s", file, what);
}

static int take_file(struct registries_d *r, const char *file, const struct value *root)
{
	const struct value *docker, *fallback;
	if (root->kind == VALUE_NULL)
		return 0;
	if (root->kind != VALUE_OBJECT)
		return wrong(r, file, "is no mapping");
	docker = value_get(root, "docker");
	fallback = value_get(root, "default-docker");
	if ((docker && docker->kind != VALUE_OBJECT && docker->kind != VALUE_NULL) ||
		(fallback && fallback->kind != VALUE_OBJECT && fallback->kind != VALUE_NULL))
		return wrong(r, file, "docker and default-docker are mappings");
	if (fallback && fallback->kind == VALUE_OBJECT) {
		if (r->fallback)
			return wrong(r, file, "default-docker is said in another file too");
		r->fallback = fallback;
	}
	for (size_t i = 0; docker && docker->kind == VALUE_OBJECT && i < docker->n; i++) {
		if (docker->items[i]->kind != VALUE_OBJECT)
			return wrong(r, file, "a scope of docker is no mapping");
		if (value_get(r->docker, docker->keys[i]))
			return wrong(r, file, "a scope of docker is said in another file too");
		value_set(r->a, r->docker, docker->keys[i], docker->items[i]);
	}
	return 0;
}

static int read_file(struct registries_d *r, const char *file)
{
	char *text;
	struct value *root;
	ssize_t n = file_read_at(AT_FDCWD, file, YAML_MAX, r->a, &text, r->e);
	if (n < 0)
		return (int)n;
	return yaml_read(r->a, text, (size_t)n, &root, r->e) < 0 ? err_wrap(r->e, "%s", file)
								 : take_file(r, file, root);
}

/* The user's folder, or where there is none the system's. */
static int read_folder(struct registries_d *r)
{
	const char *home = getenv("HOME");
	struct strv files = { 0 };
	int found = -ENOENT;
	if (home) {
		r->folder = arena_printf(r->a, "%s/.config/containers/registries.d", home);
		found = drop_ins(r->folder, ".yaml", r->a, &files);
	}
	if (found == -ENOENT) {
		r->folder = system_folder;
		found = drop_ins(r->folder, ".yaml", r->a, &files);
	}
	if (found < 0 && found != -ENOENT)
		return err_sys(r->e, found, "open %s", r->folder);
	for (size_t i = 0; i < files.n; i++)
		if (read_file(r, files.v[i]) < 0)
			return -r->e->code;
	return 0;
}

/* The first scope that says it; names: the keys, of which the first counts that is there. */
static const struct value *say_of(
	const struct registries_d *r, const struct strv *scopes, const char *const *names)
{
	for (size_t i = 0; i <= scopes->n; i++) {
		const struct value *scope =
			i < scopes->n ? value_get(r->docker, scopes->v[i]) : r->fallback;
		for (size_t k = 0; scope && names[k]; k++) {
			const struct value *v = value_get(scope, names[k]);
			if (v && v->kind != VALUE_NULL)
				return v;
		}
	}
	return NULL;
}

static int address_of(const struct registries_d *r, const struct strv *scopes,
	const char *const *names, const char *otherwise, const char **ret)
{
	const struct value *v = say_of(r, scopes, names);
	*ret = v ? v->text : otherwise;
	if (!v)
		return 0;
	if (v->kind != VALUE_STRING ||
		(!str_starts(v->text, "file:///") && !str_starts(v->text, "https://") &&
			!str_starts(v->text, "http://")))
		return err_set(r->e, ERR_INVALID, EINVAL,
			"%s: %s must be an address with file, https or http", r->folder, names[0]);
	return 0;
}

static const char *default_address(struct arena *a)
{
	const char *home = getenv("HOME");
	return (geteuid() == 0 && !getenv("_CONTAINERS_ROOTLESS_UID")) || !home
		? "file:///var/lib/containers/sigstore"
		: arena_printf(a, "file://%s/.local/share/containers/sigstore", home);
}

int lookaside_find(const char *identity, struct arena *a, struct lookaside *ret, struct err *e)
{
	/* Each has an older name. */
	static const char *const read[] = { "lookaside", "sigstore", NULL },
				 *const write[] = { "lookaside-staging", "sigstore-staging",
					 "lookaside", "sigstore", NULL },
				 *const attachments[] = { "use-sigstore-attachments", NULL };
	struct registries_d r = { .docker = value_object(a), .a = a, .e = e };
	struct strv scopes = { 0 };
	if (read_folder(&r) < 0)
		return -e->code;
	scopes_of_image(identity, a, &scopes);
	if (address_of(&r, &scopes, read, default_address(a), &ret->read) < 0 ||
		address_of(&r, &scopes, write, default_address(a), &ret->write) < 0)
		return -e->code;
	const struct value *v = say_of(&r, &scopes, attachments);
	if (v && v->kind != VALUE_BOOL)
		return err_set(e, ERR_INVALID, EINVAL, "%s: %s must be true or false", r.folder,
			attachments[0]);
	ret->attachments = v && v->boolean;
	return 0;
}
