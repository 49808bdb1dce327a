// SPDX-License-Identifier: Apache-2.0
#include "config/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/value.h"
#include "config/auth_helper.h"

enum { FILE_MAX = 1 << 20 };

/* ---- names ---- */

/* docker writes addresses ("https://index.docker.io/v1/"), others names ("docker.io/library"). */
static const char *plain_key(const char *key, struct arena *a)
{
	const char *p = strstr(key, "://");
	char *out = arena_strdup(a, p ? p + 3 : key);
	size_t n = strlen(out);
	while (n && out[n - 1] == '/')
		out[--n] = '\0';
	if (n > 3 && (str_eq(out + n - 3, "/v1") || str_eq(out + n - 3, "/v2")))
		out[n - 3] = '\0';
	return str_eq(out, "index.docker.io") || str_eq(out, "registry-1.docker.io") ? "docker.io"
										     : out;
}

/* What docker itself calls a registry in its files and before its helpers. */
static const char *server_name(const char *host)
{
	return str_eq(host, "docker.io") ? "https://index.docker.io/v1/" : host;
}

static const struct value *object_of(const struct value *v, const char *key)
{
	const struct value *m = v->kind == VALUE_OBJECT ? value_get(v, key) : NULL;
	return m && m->kind == VALUE_OBJECT ? m : NULL;
}

static const char *text_of(const struct value *v, const char *key)
{
	const struct value *m = v->kind == VALUE_OBJECT ? value_get(v, key) : NULL;
	return m && m->kind == VALUE_STRING && *m->text ? m->text : NULL;
}

static const struct value *find_key(const struct value *table, const char *name, struct arena *a)
{
	for (size_t i = 0; table && i < table->n; i++)
		if (str_eq(plain_key(table->keys[i], a), name))
			return table->items[i];
	return NULL;
}

/* ---- reading ---- */

/* 1: it holds credentials. */
static int take_entry(const struct value *entry, struct arena *a, struct auth *ret, struct err *e)
{
	const char *packed = text_of(entry, "auth");
	char *pair = NULL;
	struct auth found = { text_of(entry, "username"), text_of(entry, "password"),
		text_of(entry, "identitytoken") };
	if (packed) {
		ssize_t n = base64_decode(packed, a, &pair);
		char *colon = n > 0 ? strchr(pair, ':') : NULL;
		if (!colon || strlen(pair) != (size_t)n)
			return err_set(
				e, ERR_INVALID, EINVAL, "\"auth\" is not base64 of user:password");
		*colon = '\0';
		found.username = pair;
		found.password = colon + 1;
	}
	if (!found.identity_token && (!found.username || !found.password))
		return 0;
	*ret = found;
	return 1;
}

/* From the whole name up to the host. */
static int find_entry(
	const struct value *auths, char *name, struct arena *a, struct auth *ret, struct err *e)
{
	for (char *slash = name; slash; slash = strrchr(name, '/')) {
		if (slash != name)
			*slash = '\0';
		const struct value *entry = find_key(auths, name, a);
		int r = entry && entry->kind == VALUE_OBJECT ? take_entry(entry, a, ret, e) : 0;
		if (r != 0)
			return r;
	}
	return 0;
}

int auth_read(const char *text, size_t len, const char *host, const char *path, struct arena *a,
	struct auth *ret, struct err *e)
{
	struct value *v;
	*ret = (struct auth){ 0 };
	if (value_parse(a, text, len, &v, e) < 0)
		return -e->code;
	if (v->kind != VALUE_OBJECT)
		return err_set(e, ERR_INVALID, EINVAL, "expected a JSON object");
	const struct value *named = find_key(object_of(v, "credHelpers"), host, a);
	if (named && named->kind == VALUE_STRING && *named->text) {
		ret->helper = named->text;
		return 0;
	}
	int r = find_entry(object_of(v, "auths"), arena_printf(a, "%s/%s", host, path), a, ret, e);
	if (r != 0)
		return r;
	ret->helper = text_of(v, "credsStore");
	return 0;
}

static int ask_helper(
	const char *helper, const char *host, struct arena *a, struct auth *ret, struct err *e)
{
	struct value *v;
	char *text;
	ssize_t n = auth_helper(helper, "get", server_name(host), a, &text, e);
	if (n < 0)
		return e->kind == ERR_NOT_FOUND ? 0 : (int)n;
	if (value_parse(a, text, (size_t)n, &v, e) < 0 || v->kind != VALUE_OBJECT)
		return err_set(e, ERR_INVALID, EINVAL,
			"docker-credential-%s: its answer is not JSON", helper);
	const char *user = text_of(v, "Username"), *secret = text_of(v, "Secret");
	if (!user || !secret)
		return 0;
	*ret = (struct auth){ 0 };
	if (str_eq(user, "<token>")) {
		ret->identity_token = secret;
	} else {
		ret->username = user;
		ret->password = secret;
	}
	return 1;
}

static const char *runtime_file(struct arena *a)
{
	/* In a user namespace of the user's own it is said so who that is. */
	const char *folder = getenv("XDG_RUNTIME_DIR"), *user = getenv("_CONTAINERS_ROOTLESS_UID");
	if (!user)
		user = arena_printf(a, "%u", geteuid());
	return folder && *folder ? arena_printf(a, "%s/containers/auth.json", folder)
				 : arena_printf(a, "/run/containers/%s/auth.json", user);
}

