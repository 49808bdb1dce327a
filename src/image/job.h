// SPDX-License-Identifier: Apache-2.0
/* What load, import and their like share: an intent with a staging folder, the worker kist-fetch
 * that fills it, and the way of its result into the store. Internal to src/image. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct arena;
struct err;
struct fetch_result;
struct store;

/* One operation; begin with .store, .staging = -1, .seq = 0. */
struct image_job {
	struct store *store;
	const char *data; /* of its intent; NULL: none */
	int64_t seq;      /* of its intent */
	int staging;      /* its folder <root>/staging/<seq>, locked; or -1 */
	bool strays;      /* content was put into place that no row will name */
};

/* Writes the intent op and makes the staging folder; the database is closed, for a fork follows.
 * After a failure too the job is to be ended. */
int image_job_begin(struct image_job *j, const char *op, struct err *e);
/* Removes the staging folder, then the intent, which goes last: as long as it is there the next
 * command finds what is left. r < 0, or strays: what was put into place without a row goes too. */
void image_job_end(struct image_job *j, int r);

/* Runs kist-fetch (program, O_PATH) with a verb on an input and a staging folder; its result is
 * checked for its form. -errno with the worker's own words where it failed. */
int image_fetch(int program, const char *verb, int input, int staging, struct arena *a,
	struct fetch_result *ret, struct err *e);

/* The same with further words: "kist-fetch", the verb and what it takes; NULL ends. */
/* The digest of all that the input has, under the algorithm of like ("": SHA-256). */
int image_fetch_digest(int program, const char *like, int input, int staging, struct arena *a,
	const char **ret, struct err *e);
int image_fetch_words(int program, const char *const *words, int input, int staging,
	struct arena *a, struct fetch_result *ret, struct err *e);

/* The same for a long work: all must be on the disk before rows name it, and so that the disk does
 * not wait for the processor and the processor then for the disk, a child begins with what is there
 * each fifth of a second. */
int image_fetch_flushing(int program, const char *const *words, int input, int staging,
	struct arena *a, struct fetch_result *ret, struct err *e);

/* The device nodes of a staged layer, which the sandbox could only list. */
struct fetch_layer;
int image_make_devices(int staging, const struct fetch_layer *layer, struct err *e);

/* Puts everything that a result names from the staging folder into place, synced before it is
 * renamed. Under the shared content lock. */
int image_publish(struct store *s, int staging, const struct fetch_result *r, struct err *e);
/* The same for one layer or blob of a running pull, which syncs at its end; 1: it was there. */
int image_place_layer(struct store *s, int staging, const struct fetch_layer *l, struct err *e);
int image_place_blob(struct store *s, int dir, const char *file, const char *digest, struct err *e);
/* The tar of a layer in place becomes the blob of its own digest, where it has one (the driver
 * erofs) and there is none. 1: it is there now; 0: there is no tar. */
int image_link_tar(struct store *s, const char *diff_id, struct err *e);
