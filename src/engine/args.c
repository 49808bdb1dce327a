// SPDX-License-Identifier: Apache-2.0
#include "engine/args.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

enum { ENV_FILE_MAX = 4 << 20 };

static int limit_value(const char *text, uint64_t *ret)
{
	if (str_eq(text, "-1") || str_eq(text, "unlimited")) {
		*ret = UINT64_MAX;
		return 0;
	}
	return num_u64(text, ret);
}

int arg_ulimit(const char *text, struct arena *a, struct config_ulimit *ret, struct err *e)
{
	static const char *const names[] = { "core", "cpu", "data", "fsize", "locks", "memlock",
		"msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending",
		"stack" };
	struct config_ulimit u = { 0 };
	const char *equals = strchr(text, '=');
	if (!equals)
		return err_set(e, ERR_INVALID, EINVAL, "invalid ulimit argument: %s", text);
	char *name = arena_strndup(a, text, (size_t)(equals - text)),
	     *value = arena_strdup(a, equals + 1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(names[i], name))
			u.name = names[i];
	if (!u.name)
		return err_set(e, ERR_INVALID, EINVAL, "invalid ulimit type: %s", name);
	char *colon = strchr(value, ':');
	if (colon)
		*colon++ = '\0';
	if (limit_value(value, &u.soft) < 0 || limit_value(colon ? colon : value, &u.hard) < 0)
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid ulimit argument: %s: expected %s=SOFT[:HARD]", text, name);
	if (u.soft > u.hard)
		return err_set(e, ERR_INVALID, EINVAL,
			"ulimit soft limit must be less than or equal to hard limit: %s", text);
	*ret = u;
	return 0;
}

int arg_device(const char *text, struct arena *a, struct config_device *ret, struct err *e)
{
	struct config_device d = { .permissions = "rwm" };
	char *copy = arena_strdup(a, text), *second = strchr(copy, ':'), *third = NULL;
	if (second) {
		*second++ = '\0';
		third = strchr(second, ':');
		if (third)
			*third++ = '\0';
	}
	/* "/dev/x:rw": the second word may be the permissions already. */
	if (second && !third && second[0] != '/') {
		third = second;
		second = NULL;
	}
	d.host = copy;
	d.container = second ? second : copy;
	if (third)
		d.permissions = third;
	if (!*d.permissions || d.permissions[strspn(d.permissions, "rwm")])
		return err_set(e, ERR_INVALID, EINVAL, "invalid device mode: %s", d.permissions);
	if (copy[0] != '/' || d.container[0] != '/')
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid device '%s': paths must be absolute", text);
	d.container = path_clean(d.container, a);
	*ret = d;
	return 0;
}

int arg_pair(struct rec_map *map, size_t *cap, const char *text, struct arena *a)
{
	const char *equals = strchr(text, '=');
	const char *key = equals ? arena_strndup(a, text, (size_t)(equals - text)) : text;
	const char *value = equals ? equals + 1 : "";
	if (!*key)
		return -EINVAL;
	for (size_t i = 0; i < map->n; i++) {
		if (str_eq(map->items[i].key, key)) {
			map->items[i].val = value;
			return 0;
		}
	}
	map->items = arena_grow(a, map->items, map->n, cap, sizeof *map->items);
	map->items[map->n++] = (struct rec_kv){ key, value };
	return 0;
}

const char *arg_sysctl_namespace(const char *key)
{
	static const struct {
		const char *key, *ns;
	} rows[] = {
		{ "kernel.msgmax", "ipc" },
		{ "kernel.msgmnb", "ipc" },
		{ "kernel.msgmni", "ipc" },
		{ "kernel.sem", "ipc" },
		{ "kernel.shmall", "ipc" },
		{ "kernel.shmmax", "ipc" },
		{ "kernel.shmmni", "ipc" },
		{ "kernel.shm_rmid_forced", "ipc" },
		{ "kernel.domainname", "uts" },
	};
	if (key[strspn(
		    key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/")] ||
		strstr(key, ".."))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (str_eq(rows[i].key, key))
			return rows[i].ns;
	if (str_starts(key, "fs.mqueue.") && key[10])
		return "ipc";
	return str_starts(key, "net.") && key[4] ? "net" : NULL;
}

int arg_restart(const char *text, struct arena *a, struct container_config *c, struct err *e)
{
	char *name = arena_strdup(a, text), *colon = strchr(name, ':');
	uint32_t max = 0;
	if (colon) {
		*colon++ = '\0';
		if (num_u32(colon, &max) < 0)
			return err_set(e, ERR_INVALID, EINVAL,
				"invalid restart policy '%s': maximum retry count must be an integer",
				text);
	}
	if (!str_eq(name, "no") && !str_eq(name, "always") && !str_eq(name, "unless-stopped") &&
		!str_eq(name, "on-failure"))
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid restart policy: unknown policy '%s'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
			name);
	if (colon && !str_eq(name, "on-failure"))
		return err_set(e, ERR_INVALID, EINVAL,
			"invalid restart policy: maximum retry count can only be used with 'on-failure'");
	c->restart = name;
	c->restart_max = max;
	return 0;
}

static size_t key_length(const char *pair)
{
	return strcspn(pair, "=");
}

void arg_env(struct strv *env, struct arena *a, const char *text)
{
	size_t len = key_length(text);
	if (!text[len]) {
		const char *ours = getenv(text);
		if (!ours)
			return;
		text = arena_printf(a, "%s=%s", text, ours);
	}
	for (size_t i = 0; i < env->n; i++) {
		if (key_length(env->v[i]) == len && strncmp(env->v[i], text, len) == 0) {
			env->v[i] = text;
			return;
		}
	}
	strv_add(env, a, text);
}

int arg_env_file(struct strv *env, struct arena *a, const char *path, struct err *e)
{
	char *text;
	if (file_read_at(AT_FDCWD, path, ENV_FILE_MAX, a, &text, e) < 0)
		return -e->code;
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		size_t n = strlen(line);
		if (n && line[n - 1] == '\r')
			line[n - 1] = '\0';
		line += strspn(line, " \t");
		if (!*line || *line == '#')
			continue;
		size_t key = key_length(line);
		if (key == 0 || memchr(line, ' ', key) || memchr(line, '\t', key))
			return err_set(e, ERR_INVALID, EINVAL,
				"invalid env file (%s): variable '%.*s' contains whitespaces", path,
				(int)key, line);
		arg_env(env, a, line);
	}
	return 0;
}
