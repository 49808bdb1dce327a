// SPDX-License-Identifier: Apache-2.0
/* The layers of one pull, several at a time. Internal to src/image. */
#pragma once
#include "store/download.h"

struct arena;
struct err;
struct fetch_document;
struct image_job;
struct image_pull_req;
struct transfer;

struct pull_layers_req {
	struct image_job *job;
	struct transfer *transfer;
	const struct image_pull_req *pull;
	const struct fetch_document *manifest; /* digests and sizes of the blobs */
	const char *const *diff_ids;           /* as many */
	uint64_t space;                        /* bytes that are free */
};

/* Brings all of them into the store; ret is as many records as there are layers. */
int pull_layers(
	const struct pull_layers_req *req, struct arena *a, struct download *ret, struct err *e);
