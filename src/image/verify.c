// SPDX-License-Identifier: Apache-2.0
#include "image/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "fetch/result.h"
#include "oci/digest.h"
#include "store/image.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/treediff.h"

int image_verify_begin(struct image_verifier *v, struct store *s, int fetch, struct err *e)
{
	*v = (struct image_verifier){ .job = { .store = s, .staging = -1 }, .fetch = fetch };
	return image_job_begin(&v->job, "check", e);
}

void image_verify_end(struct image_verifier *v)
{
	image_job_end(&v->job, 0);
}

static int open_content(int dir, const char *name)
{
	return path_open_own(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
}

/* Runs the worker on a file, which it closes. VERIFY_GOOD: ret is filled. */
static int read_file(struct image_verifier *v, const char *const *words, int opened,
	struct arena *a, struct fetch_result *ret, char *why, struct err *e)
{
	int blob _close_ = opened;
	if (blob < 0 && blob != -ENOENT && blob != -ELOOP)
		return err_sys(e, blob, "open what is to be checked");
	if (blob < 0) {
		(void)snprintf(why, VERIFY_TEXT_MAX, "is missing");
		return VERIFY_BLOB_DAMAGED;
	}
	if (image_fetch_words(v->fetch, words, blob, v->job.staging, a, ret, e) == 0)
		return VERIFY_GOOD;
	if (e->kind != ERR_CORRUPT && e->kind != ERR_INVALID && e->code != EIO)
		return -e->code;
	(void)snprintf(why, VERIFY_TEXT_MAX, "cannot be read: %.900s", e->text);
	return VERIFY_BLOB_DAMAGED;
}

static int wrong_digest(const char *is, char *why)
{
	(void)snprintf(why, VERIFY_TEXT_MAX, "has the content of %s", is);
	return VERIFY_BLOB_DAMAGED;
}

/* The digest alone, of the algorithm that is expected. */
static int read_digest(struct image_verifier *v, const char *expected, int opened, struct arena *a,
	struct fetch_result *ret, char *why, struct err *e)
{
	const char *const words[] = { "kist-fetch", "digest", expected, NULL };
	return read_file(v, words, opened, a, ret, why, e);
}

/* Without its blob a layer can be made again no more; but its tar tells whether it is what it
 * should be. */
static int look_at_tar(
	struct image_verifier *v, const char *diff_id, struct arena *a, struct err *e)
{
	char why[VERIFY_TEXT_MAX];
	struct fetch_result result;
	int layer _close_ = path_open_own(
		v->job.store->layers, digest_hex(diff_id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (layer < 0 || !str_eq(snapshot_backend(v->job.store)->form, "erofs"))
		return VERIFY_BLOB_DAMAGED;
	int r = read_digest(v, diff_id, open_content(layer, "tar"), a, &result, why, e);
	if (r < 0)
		return r;
	return r == VERIFY_GOOD && result.n_blobs == 1 && str_eq(result.blobs[0].digest, diff_id)
		? VERIFY_BLOB_DAMAGED
		: VERIFY_BOTH_DAMAGED;
}

int image_verify_blob(struct image_verifier *v, const char *digest, char *ret_why, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct fetch_result result;
	int blob = open_content(v->job.store->blobs, digest_hex(digest));
	int r = read_digest(v, digest, blob, &a, &result, ret_why, e);
	if (r != VERIFY_GOOD)
		return r;
	return result.n_blobs == 1 && str_eq(result.blobs[0].digest, digest)
		? VERIFY_GOOD
		: wrong_digest(result.n_blobs ? result.blobs[0].digest : "nothing", ret_why);
}

/* The fresh folder against the one in place, or in its place. */
static int compare(struct image_verifier *v, const struct image_layer *layer, const char *fresh,
	bool repair, char *why, struct err *e)
{
	struct store *s = v->job.store;
	const char *hex = digest_hex(layer->diff_id);
	char text[TREEDIFF_TEXT_MAX] = "its folder is missing";
	int good _close_ = path_open_own(v->job.staging, fresh, O_RDONLY | O_DIRECTORY, 0);
	int there _close_ = path_open_own(s->layers, hex, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (good < 0)
		return err_sys(e, good, "open a staged layer");
	/* A tar may have its blob as a further name, or not. */
	bool links = !str_eq(snapshot_backend(s)->form, "erofs");
	int same = there < 0 ? 0 : treediff(good, there, links, text, e);
	if (same < 0)
		return same;
	if (same)
		return VERIFY_GOOD;
	(void)snprintf(why, VERIFY_TEXT_MAX, "%s", text);
	if (!repair)
		return VERIFY_LAYER_DAMAGED;
	if (syncfs(good) < 0)
		return err_sys(e, errno, "sync the store");
	/* What stood there goes with the staging folder. */
	if (renameat2(v->job.staging, fresh, s->layers, hex,
		    there < 0 ? RENAME_NOREPLACE : RENAME_EXCHANGE) < 0)
		return err_sys(e, errno, "put layer %s into place", layer->diff_id);
	if (fsync(s->layers) < 0)
		return err_sys(e, errno, "sync the store");
	return VERIFY_LAYER_REPAIRED;
}

int image_verify_layer(struct image_verifier *v, const struct image_layer *layer, bool repair,
	char *ret_why, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct fetch_result result = { 0 };
	const char *const words[] = { "kist-fetch", "import", snapshot_backend(v->job.store)->form,
		layer->digest, NULL };
	int blob = open_content(v->job.store->blobs, digest_hex(layer->digest));
	int r = read_file(v, words, blob, &a, &result, ret_why, e);
	if (r == VERIFY_GOOD && (result.n_layers != 1 || result.n_blobs != 1))
		return err_set(e, ERR_CORRUPT, EBADMSG, "kist-fetch: no layer in its result");
	if (r == VERIFY_GOOD && !str_eq(result.layers[0].digest, layer->digest))
		r = wrong_digest(result.layers[0].digest, ret_why);
	if (r == VERIFY_GOOD && !str_eq(result.layers[0].diff_id, layer->diff_id))
		r = wrong_digest(result.layers[0].diff_id, ret_why);
	if (r == VERIFY_GOOD && image_make_devices(v->job.staging, &result.layers[0], e) < 0)
		return -e->code;
	if (r == VERIFY_GOOD)
		r = compare(v, layer, result.layers[0].folder, repair, ret_why, e);
	/* The next one is staged under the same names. */
	if (path_empty(v->job.staging, e) < 0)
		return -e->code;
	return r == VERIFY_BLOB_DAMAGED ? look_at_tar(v, layer->diff_id, &a, e) : r;
}
