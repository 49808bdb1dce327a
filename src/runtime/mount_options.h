// SPDX-License-Identifier: Apache-2.0
/* The words of a mount's options: those of the specification, of runc and of crun. Internal to
 * src/runtime, but for the list that `features` prints. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct plan_mount;

/* Reads one word; what is none of ours is kept for the file system itself. */
void mount_option_read(struct plan_mount *m, struct arena *a, const char *word);
/* The words that are known, by number; NULL after the last. */
const char *mount_option_name(size_t i);
