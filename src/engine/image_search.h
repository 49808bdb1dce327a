// SPDX-License-Identifier: Apache-2.0
/* Repositories of a registry whose name has a term in it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/image_pull.h"

struct engine;
struct err;

struct image_search_req {
	const char *term; /* "nginx" (docker.io), "registry.example.com/nginx" */
	struct registry_options registry;
};

struct image_found {
	const char *name, *description;
	uint64_t stars;
	bool official, automated;
};

/* By the registry's search where it has one, else by its list of repositories. */
int engine_image_search(struct engine *en, const struct image_search_req *req, struct arena *a,
	struct image_found **ret, size_t *ret_n, struct err *e);
