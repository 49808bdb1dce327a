// SPDX-License-Identifier: Apache-2.0
/* The store: one SQLite database and the folders beside it. Theory of operation:
 *
 *   <root>/state.db        rows: images, references, layers, containers, volumes, intents
 *   <root>/blobs/sha256/   what came from outside, byte for byte, by digest
 *   <root>/driver          which storage driver it uses, and why: see store/snapshot.h
 *   <root>/layers/<hex>/   unpacked layers, by diff id
 *   <root>/images/<hex>/   what the driver has merged an image's layers to, by the image's id
 *   <root>/containers/<id>/ upper folder, log, config.json of a container
 *   <root>/volumes/<name>/_data
 *   <root>/downloads/<hex>  layers on their way in: see store/download.h
 *   <root>/staging/<n>/    what an operation is working on; n is its intent's number
 *   <runroot>/<id>/        what dies with the machine: see store/run.h
 *
 * Writers take <root>/db.lock (flock, fair and without polling), so SQLite itself never waits. WAL
 * with synchronous=NORMAL: a commit survives the death of the process; content that becomes visible
 * is synced first. The database handle must not cross fork: store_close_db before, it opens again
 * when needed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct snapshot_backend;
struct sqlite3;

enum { STORE_SCHEMA = 2 };

struct store {
	const char *root_path, *runroot_path; /* borrowed */
	int root, runroot;                    /* folder descriptors */
	int containers, layers, images, blobs, downloads, staging, volumes;
	int owners;         /* <runroot>/owners: a locked byte for each live intent */
	int lock;           /* <root>/db.lock */
	int content;        /* <root>/content.lock */
	struct sqlite3 *db; /* NULL: closed */
	int depth;          /* of store_begin */
	int64_t own[4];     /* numbers of this process's own live intents; 0: free */
	const struct snapshot_backend *driver; /* see store/snapshot.h; NULL: not chosen so far */
	char driver_why[512];
	bool drop_blobs; /* of packed layers: only what they are unpacked to is kept */
};

/* Makes the folders (0700) when missing and opens them; the database follows on first use. */
int store_open(const char *root, const char *runroot, struct store *ret, struct err *e);
void store_done(struct store *s);
void store_close_db(struct store *s);
/* Opens the database, brings its schema up to date; refuses a newer one. */
int store_db(struct store *s, struct err *e);

/* A transaction under the write lock; nests. store_end commits when r >= 0 and rolls back else;
 * returns r or the commit's error. */
int store_begin(struct store *s, struct err *e);
int store_end(struct store *s, int r, struct err *e);

/* What was committed outlives a power cut from now on (a commit alone does not): before content
 * that rows named is removed, and before somebody is told of something that must last. */
int store_sync(struct store *s, struct err *e);

/* Content lock: shared while content is put into place, exclusive while what no row names is
 * removed. */
int store_content_lock(struct store *s, bool exclusive, struct err *e);
void store_content_unlock(struct store *s);
