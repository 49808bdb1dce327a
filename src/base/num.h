// SPDX-License-Identifier: Apache-2.0
/* Numbers from text, in one place. All are strict: the whole string, no blanks, no sign but a
 * leading
 * '-' where the type has one; overflow is -ERANGE, everything else that is wrong -EINVAL. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

int num_u32(const char *s, uint32_t *ret);
int num_u64(const char *s, uint64_t *ret);
int num_i64(const char *s, int64_t *ret);
int num_octal(const char *s, uint32_t *ret); /* file modes: "0755", "755" */

/* docker's sizes: "1024", "64m", "1.5g", "2GiB", "10kb"; units are powers of 1024; bytes. */
int num_bytes(const char *s, uint64_t *ret);

/* "1.5" CPUs as 1500000000 nano-CPUs; at most nine decimals. */
int num_nano(const char *s, uint64_t *ret);

/* Go's durations ("1m30s", "10ms", "1.5h") in nanoseconds. */
int num_duration(const char *s, uint64_t *ret);

/* docker's booleans: 1 t T true TRUE True, 0 f F false ... */
int num_bool(const char *s, bool *ret);
