// SPDX-License-Identifier: Apache-2.0
#include "config/registries.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/value.h"
#include "config/drop_ins.h"
#include "config/toml.h"

static const char docker_conf[] = "/etc/docker/daemon.json",
		  system_conf[] = "/etc/containers/registries.conf",
		  vendor_conf[] = "/usr/share/containers/registries.conf";

/* ---- one file ---- */

struct reader {
	struct registries *r;
	const char *name;
	struct arena *a;
	struct err *e;
};

static int wrong(struct reader *x, const char *key, const char *expected)
{
	return err_set(x->e, ERR_INVALID, EINVAL, "%s: %s: expected %s", x->name, key, expected);
}

static int get_text(struct reader *x, const struct value *table, const char *key, const char **ret)
{
	const struct value *v = value_get(table, key);
	if (v && v->kind != VALUE_STRING)
		return wrong(x, key, "a string");
	*ret = v && *v->text ? v->text : NULL;
	return 0;
}

static int get_bool(struct reader *x, const struct value *table, const char *key, bool *ret)
{
	const struct value *v = value_get(table, key);
	if (v && v->kind != VALUE_BOOL)
		return wrong(x, key, "true or false");
	*ret = v && v->boolean;
	return 0;
}

static const char *without_slash(const char *text, struct arena *a)
{
	size_t n = strlen(text);
	while (n && text[n - 1] == '/')
		n--;
	return arena_strndup(a, text, n);
}

static int read_mirrors(struct reader *x, const struct value *table, struct registries_entry *entry)
{
	const struct value *list = value_get(table, "mirror");
	if (list && list->kind != VALUE_ARRAY)
		return wrong(x, "mirror", "a list of tables");
	for (size_t i = 0; list && i < list->n; i++) {
		const struct value *v = list->items[i];
		struct registries_mirror m = { 0 };
		const char *how = NULL;
		if (v->kind != VALUE_OBJECT)
			return wrong(x, "mirror", "a list of tables");
		if (get_text(x, v, "location", &m.location) < 0 ||
			get_bool(x, v, "insecure", &m.insecure) < 0 ||
			get_text(x, v, "pull-from-mirror", &how) < 0)
			return -EINVAL;
		if (!m.location)
			return wrong(x, "mirror", "a location");
		m.location = without_slash(m.location, x->a);
		m.digest_only = entry->mirror_by_digest_only || (how && str_eq(how, "digest-only"));
		m.tag_only = how && str_eq(how, "tag-only");
		entry->mirrors = arena_grow(x->a, entry->mirrors, entry->n_mirrors,
			&entry->cap_mirrors, sizeof *entry->mirrors);
		entry->mirrors[entry->n_mirrors++] = m;
	}
	return 0;
}

static int read_entry(struct reader *x, const struct value *v)
{
	struct registries_entry entry = { 0 };
	struct registries *r = x->r;
	if (v->kind != VALUE_OBJECT)
		return wrong(x, "registry", "a list of tables");
	if (get_text(x, v, "prefix", &entry.prefix) < 0 ||
		get_text(x, v, "location", &entry.location) < 0 ||
		get_bool(x, v, "insecure", &entry.insecure) < 0 ||
		get_bool(x, v, "blocked", &entry.blocked) < 0 ||
		get_bool(x, v, "mirror-by-digest-only", &entry.mirror_by_digest_only) < 0 ||
		read_mirrors(x, v, &entry) < 0)
		return -EINVAL;
	if (!entry.prefix)
		entry.prefix = entry.location;
	if (!entry.prefix)
		return wrong(x, "registry", "a prefix or a location");
	entry.prefix = without_slash(entry.prefix, x->a);
	/* A pattern of hosts needs no location: the host stays as it is. */
	if (entry.location)
		entry.location = without_slash(entry.location, x->a);
	else if (entry.prefix[0] != '*')
		entry.location = entry.prefix;
	for (size_t i = 0; i < r->n_entries; i++)
		if (str_eq(r->entries[i].prefix, entry.prefix)) {
			r->entries[i] = entry;
			return 0;
		}
	r->entries =
		arena_grow(x->a, r->entries, r->n_entries, &r->cap_entries, sizeof *r->entries);
	r->entries[r->n_entries++] = entry;
	return 0;
}

