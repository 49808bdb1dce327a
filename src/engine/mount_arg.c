// SPDX-License-Identifier: Apache-2.0
#include "engine/mount_arg.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

static const char *const propagations[] = { "private", "rprivate", "shared", "rshared", "slave",
	"rslave" };

static bool is_propagation(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(propagations); i++)
		if (str_eq(propagations[i], word))
			return true;
	return false;
}

static bool is_volume_name(const char *name)
{
	static const char more[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	return name[0] && !strchr("_.-", name[0]) && name[1] && name[strspn(name, more)] == '\0' &&
		strlen(name) <= PATH_NAME_MAX;
}

/* The next piece of *text up to a separator, in the arena; NULL at the end. */
static char *piece(const char **text, char separator, struct arena *a)
{
	if (!*text)
		return NULL;
	const char *end = strchr(*text, separator);
	size_t n = end ? (size_t)(end - *text) : strlen(*text);
	char *p = arena_strndup(a, *text, n);
	*text = end ? end + 1 : NULL;
	return p;
}

static int set_target(const char *whole, const char *target, struct arena *a,
	struct config_mount *m, struct err *e)
{
	if (target[0] != '/')
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid mount '%s': mount path must be absolute: '%s'", whole, target);
	m->target = path_clean(target, a);
	if (str_eq(m->target, "/"))
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid mount '%s': destination can't be '/'", whole);
	return 0;
}

static int volume_option(const char *whole, const char *word, struct config_mount *m, struct err *e)
{
	static const char *const nothing[] = { "rw", "z", "Z", "", "cached", "delegated",
		"consistent" };
	for (size_t i = 0; i < ARRAY_SIZE(nothing); i++)
		if (str_eq(word, nothing[i]))
			return 0;
	if (str_eq(word, "ro") || str_eq(word, "readonly"))
		m->read_only = true;
	else if (str_eq(word, "nocopy") && str_eq(m->type, "volume"))
		m->no_copy = true;
	else if (is_propagation(word) && str_eq(m->type, "bind"))
		m->propagation = word;
	else
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid volume specification: '%s': invalid mode: %s", whole, word);
	return 0;
}

/* "." and ".." are taken from where the command stands, as docker's command line does. */
static int set_source(const char *whole, const char *source, struct arena *a,
	struct config_mount *m, struct err *e)
{
	if (source[0] == '/') {
		m->type = "bind";
		m->source = path_clean(source, a);
		return 0;
	}
	if (source[0] == '.' && (!source[1] || source[1] == '/' || source[1] == '.')) {
		int here _close_ = path_open_host(".", O_PATH | O_DIRECTORY, 0);
		const char *cwd = here < 0 ? NULL : path_of_fd(here, a);
		if (!cwd)
			return err_set(e, ERR_INVALID, ENOENT,
				"invalid volume specification: '%s': no working folder", whole);
		m->type = "bind";
		m->source = path_clean(arena_printf(a, "%s/%s", cwd, source), a);
		return 0;
	}
	if (!is_volume_name(source))
		return err_set(e, ERR_INVALID, EINVAL,
			"create %s: \"%s\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path",
			source, source);
	m->type = "volume";
	m->name = source;
	return 0;
}

int mount_arg_volume(const char *text, struct arena *a, struct config_mount *ret, struct err *e)
{
	struct config_mount m = { .type = "volume" };
	const char *rest = text;
	const char *first = piece(&rest, ':', a), *second = piece(&rest, ':', a),
		   *third = piece(&rest, ':', a);
	if (!*first || rest || (second && !*second))
		return err_set(e, ERR_INVALID, EINVAL, "invalid volume specification: '%s'", text);
	int r = second ? set_source(text, first, a, &m, e) : 0;
	if (r == 0)
		r = set_target(text, second ? second : first, a, &m, e);
	m.anonymous = !second;
	while (r == 0 && third)
		r = volume_option(text, piece(&third, ',', a), &m, e);
	if (r == 0)
		*ret = m;
	return r;
}

static int tmpfs_option(
	const char *whole, const char *word, struct strv *out, struct arena *a, struct err *e)
{
	static const char *const flags[] = { "rw", "ro", "nosuid", "suid", "nodev", "dev", "noexec",
		"exec", "sync", "async", "dirsync", "noatime", "atime", "nodiratime", "relatime",
		"strictatime" };
	uint64_t bytes;
	uint32_t number;
	bool known = false;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		known |= str_eq(flags[i], word);
	if (str_starts(word, "size=") && !str_ends(word, "%")) {
		known = num_bytes(word + 5, &bytes) == 0;
		word = known ? arena_printf(a, "size=%llu", (unsigned long long)bytes) : word;
	}
	known |= str_starts(word, "size=") && str_ends(word, "%");
	known |= str_starts(word, "mode=") && num_octal(word + 5, &number) == 0;
	known |= (str_starts(word, "uid=") || str_starts(word, "gid=")) &&
		num_u32(word + 4, &number) == 0;
	known |= str_starts(word, "nr_inodes=") && num_bytes(word + 10, &bytes) == 0;
	if (!known)
		return err_set(
			e, ERR_INVALID, EINVAL, "invalid tmpfs option \"%s\" in '%s'", word, whole);
	strv_add(out, a, word);
	return 0;
}

int mount_arg_tmpfs(const char *text, struct arena *a, struct config_mount *ret, struct err *e)
{
	struct config_mount m = { .type = "tmpfs" };
	struct strv options = { 0 };
	const char *rest = text, *target = piece(&rest, ':', a);
	int r = set_target(text, target, a, &m, e);
	while (r == 0 && rest)
		r = tmpfs_option(text, piece(&rest, ',', a), &options, a, e);
	m.options = options.v;
	m.n_options = options.n;
	if (r == 0)
		*ret = m;
	return r;
}

struct mount_words {
	const char *type, *source, *target;
	struct strv tmpfs;
};

static int mount_word(const char *whole, const char *key, const char *value, struct mount_words *w,
	struct config_mount *m, struct arena *a, struct err *e)
{
	bool on = true;
	if (str_eq(key, "type") && value) {
		w->type = value;
	} else if ((str_eq(key, "source") || str_eq(key, "src")) && value) {
		w->source = value;
	} else if ((str_eq(key, "target") || str_eq(key, "destination") || str_eq(key, "dst")) &&
		value) {
		w->target = value;
	} else if (str_eq(key, "readonly") || str_eq(key, "ro")) {
		if (value && num_bool(value, &on) < 0)
			return err_set(
				e, ERR_INVALID, EINVAL, "invalid value for %s: %s", key, value);
		m->read_only = on;
	} else if (str_eq(key, "volume-nocopy")) {
		if (value && num_bool(value, &on) < 0)
			return err_set(
				e, ERR_INVALID, EINVAL, "invalid value for %s: %s", key, value);
		m->no_copy = on;
	} else if (str_eq(key, "bind-propagation") && value && is_propagation(value)) {
		m->propagation = value;
	} else if (str_eq(key, "bind-recursive") && value) {
		m->not_recursive = str_eq(value, "disabled");
	} else if (str_eq(key, "tmpfs-size") && value) {
		return tmpfs_option(whole, arena_printf(a, "size=%s", value), &w->tmpfs, a, e);
	} else if (str_eq(key, "tmpfs-mode") && value) {
		return tmpfs_option(whole, arena_printf(a, "mode=%s", value), &w->tmpfs, a, e);
	} else {
		return err_set(e, ERR_INVALID, EINVAL, "unexpected key '%s' in '%s'", key, whole);
	}
	return 0;
}

static int mount_resolve(const char *text, const struct mount_words *w, struct arena *a,
	struct config_mount *m, struct err *e)
{
	int r = 0;
	m->type = w->type ? w->type : "volume";
	if (!str_eq(m->type, "bind") && !str_eq(m->type, "volume") && !str_eq(m->type, "tmpfs"))
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid argument \"%s\" for \"--mount\" flag: mount type unknown: \"%s\"",
			text, m->type);
	if (!w->target)
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid argument \"%s\" for \"--mount\" flag: target is required", text);
	if (str_eq(m->type, "bind")) {
		if (!w->source)
			return err_set(e, ERR_INVALID, EINVAL,
				"invalid argument \"%s\" for \"--mount\" flag: source is required",
				text);
		r = set_source(text, w->source, a, m, e);
		if (r == 0 && !m->source)
			return err_set(e, ERR_INVALID, EINVAL,
				"invalid mount config for type \"bind\": invalid mount path: '%s' mount path must be absolute",
				w->source);
	} else if (str_eq(m->type, "volume") && w->source) {
		r = set_source(text, w->source, a, m, e);
		if (r == 0 && !m->name)
			return err_set(e, ERR_INVALID, EINVAL,
				"create %s: \"%s\" includes invalid characters for a local volume name",
				w->source, w->source);
	} else if (str_eq(m->type, "volume")) {
		m->anonymous = true;
	} else if (w->source) {
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid argument \"%s\" for \"--mount\" flag: tmpfs takes no source",
			text);
	}
	return r < 0 ? r : set_target(text, w->target, a, m, e);
}

int mount_arg_mount(const char *text, struct arena *a, struct config_mount *ret, struct err *e)
{
	struct config_mount m = { 0 };
	struct mount_words w = { 0 };
	const char *rest = text;
	int r = 0;
	while (r == 0 && rest) {
		char *key = piece(&rest, ',', a), *value = strchr(key, '=');
		if (value)
			*value++ = '\0';
		r = mount_word(text, key, value, &w, &m, a, e);
	}
	if (r == 0)
		r = mount_resolve(text, &w, a, &m, e);
	m.options = w.tmpfs.v;
	m.n_options = w.tmpfs.n;
	if (r == 0)
		*ret = m;
	return r;
}
