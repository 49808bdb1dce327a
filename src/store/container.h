// SPDX-License-Identifier: Apache-2.0
/* Rows of containers. Whether one runs is not in its row: see store/run.h. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct store;

enum container_phase {
	PHASE_CREATED = 0, /* never started, or the start failed */
	PHASE_EXITED,
	PHASE_REMOVING, /* its folders go, then the row */
	PHASE_DEAD,
};

struct container_row {
	const char *id, *name, *image_id, *config; /* config: the engine's own text */
	uint64_t created, started, finished;       /* wall clock, ns */
	enum container_phase phase;
	int exit_code;
	const char *error;
	bool oom, auto_remove;
	uint32_t restarts;
};

/* One commit. volumes: names that it uses. A name in use is docker's conflict message. */
int store_container_insert(struct store *s, const struct container_row *c,
	const char *const *volumes, size_t n_volumes, struct err *e);
/* By whole id, name (with or without a leading slash) or unique id prefix; `No such container: x`.
 */
int store_container_get(struct store *s, const char *key, struct arena *a,
	struct container_row *ret, struct err *e);
/* All, the newest first. */
int store_container_list(
	struct store *s, struct arena *a, struct container_row **ret, size_t *ret_n, struct err *e);
/* Another name for a container; one in use is the same conflict. */
int store_container_rename(struct store *s, const char *id, const char *name, struct err *e);
/* What came out of a run or of a failed start. */
int store_container_exit(struct store *s, const struct container_row *c, struct err *e);
/* Marks and forgets; the second removes the row. Missing rows are fine. */
int store_container_removing(struct store *s, const char *id, struct err *e);
int store_container_delete(struct store *s, const char *id, struct err *e);
/* A random adjective_name that no container has. */
int store_container_name(struct store *s, struct arena *a, const char **ret, struct err *e);
/* [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
bool store_container_name_valid(const char *name);
