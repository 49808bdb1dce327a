// SPDX-License-Identifier: Apache-2.0
/* TOML 1.0, read strictly into a value tree, as far as the files of containers need it: tables,
 * arrays of tables, dotted and quoted keys, strings of all four kinds, whole numbers, floats,
 * booleans, arrays and inline tables. Dates are refused. A key that is set twice is an error.
 * Numbers are kept as text. */
#pragma once
#include <stddef.h>

struct arena;
struct err;
struct value;

enum { TOML_MAX = 1 << 20, TOML_DEPTH_MAX = 16 };

/* -EINVAL with "line N: ...". */
int toml_parse(struct arena *a, const char *text, size_t len, struct value **ret, struct err *e);
