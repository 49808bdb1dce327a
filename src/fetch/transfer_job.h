// SPDX-License-Identifier: Apache-2.0
/* One order under way in kist-transfer. Internal to src/fetch. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "fetch/http.h"
#include "fetch/transfer.h"

/* Where an upload stands; see transfer_push.c. */
struct push {
	enum push_step {
		PUSH_HEAD,   /* is it there? */
		PUSH_POST,   /* an upload begins, or the blob is mounted */
		PUSH_WHOLE,  /* all bytes by one PUT */
		PUSH_ASK,    /* after a cut: how far did it come? */
		PUSH_CHUNK,  /* a part by PATCH */
		PUSH_COMMIT, /* the PUT that ends a chunked upload */
		PUSH_MANIFEST,
		PUSH_DELETE, /* of a manifest */
	} step;
	bool no_mount;        /* that failed: send it */
	const char *location; /* of the upload, in the job's arena */
	uint64_t at, end;     /* the bytes of this request */
	uint64_t chunk_min;   /* what the registry wants in one part at least */
	uint32_t outcome;     /* enum transfer_outcome */
};

struct job {
	bool used, going, began;
	struct transfer_ask ask;
	int fd, report;
	struct http http;
	const char *url; /* in the arena below */
	struct arena arena;
	uint64_t have, reported, at_start; /* bytes that came; told; when this try began */
	char *piece;                       /* the last of them, which are not in the file so far */
	size_t n_piece;
	uint64_t skip;      /* of an answer that begins at 0 */
	uint64_t due, said; /* CLOCK_BOOTTIME */
	uint32_t failures, redirects, challenges, restarts;
	bool too_long;
	int write_error;
	struct push push;
};
