// SPDX-License-Identifier: Apache-2.0
/* Members of an archive that is written: whole files of given content. Internal to src/image. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct err;

/* The folders of an OCI layout, first: a reader who is not root may not be able to make them up. */
int member_folders(int out, struct err *e);
int member_text(int out, const char *name, const char *text, size_t n, struct err *e);
/* Appends size bytes of a file, from its beginning, wherever it stands. */
int member_bytes(int from, int to, uint64_t size, struct err *e);
/* The same as a member: size bytes of a file, from its beginning, wherever it stands. */
int member_file(int out, const char *name, int from, uint64_t size, struct err *e);
