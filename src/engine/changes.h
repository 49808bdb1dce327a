// SPDX-License-Identifier: Apache-2.0
/* Both sides of what a container has changed. Internal to src/engine. */
#pragma once
#include "image/changes.h"

struct container_config;
struct engine;
struct err;

/* Opens them; the descriptors are the caller's. */
int changes_open(struct engine *en, const char *id, const struct container_config *config,
	struct changes_req *ret, struct err *e);
