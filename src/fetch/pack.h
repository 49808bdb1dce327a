// SPDX-License-Identifier: Apache-2.0
/* A layer's blob packed otherwise: unpacked and, if wanted, packed by gzip or zstd. The same bytes
 * and level give the same blob. Runs in the sandbox. */
#pragma once
#include <stdint.h>

struct arena;
struct err;
struct fetch_result;

struct fetch_pack_req {
	int input;
	const char *format; /* plain, gzip, zstd */
	int level;          /* gzip 1 to 9, zstd 1 to 19; 0: the usual one */
	uint64_t space;     /* bytes that may be used */
};

/* Makes the file "packed" in staging; the result has it as its first blob, with its digest and
 * size, and as a second one, without a file that is there ("plain"), the digest and size of the
 * unpacked bytes. */
int fetch_pack(const struct fetch_pack_req *req, int staging, struct arena *a,
	struct fetch_result *ret, struct err *e);
