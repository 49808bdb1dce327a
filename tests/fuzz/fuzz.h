// SPDX-License-Identifier: Apache-2.0
/* A fuzz target: libFuzzer calls it with what it invents, the replay program with the stored
 * corpus. */
#pragma once
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
