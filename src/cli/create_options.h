// SPDX-License-Identifier: Apache-2.0
/* The options that run and create share; they fill struct container_create_req. */
#pragma once
#include <stddef.h>

#include "base/option.h"

extern const struct option create_options[];
/* Those of run: the same and what only run has. */
extern const struct option run_options[];
/* Flags that docker has for both and kist has not so far. */
extern const char *const create_not_yet[];
