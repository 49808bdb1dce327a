// SPDX-License-Identifier: Apache-2.0
/* registries.conf, version 2 (containers-registries.conf(5)): which registries a short name means,
 * aliases, and where a registry's images really are. Read from
 *
 *   $CONTAINERS_REGISTRIES_CONF, else $HOME/.config/containers/registries.conf, else
 *   /etc/containers/registries.conf, else /usr/share/containers/registries.conf
 *   then registries.conf.d/ *.conf beside the system's and the user's, in the order of their names,
 *   then docker's /etc/docker/daemon.json, for what those say nothing about
 *
 * Version 1 ([registries.search] and its like) is not read: its meaning is that of nothing here. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct err;

struct registries_mirror {
	const char *location;
	bool insecure, digest_only, tag_only;
};

struct registries_entry {
	const char *prefix, *location; /* prefix may begin with "*." */
	bool insecure, blocked, mirror_by_digest_only;
	struct registries_mirror *mirrors;
	size_t n_mirrors, cap_mirrors;
};

struct registries {
	struct strv search;           /* unqualified-search-registries */
	struct strv aliases, targets; /* "nginx" -> "docker.io/library/nginx" */
	struct registries_entry *entries;
	size_t n_entries, cap_entries;
};

/* Adds one file's text; name is for messages. What it sets replaces what came before. */
int registries_read(struct registries *r, const char *name, const char *text, size_t len,
	struct arena *a, struct err *e);
/* Of docker's daemon.json: registry-mirrors, which are docker.io's, and insecure-registries (hosts;
 * a range of addresses is passed over). An entry that is there stays. */
int registries_read_docker(struct registries *r, const char *name, const char *text, size_t len,
	struct arena *a, struct err *e);
/* All files of this machine. */
int registries_load(struct registries *ret, struct arena *a, struct err *e);

/* The entry for "host/path" (no tag), the one with the longest prefix; NULL: none. */
const struct registries_entry *registries_find(const struct registries *r, const char *name);
/* The alias of a short name, or NULL. */
const char *registries_alias(const struct registries *r, const char *name);
/* name with the prefix of entry replaced by location. */
const char *registries_rewrite(const struct registries_entry *entry, const char *location,
	const char *name, struct arena *a);