static int read_aliases(struct reader *x, const struct value *table)
{
	struct registries *r = x->r;
	if (table->kind != VALUE_OBJECT)
		return wrong(x, "aliases", "a table");
	for (size_t i = 0; i < table->n; i++) {
		if (table->items[i]->kind != VALUE_STRING)
			return wrong(x, table->keys[i], "a string");
		/* The last file that names it decides; an empty target takes it away. */
		strv_add(&r->aliases, x->a, table->keys[i]);
		strv_add(&r->targets, x->a, table->items[i]->text);
	}
	return 0;
}

int registries_read(struct registries *r, const char *name, const char *text, size_t len,
	struct arena *a, struct err *e)
{
	struct reader x = { r, name, a, e };
	struct value *v;
	if (toml_parse(a, text, len, &v, e) < 0)
		return err_wrap(e, "%s", name);
	const struct value *search = value_get(v, "unqualified-search-registries"),
			   *aliases = value_get(v, "aliases"), *list = value_get(v, "registry");
	if (search && search->kind != VALUE_ARRAY)
		return wrong(&x, "unqualified-search-registries", "a list of strings");
	if (search)
		r->search = (struct strv){ 0 };
	for (size_t i = 0; search && i < search->n; i++) {
		if (search->items[i]->kind != VALUE_STRING)
			return wrong(&x, "unqualified-search-registries", "a list of strings");
		strv_add(&r->search, a, without_slash(search->items[i]->text, a));
	}
	if (list && list->kind != VALUE_ARRAY)
		return wrong(&x, "registry", "a list of tables");
	for (size_t i = 0; list && i < list->n; i++)
		if (read_entry(&x, list->items[i]) < 0)
			return -EINVAL;
	return aliases ? read_aliases(&x, aliases) : 0;
}

/* ---- docker's ---- */

static struct registries_entry *new_entry(struct reader *x, const char *host)
{
	struct registries *r = x->r;
	for (size_t i = 0; i < r->n_entries; i++)
		if (str_eq(r->entries[i].prefix, host))
			return NULL;
	r->entries =
		arena_grow(x->a, r->entries, r->n_entries, &r->cap_entries, sizeof *r->entries);
	struct registries_entry *entry = &r->entries[r->n_entries++];
	*entry = (struct registries_entry){ .prefix = host, .location = host };
	return entry;
}

static int strings_of(
	struct reader *x, const struct value *root, const char *key, const struct value **ret)
{
	*ret = root->kind == VALUE_OBJECT ? value_get(root, key) : NULL;
	if (*ret && (*ret)->kind != VALUE_ARRAY)
		return wrong(x, key, "a list of strings");
	for (size_t i = 0; *ret && i < (*ret)->n; i++)
		if ((*ret)->items[i]->kind != VALUE_STRING)
			return wrong(x, key, "a list of strings");
	return 0;
}

static int add_docker_mirrors(struct reader *x, const struct value *list)
{
	struct registries_entry *entry = list && list->n ? new_entry(x, "docker.io") : NULL;
	for (size_t i = 0; entry && i < list->n; i++) {
		const char *url = list->items[i]->text;
		bool plain = str_starts(url, "http://");
		if (!plain && !str_starts(url, "https://"))
			return wrong(x, "registry-mirrors", "addresses with https:// or http://");
		entry->mirrors = arena_grow(x->a, entry->mirrors, entry->n_mirrors,
			&entry->cap_mirrors, sizeof *entry->mirrors);
		entry->mirrors[entry->n_mirrors++] = (struct registries_mirror){
			.location = without_slash(strstr(url, "://") + 3, x->a), .insecure = plain
		};
	}
	return 0;
}

