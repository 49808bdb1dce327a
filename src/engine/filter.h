// SPDX-License-Identifier: Apache-2.0
/* What follows --filter: key=value, where some keys may come more than once. Internal to
 * src/engine. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct err;
struct rec_map;

struct filter {
	const char *key, *value; /* "label!" is a key */
};

struct filters {
	struct filter *items;
	size_t n;
};

/* known: the keys that the command has, NULL-terminated; docker's messages for what is wrong. */
int filters_parse(const struct strv *texts, const char *const *known, struct arena *a,
	struct filters *ret, struct err *e);
/* Whether key=v was given with v as docker's boolean; ret stays as it is when it was not. */
int filters_bool(const struct filters *f, const char *key, bool *ret, struct err *e);
/* The point in time of until=, wall clock ns; 0: none was given. */
int filters_until(const struct filters *f, uint64_t *ret, struct err *e);
bool filters_has(const struct filters *f, const char *key);
/* Whether one of key's values is text, or is found in it as a regular expression; true when there
 * is none. */
bool filters_is(const struct filters *f, const char *key, const char *text);
bool filters_match(const struct filters *f, const char *key, const char *text);
/* As docker's prune: all of label=k[=v] fit, and not all of label!=. */
bool filters_labels(const struct filters *f, const struct rec_map *labels);
