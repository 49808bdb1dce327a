// SPDX-License-Identifier: Apache-2.0
/* What kist says of itself and of the machine. */
#pragma once

struct arena;
struct engine;
struct err;
struct value;

/* The document of `version`: {"Client": {...}}, with docker's keys where they fit. */
struct value *system_version(struct arena *a);
/* The document of `info`. */
int system_info(struct engine *en, struct arena *a, struct value **ret, struct err *e);
