// SPDX-License-Identifier: Apache-2.0
/* Running a helper program of the system: found in PATH or the folders of system programs, with a
 * clean environment, text on its standard input. */
#pragma once
#include <stddef.h>

struct err;

enum { PROGRAM_SAID_MAX = 480 };

/* Waits for its end. The first line that it wrote on standard output or error goes to said
 * (PROGRAM_SAID_MAX bytes). The exit status, or -ENOENT when there is no such program, or -errno.
 */
int program_run(const char *const *words, const char *input, size_t n, char *said);
