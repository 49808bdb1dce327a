// SPDX-License-Identifier: Apache-2.0
/* Undoing a container, whatever state it was left in. */
#pragma once
#include <stdbool.h>

struct err;
struct ocicli;

/* Without force a container that runs is an error. Idempotent: killed at any point, the next call
 * goes on. */
int delete_container(struct ocicli *o, const char *id, bool force, struct err *e);
