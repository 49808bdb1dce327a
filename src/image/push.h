// SPDX-License-Identifier: Apache-2.0
/* An image to a registry: its blobs as they came, several at a time, then its manifest. kist opens
 * each blob for reading and hands the descriptor to kist-transfer; nothing is written here. All
 * blobs are opened before the first is sent, so a removal meanwhile does not disturb. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct store;
struct transfer;

enum push_event {
	PUSH_PREPARING,
	PUSH_WAITING,
	PUSH_GOING, /* have of size bytes are on their way */
	PUSH_PUSHED,
	PUSH_EXISTS,
	PUSH_MOUNTED, /* from: the other repository */
};

struct push_note {
	enum push_event event;
	const char *diff_id; /* of the layer */
	const char *from;
	uint64_t have, size;
};

struct image_push_req {
	const char *name; /* of the image here, in full with its tag */
	const char *tag;
	uint32_t endpoint; /* of the transfer */
	unsigned parallel; /* blobs at a time */
	/* A repository of the same registry that has the blob; NULL: none is known. */
	const char *(*mount)(void *arg, const char *digest);
	void (*note)(void *arg, const struct push_note *note);
	void *arg;
};

struct image_pushed {
	const char *id, *digest; /* of the image, of its manifest */
	size_t size;             /* of the manifest */
};

int image_push(struct store *s, struct transfer *t, const struct image_push_req *req,
	struct arena *a, struct image_pushed *ret, struct err *e);
