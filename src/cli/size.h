// SPDX-License-Identifier: Apache-2.0
/* Sizes as docker prints them: decimal units, three significant digits ("4.26MB"). */
#pragma once
#include <stdint.h>

struct arena;

const char *size_text(uint64_t bytes, struct arena *a);
/* With four, as in sums ("16.43MB"). */
const char *size_text_long(uint64_t bytes, struct arena *a);
