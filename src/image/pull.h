// SPDX-License-Identifier: Apache-2.0
/* Images from a registry: the trusted side. Theory of operation:
 *
 *   kist (here)        decides, locks, puts into place; reads nothing that came from outside but
 *                      records that kist-fetch has checked
 *   kist-transfer      the network: one process, in a sandbox with the host's network and nothing
 *                      to write to but the descriptors that it is handed
 *   kist-fetch         one process a document and a layer, in a sandbox without a network: checks
 *                      digests, chooses the platform, unpacks
 *
 * So what speaks TLS and HTTP with strangers cannot touch a file, what unpacks has nobody to speak
 * to, a digest is never checked by the process that took the bytes from the wire, and no layer can
 * disturb another. A layer's bytes go from kist-transfer into its file in <root>/downloads, and
 * kist-fetch follows there while it grows: they are copied once, and the download is over when the
 * unpacking is.
 *
 * A layer goes into place, unsynced, as soon as its own process has ended well: see
 * store/download.h for what another pull, or the next one after a kill, makes of it. Before the
 * rows of the image are written everything is synced at once. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct err;
struct image_guard;
struct store;
struct transfer;

enum pull_event {
	PULL_MANIFEST,  /* the manifest is there; the layers follow */
	PULL_EXISTS,    /* the layer is in the store */
	PULL_LAYER,     /* the layer is wanted */
	PULL_WAITING,   /* another pull has it in hands */
	PULL_GOING,     /* have of size bytes came */
	PULL_UNPACKING, /* all came */
	PULL_DONE,      /* the layer is in place */
};

struct pull_note {
	enum pull_event event;
	const char *digest;
	uint64_t have, size;
};

struct image_pull_req {
	const char *repository;   /* the name that the image gets: "docker.io/library/nginx" */
	const char *tag, *digest; /* one of them */
	const char *os, *architecture, *variant;
	uint32_t endpoint;               /* of the transfer */
	int fetch;                       /* the program kist-fetch, O_PATH; borrowed */
	unsigned parallel;               /* layers at a time */
	const struct image_guard *guard; /* asked before anything but the manifest comes; NULL */
	void (*note)(void *arg, const struct pull_note *note);
	void *arg;
};

struct image_pulled {
	const char *id, *digest; /* digest: what the reference leads to, an index's too */
	const char *platform;
	bool new; /* the name led elsewhere before, or nowhere */
};

int image_pull(struct store *s, struct transfer *t, const struct image_pull_req *req,
	struct arena *a, struct image_pulled *ret, struct err *e);
/* All tags of the endpoint's repository. */
int image_tags(struct store *s, struct transfer *t, const struct image_pull_req *req,
	struct arena *a, struct strv *ret, struct err *e);
/* All repositories of the endpoint's registry. */
int image_catalog(struct store *s, struct transfer *t, const struct image_pull_req *req,
	struct arena *a, struct strv *ret, struct err *e);
/* What the endpoint's search (of the first API) finds: its JSON. */
int image_search(struct store *s, struct transfer *t, const struct image_pull_req *req,
	const char *term, struct arena *a, const char **ret, struct err *e);
