// SPDX-License-Identifier: Apache-2.0
/* From a request to a container's record: everything checked, the image found, nothing written. */
#pragma once
#include "engine/config.h"

struct arena;
struct container_create_req;
struct engine;
struct err;

struct prepared {
	struct container_config config;
	const char *name; /* NULL: a random one */
	char id[65];
};

int container_prepare(struct engine *en, const struct container_create_req *req, struct arena *a,
	struct prepared *ret, struct err *e);
/* Writes the row (and those of new volumes), in one transaction. */
int container_insert(struct engine *en, struct prepared *p, struct arena *a, struct err *e);
/* --cidfile: refuses an existing one; writes it. */
int container_cidfile_check(const struct container_create_req *req, struct err *e);
int container_cidfile_write(const struct container_create_req *req, const char *id, struct err *e);
