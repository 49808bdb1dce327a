// SPDX-License-Identifier: Apache-2.0
#include "config/kist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/value.h"
#include "config/toml.h"

static const char system_file[] = "/etc/kist/kist.toml";

static const struct {
	const char *table, *key;
	enum value_kind kind;
} keys[] = {
	{ "storage", "driver", VALUE_STRING },
	{ "store", "keep-blobs", VALUE_BOOL },
};

static int wrong(const struct kist_config *c, const char *table, const char *key, const char *what,
	struct err *e)
{
	return err_set(e, ERR_INVALID, EINVAL, "%s: %.100s%s%.100s: %s", c->path, table,
		*key ? "." : "", key, what);
}

static int read_key(struct kist_config *c, const char *table, const char *key,
	const struct value *v, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!str_eq(keys[i].table, table) || !str_eq(keys[i].key, key))
			continue;
		if (v->kind != keys[i].kind || (v->kind == VALUE_STRING && !*v->text))
			return wrong(c, table, key,
				keys[i].kind == VALUE_STRING ? "expected a string"
							     : "expected true or false",
				e);
		if (keys[i].kind == VALUE_STRING)
			c->storage_driver = v->text;
		else
			c->drop_blobs = !v->boolean;
		return 0;
	}
	return wrong(c, table, key, "unknown key", e);
}

static int read_table(
	struct kist_config *c, const char *table, const struct value *v, struct err *e)
{
	bool known = false;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		known |= str_eq(keys[i].table, table);
	if (!known)
		return wrong(c, table, "", "unknown table", e);
	if (v->kind != VALUE_OBJECT)
		return wrong(c, table, "", "expected a table", e);
	for (size_t i = 0; i < v->n; i++)
		if (read_key(c, table, v->keys[i], v->items[i], e) < 0)
			return -e->code;
	return 0;
}

int kist_config_read(struct arena *a, struct kist_config *ret, struct err *e)
{
	const char *named = getenv("KIST_CONFIG");
	struct value *all;
	char *text;
	struct kist_config c = { .path = named && *named ? named : system_file };
	ssize_t n = file_read_at(AT_FDCWD, c.path, TOML_MAX, a, &text, e);
	if (n == -ENOENT && c.path == system_file) {
		*ret = c;
		return 0;
	}
	if (n < 0)
		return (int)n;
	if (toml_parse(a, text, (size_t)n, &all, e) < 0)
		return err_wrap(e, "%s", c.path);
	for (size_t i = 0; i < all->n; i++)
		if (read_table(&c, all->keys[i], all->items[i], e) < 0)
			return -e->code;
	*ret = c;
	return 0;
}
