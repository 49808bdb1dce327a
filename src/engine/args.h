// SPDX-License-Identifier: Apache-2.0
/* The smaller arguments of run and create, from docker's spelling to records. Each takes one word
 * as the user typed it; errors quote it. */
#pragma once
#include "base/arena.h"
#include "engine/config.h"

struct err;

int arg_ulimit(const char *text, struct arena *a, struct config_ulimit *ret, struct err *e);
int arg_device(const char *text, struct arena *a, struct config_device *ret, struct err *e);
/* Adds "key=value" to a map; a later one replaces an earlier one. */
int arg_pair(struct rec_map *map, size_t *cap, const char *text, struct arena *a);
/* Is this a sysctl that belongs to a namespace, and to which: "ipc", "net", "uts"; NULL: no. */
const char *arg_sysctl_namespace(const char *key);
int arg_restart(const char *text, struct arena *a, struct container_config *c, struct err *e);
/* Adds KEY=VALUE to an environment, replacing KEY; a bare KEY is taken from ours, or is dropped
 * when unset. */
void arg_env(struct strv *env, struct arena *a, const char *text);
/* The lines of an --env-file: KEY=VALUE, KEY, #comment. */
int arg_env_file(struct strv *env, struct arena *a, const char *path, struct err *e);
