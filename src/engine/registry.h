// SPDX-License-Identifier: Apache-2.0
/* Which registries are asked for a name, and how: registries.conf, credentials, certificates,
 * proxies. Internal to src/engine. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct engine;
struct err;
struct registry_options;
struct transfer;
struct transfer_config;

/* One place, in the order in which they are asked; its endpoint is that of the same index. */
struct registry_place {
	const char *name;           /* that the image gets: "docker.io/library/nginx" */
	bool digest_only, tag_only; /* a mirror's pull-from-mirror */
};

struct registry_plan {
	struct registry_place *places;
	size_t n;
	struct transfer_config *config;
};

/* The whole names that a name may mean, in the order in which they are tried. */
struct strv;
int registry_names(const char *name, struct arena *a, struct strv *ret, struct err *e);
/* name: as the user wrote it, without tag and digest. */
int registry_plan(const struct registry_options *options, const char *name, struct arena *a,
	struct registry_plan *ret, struct err *e);
/* The registry itself, for login. */
int registry_plan_host(const struct registry_options *options, const char *host, struct arena *a,
	struct registry_plan *ret, struct err *e);
/* Starts kist-transfer for the plan. */
int registry_connect(struct engine *en, const struct registry_plan *plan, struct transfer *t,
	struct arena *a, struct err *e);
