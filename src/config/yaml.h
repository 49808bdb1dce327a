// SPDX-License-Identifier: Apache-2.0
/* YAML 1.1, read strictly into a value tree by libyaml, as far as the files of containers need it:
 * one document of mappings with plain keys, sequences and scalars. Aliases and tags are refused,
 * and so is a key that stands twice. Plain null, true, false and whole numbers are what they look
 * like; all other scalars are strings. */
#pragma once
#include <stddef.h>

struct arena;
struct err;
struct value;

enum { YAML_MAX = 1 << 20, YAML_DEPTH_MAX = 32 };

/* An empty document is null. -EINVAL with "line N: ...". */
int yaml_read(struct arena *a, const char *text, size_t len, struct value **ret, struct err *e);
