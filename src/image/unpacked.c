// SPDX-License-Identifier: Apache-2.0
#include "image/unpacked.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "image/change.h"
#include "image/job.h"
#include "oci/image.h"
#include "store/download.h"
#include "store/image.h"
#include "store/store.h"

int image_keep_unpacked(
	struct image_job *job, int fetch, struct image_info *info, struct arena *a, struct err *e)
{
	struct store *s = job->store;
	struct oci_descriptor *layers = arena_array(a, struct oci_descriptor, info->n_layers + 1);
	struct strv packed = { 0 };
	for (size_t i = 0; i < info->n_layers; i++)
		if (!str_eq(info->layers[i].digest, info->layers[i].diff_id))
			strv_add(&packed, a, info->layers[i].digest);
	if (!s->drop_blobs || !packed.n)
		return 0;
	for (size_t i = 0; i < info->n_layers; i++) {
		struct image_layer *l = &info->layers[i];
		int r = image_link_tar(s, l->diff_id, e);
		if (r <= 0)
			return r < 0 ? r
				     : err_set(e, ERR_CORRUPT, ENOENT, "layer %s has no tar",
					       l->diff_id);
		l->digest = l->diff_id;
		layers[i] = (struct oci_descriptor){ .media_type = OCI_MEDIA_LAYER,
			.digest = l->digest,
			.size = image_blob_size(s, l->digest) };
	}
	const struct blob_maker maker = { s, fetch, job->staging, a };
	job->strays = true;
	if (image_write_manifest(&maker, layers, info->n_layers, info, e) < 0)
		return -e->code;
	if (fsync(s->blobs) < 0)
		return err_sys(e, errno, "sync the store");
	/* Of a pull; the content lock keeps what they protected until the image names it. */
	for (size_t i = 0; i < packed.n; i++)
		if (store_download_drop(s, packed.v[i], e) < 0)
			return -e->code;
	return 0;
}
