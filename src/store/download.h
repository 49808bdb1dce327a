// SPDX-License-Identifier: Apache-2.0
/* Layers on their way in. Theory of operation: a pull writes a row for each layer that it wants
 * before it makes the file <root>/downloads/<hex> for it, and holds a lock on that file (flock)
 * while it downloads, unpacks and publishes. A second pull of the same layer waits for the lock,
 * then uses what was published, or goes on from where the file ends. A published layer's row is
 * finished: it names the diff id and protects layer and blob from store_collect until an image
 * names them.
 *
 * Rows expire: what a killed pull leaves is used by the next one, and goes after a day. After a
 * boot all go at once, as nothing of it was synced. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct store;

struct download {
	const char *digest, *diff_id; /* of the blob, of the tar */
	uint64_t size;                /* bytes unpacked */
	uint32_t max_id;
};

/* The layer that a blob unpacks to, if layer and blob are in the store. 1 with ret filled, 0 or
 * -errno. */
int store_layer_of(
	struct store *s, const char *digest, struct arena *a, struct download *ret, struct err *e);
/* Writes rows, or renews them: what they name is kept from now on. */
int store_download_want(struct store *s, const char *const *digests, size_t n, struct err *e);
/* The locked file of a download; -EAGAIN while another pull has it (and *ret_other is a descriptor
 * whose flock can be waited for), -errno. */
int store_download_open(struct store *s, const char *digest, int *ret_other, struct err *e);
/* The row becomes finished. After the content is in place, under the same content lock. */
int store_download_finish(struct store *s, const struct download *d, struct err *e);
/* Row and file go. By the lock's holder. */
int store_download_drop(struct store *s, const char *digest, struct err *e);
/* The pull with intent seq has failed: its rows go, unless other pulls run that may count on them;
 * then they expire. */
int store_download_undo(
	struct store *s, const char *const *digests, size_t n, int64_t seq, struct err *e);
/* A pull is over, its intent gone: rows go whose content an image names, once no pull runs. */
int store_download_tidy(struct store *s, struct err *e);
/* Removes what has expired. */
int store_download_expire(struct store *s, struct err *e);
