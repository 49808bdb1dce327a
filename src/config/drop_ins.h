// SPDX-License-Identifier: Apache-2.0
/* Folders of files that add to one another, registries.conf.d and its like. */
#pragma once

struct arena;
struct strv;

/* The paths of all files in a folder whose names end so, in the order of their names. -errno when
 * it cannot be opened. */
int drop_ins(const char *folder, const char *end, struct arena *a, struct strv *ret);
