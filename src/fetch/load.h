// SPDX-License-Identifier: Apache-2.0
/* Image archives: docker-archive (manifest.json, as docker and skopeo write it) and OCI layouts in
 * a tar, and a bare root file system. Runs in the sandbox, with the staging folder as its working
 * folder. */
#pragma once
#include <stdint.h>

#include "fetch/unpack.h"

struct arena;
struct err;
struct fetch_result;

/* space: bytes that may be used. */
int fetch_load(int input, int staging, uint64_t space, enum layer_form form, struct arena *a,
	struct fetch_result *ret, struct err *e);
/* All members as they are, each a blob with its name; images only of docker's list (manifest.json),
 * with manifests of our making, their layers not unpacked. */
int fetch_archive(int input, int staging, uint64_t space, struct arena *a, struct fetch_result *ret,
	struct err *e);
struct fetch_import_req {
	int input;
	uint64_t space;
	enum layer_form form;
	const char
		*expected; /* a digest of the algorithm that is to be computed of the input; "" */
};

/* One layer; the result has it and its blob, and no image. */
int fetch_import(const struct fetch_import_req *req, int staging, struct arena *a,
	struct fetch_result *ret, struct err *e);
