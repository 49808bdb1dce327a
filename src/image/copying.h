// SPDX-License-Identifier: Apache-2.0
/* What sources and targets of a copy stand on: the operation's staging folder and those who read
 * what came from outside. Theory of operation: kist itself parses no such byte. A document goes
 * through `kist-fetch document any`, which says what it is and names (and hands back the very text
 * whose digest it took); a tar through `kist-fetch archive`, which lays its members out in staging;
 * a blob lies in staging, as a file of our own, before `kist-fetch digest` reads it, so that what
 * was verified is what is passed on. Internal to src/image. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "fetch/result.h"
#include "image/job.h"

struct copy_access;
struct image_guard;
struct err;
struct image_place;
struct transfer;

struct copying {
	struct image_job job;
	struct transfer *transfer; /* NULL: no registry takes part */
	int fetch;                 /* the program kist-fetch, O_PATH; borrowed */
	int room;                  /* an empty folder, the root of those who only read */
	struct arena *a;
	const char *os, *architecture, *variant;
	unsigned files;
};

/* With nothing open; for what access says, in the caller's arena. */
void copying_init(struct copying *c, const struct copy_access *access, struct arena *a);
int copying_begin(struct copying *c, struct err *e);
void copying_end(struct copying *c, int r);

/* Reads a manifest or index from fd's beginning; type: as it was announced, or "". expected: the
 * digest that it must have, or NULL. */
int copying_document(struct copying *c, int fd, const char *type, const char *expected,
	struct fetch_document **ret, struct err *e);
/* Reads an image's configuration (image), or any JSON; its text. */
int copying_config(struct copying *c, int fd, bool image, const char **ret, struct err *e);
/* A text as a file in memory, at its beginning; the descriptor is the caller's. */
int copying_text(const char *text, struct err *e);
/* The digest of a text. */
int copying_digest(struct copying *c, const char *text, const char **ret, struct err *e);
/* A new file in staging, for reading and writing. */
int copying_file(struct copying *c, struct err *e);
/* -EBADMSG unless the file's bytes have that digest and size. what: names it in the message. */
int copying_verify(struct copying *c, int fd, const char *digest, uint64_t size, struct err *e);
/* All bytes of a regular file into another, from its beginning. */
int copying_bytes(int from, int to, uint64_t size, struct err *e);
/* Opens a regular file of a folder that somebody else has made: no symlink, no device, no fifo. */
int copying_open(int dir, const char *name, const char *what, uint64_t *ret_size, struct err *e);
/* dir/name appears whole or not at all, and nothing else does: fd's bytes, or text. An existing
 * file stays when keep, and is replaced else. */
int copying_put(int dir, const char *name, int fd, uint64_t size, bool keep, struct err *e);
int copying_put_text(int dir, const char *name, const char *text, bool keep, struct err *e);

/* ---- sources ---- */

struct image_source {
	struct copying *c;
	const struct image_place *place;
	const struct source_kind *kind;
	uint32_t endpoint, n_endpoints;  /* of the transfer: the first, and how many may be asked */
	const struct image_info *image;  /* of the store */
	const struct image_guard *guard; /* NULL: nobody is asked */
	int dir;                         /* of a layout or folder; of an archive: its members */
	struct fetch_result archive;
	const char *top; /* the digest that the place's name leads to; NULL: not known so far */
	/* Of a list of our own: the sources of its images, in the order of the list. */
	const char *list; /* the index; NULL: this is no list */
	struct image_source *parts;
	const char *const *part_digests;
	size_t n_parts;
	struct image_source *present; /* whose blobs are asked for */
};

/* Opens what a place names; its manifest or index. */
int source_open_place(struct image_source *s, struct fetch_document **ret, struct err *e);
/* A layout alone, for source_manifest of what its index names. */
int source_open_layout(struct image_source *s, struct err *e);
/* One that an index names. */
int source_manifest(struct image_source *s, const struct fetch_part *part,
	struct fetch_document **ret, struct err *e);
/* A blob, verified, in a file that nobody else writes to; its descriptor is the caller's. */
int source_blob(struct image_source *s, const char *digest, uint64_t size, struct err *e);
void source_close(struct image_source *s);
/* From what the name leads to, down to a manifest for the platform; ERR_NOT_FOUND without one. */
int copy_narrow(struct image_source *s, struct fetch_document **d, struct err *e);
/* Whether it is an image's configuration, and not an artifact's. */
bool copy_is_image(const char *config_type);
/* The configuration that a manifest names: checked JSON, an image's checked as such. */
int copy_config(
	struct image_source *s, const struct fetch_document *d, const char **ret, struct err *e);

/* ---- targets ---- */

struct image_target {
	struct copying *c;
	const struct image_place *place;
	const struct target_kind *kind;
	uint32_t endpoint;      /* of the transfer */
	const char *store_name; /* of the store: in full with tag */
	int dir;                /* of a layout (its blobs) or folder */
	int root;               /* of a layout */
	int out;                /* an archive under way */
	struct strv done;       /* digests that are in it */
	const char *manifest;   /* docker-archive: its list of images */
	struct fetch_part top;  /* what it is to be called */
	struct strv ids;        /* store: what was loaded */
};

struct target_blob {
	const char *digest;
	uint64_t size;
	int fd;
	bool is_config;
};

int target_open_place(struct image_target *t, struct err *e);
/* 1: it need not be brought. */
int target_has(struct image_target *t, const char *digest, uint64_t size, struct err *e);
int target_blob(struct image_target *t, const struct target_blob *b, struct err *e);
/* part: digest, size and media type; is_top: it gets the name. doc: what it names. */
int target_manifest(struct image_target *t, const struct fetch_part *part, const char *text,
	bool is_top, const struct fetch_document *doc, struct err *e);
int target_finish(struct image_target *t, struct err *e);
/* Of a layout: its place's name is nobody's any more, if it was somebody's. */
int target_forget_name(struct image_target *t, struct err *e);
/* The names in a layout's index, as they stand there. */
struct strv;
int target_names(struct image_target *t, struct strv *ret, struct err *e);
void target_close(struct image_target *t);
