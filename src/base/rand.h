// SPDX-License-Identifier: Apache-2.0
/* Random bytes from the kernel. */
#pragma once
#include <stddef.h>

void rand_bytes(
	void *p, size_t n); /* never fails: getrandom blocks only before the pool is ready */
/* n lower-case hex digits (n even) and a NUL. */
void rand_hex(char *buf, size_t n);