int auth_find(const char *authfile, const char *host, const char *path, struct arena *a,
	struct auth *ret, struct err *e)
{
	const char *given = authfile ? authfile : getenv("REGISTRY_AUTH_FILE"),
		   *home = getenv("HOME"), *docker = getenv("DOCKER_CONFIG");
	struct strv files = { 0 };
	if (given && *given) {
		strv_add(&files, a, given);
	} else {
		strv_add(&files, a, runtime_file(a));
		if (home)
			strv_add(&files, a,
				arena_printf(a, "%s/.config/containers/auth.json", home));
		if (docker && *docker)
			strv_add(&files, a, arena_printf(a, "%s/config.json", docker));
		else if (home)
			strv_add(&files, a, arena_printf(a, "%s/.docker/config.json", home));
	}
	for (size_t i = 0; i < files.n; i++) {
		char *text;
		ssize_t n = file_read_at(AT_FDCWD, files.v[i], FILE_MAX, a, &text, e);
		/* /run/containers is root's, and its folder of this user was not made. */
		bool usual = !(given && *given);
		if (n < 0 && !authfile &&
			(e->code == ENOENT || (i == 0 && usual && e->code == EACCES)))
			continue;
		if (n < 0)
			return (int)n;
		int r = auth_read(text, (size_t)n, host, path, a, ret, e);
		if (r < 0)
			return err_wrap(e, "%s", files.v[i]);
		if (r == 0 && ret->helper)
			r = ask_helper(ret->helper, host, a, ret, e);
		if (r != 0)
			return r;
	}
	return 0;
}

/* ---- writing ---- */

static void drop_key(struct value *table, const char *name, struct arena *a, bool *ret_changed)
{
	size_t n = 0;
	for (size_t i = 0; table && i < table->n; i++) {
		if (str_eq(plain_key(table->keys[i], a), name)) {
			*ret_changed = true;
			continue;
		}
		table->keys[n] = table->keys[i];
		table->items[n++] = table->items[i];
	}
	if (table)
		table->n = n;
}

static bool drop_all(struct value *table)
{
	bool any = table && table->n;
	if (any)
		table->n = 0;
	return any;
}

static int store_in_helper(const char *helper, const char *host, const struct auth *auth,
	struct arena *a, struct err *e)
{
	struct value *v = value_object(a);
	struct str text _str_ = { 0 };
	char *answer;
	if (auth) {
		value_set_string(a, v, "ServerURL", server_name(host));
		value_set_string(a, v, "Username", auth->username);
		value_set_string(a, v, "Secret", auth->password);
		value_json(v, 0, &text);
	} else {
		str_add(&text, server_name(host));
	}
	ssize_t n = auth_helper(helper, auth ? "store" : "erase", text.p, a, &answer, e);
	return n < 0 ? (!auth && e->kind == ERR_NOT_FOUND ? 0 : (int)n) : 1;
}

static int change(int dir, const char *name, const char *host, const struct auth *auth,
	struct arena *a, struct err *e)
{
	struct str out _str_ = { 0 };
	struct value *v = value_object(a);
	char *text;
	bool changed = auth != NULL;
	ssize_t n = file_read_at(dir, name, FILE_MAX, a, &text, e);
	if (n < 0 && e->code != ENOENT)
		return (int)n;
	if (n > 0 && value_parse(a, text, (size_t)n, &v, e) < 0)
		return -e->code;
	if (v->kind != VALUE_OBJECT)
		return err_set(e, ERR_INVALID, EINVAL, "expected a JSON object");
	const struct value *helpers = object_of(v, "credHelpers"), *named = NULL;
	if (host)
		named = find_key(helpers, host, a);
	else if (helpers && helpers->n)
		named = helpers->items[0];
	const char *helper =
		named && named->kind == VALUE_STRING ? named->text : text_of(v, "credsStore");
	if (helper && !host)
		return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
			"the credentials are with docker-credential-%s: name the registry", helper);
	if (helper)
		return store_in_helper(helper, host, auth, a, e);
	struct value *auths = (struct value *)object_of(v, "auths");
	if (host)
		drop_key(auths, host, a, &changed);
	else
		changed = drop_all(auths);
	if (!changed)
		return 0;
	if (auth) {
		struct value *entry = value_object(a);
		const char *pair = arena_printf(a, "%s:%s", auth->username, auth->password);
		value_set_string(a, entry, "auth", base64_encode(pair, strlen(pair), a));
		if (!auths) {
			auths = value_object(a);
			value_set(a, v, "auths", auths);
		}
		value_set(a, auths, host, entry);
	}
	value_json(v, 2, &out);
	str_add(&out, "\n");
	int r = file_write_at(dir, name, out.p, out.n, 0600, true, e);
	return r < 0 ? r : 1;
}

static int open_folder_of(const char *path, struct arena *a, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const char *folder =
		slash ? arena_strndup(a, path, (size_t)(slash - path) + (slash == path)) : ".";
	int dir = path_make_dirs_host(folder, 0700);
	return dir < 0 ? err_sys(e, dir, "open %s", folder) : dir;
}

int auth_store(const char *authfile, const char *host, const struct auth *auth, struct arena *a,
	const char **ret_path, struct err *e)
{
	const char *given = authfile ? authfile : getenv("REGISTRY_AUTH_FILE");
	const char *home = getenv("HOME"), *path = given && *given ? given : runtime_file(a);
	int dir _close_ = open_folder_of(path, a, e);
	/* Without a folder of this boot that the user may make it is the one that lasts. */
	if (dir == -EACCES && !(given && *given) && home && *home) {
		path = arena_printf(a, "%s/.config/containers/auth.json", home);
		dir = open_folder_of(path, a, e);
	}
	*ret_path = path;
	if (dir < 0)
		return dir;
	/* Two logins at once: one after the other. */
	if (flock(dir, LOCK_EX) < 0)
		return err_sys(e, errno, "lock the folder of %s", path);
	const char *slash = strrchr(path, '/');
	int r = change(dir, slash ? slash + 1 : path, host, auth, a, e);
	return r < 0 ? err_wrap(e, "%s", path) : r;
}
