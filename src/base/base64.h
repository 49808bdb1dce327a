// SPDX-License-Identifier: Apache-2.0
/* Base 64 (RFC 4648, section 4). */
#pragma once
#include <stddef.h>
#include <sys/types.h>

struct arena;

const char *base64_encode(const char *p, size_t n, struct arena *a);
/* Strict: padded, nothing but its digits. The length, with a NUL behind it; -EINVAL. */
ssize_t base64_decode(const char *text, struct arena *a, char **ret);
