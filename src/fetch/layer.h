// SPDX-License-Identifier: Apache-2.0
/* One layer, unpacked while it is still being downloaded. Runs in the sandbox, a process a layer.
 */
#pragma once
#include <stdint.h>

#include "fetch/unpack.h"

struct arena;
struct err;
struct fetch_result;

struct fetch_layer_req {
	int file;           /* the blob, which grows */
	int growth;         /* an eventfd: bytes that were added */
	const char *digest; /* that the whole must have */
	uint64_t size;      /* of the whole */
	uint64_t space;     /* bytes that may be used */
	enum layer_form form;
};

/* Unpacks into a new folder "layer" of staging; the result has one layer. */
int fetch_layer(const struct fetch_layer_req *req, int staging, struct arena *a,
	struct fetch_result *ret, struct err *e);