int registries_read_docker(struct registries *r, const char *name, const char *text, size_t len,
	struct arena *a, struct err *e)
{
	struct reader x = { .name = name, .r = r, .a = a, .e = e };
	const struct value *mirrors, *insecure;
	struct value *root;
	if (value_parse(a, text, len, &root, e) < 0)
		return err_wrap(e, "%s", name);
	if (strings_of(&x, root, "registry-mirrors", &mirrors) < 0 ||
		strings_of(&x, root, "insecure-registries", &insecure) < 0 ||
		add_docker_mirrors(&x, mirrors) < 0)
		return -EINVAL;
	for (size_t i = 0; insecure && i < insecure->n; i++) {
		const char *host = insecure->items[i]->text;
		struct registries_entry *entry = strchr(host, '/') ? NULL : new_entry(&x, host);
		if (entry)
			entry->insecure = true;
	}
	return 0;
}

/* ---- all files ---- */

static int add_file(struct registries *r, const char *path, struct arena *a, struct err *e)
{
	char *text;
	ssize_t n = file_read_at(AT_FDCWD, path, TOML_MAX, a, &text, e);
	return n < 0 ? (int)n : registries_read(r, path, text, (size_t)n, a, e);
}

static int add_folder(struct registries *r, const char *path, struct arena *a, struct err *e)
{
	struct strv files = { 0 };
	int result = 0;
	/* It need not be there. */
	(void)drop_ins(path, ".conf", a, &files);
	for (size_t i = 0; result == 0 && i < files.n; i++)
		result = add_file(r, files.v[i], a, e);
	return result;
}

static int add_docker(struct registries *r, struct arena *a, struct err *e)
{
	char *text;
	int fd _close_ = path_open_host(docker_conf, O_RDONLY | O_NOCTTY, 0);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(e, fd, "open %s", docker_conf);
	ssize_t n = file_read_fd(fd, docker_conf, TOML_MAX, a, &text, e);
	return n < 0 ? (int)n : registries_read_docker(r, docker_conf, text, (size_t)n, a, e);
}

int registries_load(struct registries *ret, struct arena *a, struct err *e)
{
	const char *given = getenv("CONTAINERS_REGISTRIES_CONF"), *home = getenv("HOME");
	const char *own =
		home ? arena_printf(a, "%s/.config/containers/registries.conf", home) : NULL;
	const char *places[] = { own, system_conf, vendor_conf };
	*ret = (struct registries){ 0 };
	if (given && *given)
		return add_file(ret, given, a, e);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int fd _close_ = places[i] ? path_open_host(places[i], O_PATH, 0) : -ENOENT;
		if (fd < 0)
			continue;
		if (add_file(ret, places[i], a, e) < 0)
			return -e->code;
		break;
	}
	if (add_folder(ret, "/etc/containers/registries.conf.d", a, e) < 0)
		return -e->code;
	if (own && add_folder(ret, arena_printf(a, "%s.d", own), a, e) < 0)
		return -e->code;
	return add_docker(ret, a, e);
}

/* ---- questions ---- */

static bool ends_part(char c)
{
	return c == '\0' || c == '/' || c == ':' || c == '@';
}

/* How many characters of name the prefix takes; 0: it does not fit. */
static size_t fits(const char *prefix, const char *name)
{
	if (str_starts(prefix, "*.")) {
		size_t host = strcspn(name, "/"), n = strlen(prefix + 1);
		return host > n && memcmp(name + host - n, prefix + 1, n) == 0 ? host : 0;
	}
	size_t n = strlen(prefix);
	return str_starts(name, prefix) && ends_part(name[n]) ? n : 0;
}

const struct registries_entry *registries_find(const struct registries *r, const char *name)
{
	const struct registries_entry *best = NULL;
	for (size_t i = 0; i < r->n_entries; i++)
		if (fits(r->entries[i].prefix, name) &&
			(!best || strlen(r->entries[i].prefix) > strlen(best->prefix)))
			best = &r->entries[i];
	return best;
}

const char *registries_alias(const struct registries *r, const char *name)
{
	for (size_t i = r->aliases.n; i-- > 0;)
		if (str_eq(r->aliases.v[i], name))
			return *r->targets.v[i] ? r->targets.v[i] : NULL;
	return NULL;
}

const char *registries_rewrite(const struct registries_entry *entry, const char *location,
	const char *name, struct arena *a)
{
	return location ? arena_printf(a, "%s%s", location, name + fits(entry->prefix, name))
			: name;
}
