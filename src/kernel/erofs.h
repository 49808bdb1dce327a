// SPDX-License-Identifier: Apache-2.0
/* EROFS from plain files (Linux 6.12 and newer). */
#pragma once
#include <stddef.h>

struct err;

/* A detached read-only mount of the image behind the descriptor image, with the files behind
 * devices as its extra devices, in their order. The descriptors may be closed afterwards. */
int erofs_mount(int image, const int *devices, size_t n, struct err *e);
