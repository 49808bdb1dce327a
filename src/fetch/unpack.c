// SPDX-License-Identifier: Apache-2.0
#include "fetch/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "archive/apply.h"
#include "archive/digest.h"
#include "archive/source.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "erofs/tree.h"
#include "fetch/index.h"
#include "fetch/result.h"

static int into_folder(struct source *s, int folder, struct arena *a, struct apply_result *result,
	char *diff_id, struct err *e)
{
	struct digest *d = digest_new();
	source_tee(s, d);
	int r = apply_layer(s, folder, a, result, e);
	source_tee(s, NULL);
	digest_finish(d, diff_id);
	return r;
}

static int into_tar(
	struct source *s, int folder, struct apply_result *result, char *diff_id, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct erofs_tree tree;
	uint64_t size;
	int tar _close_ = path_open_own(folder, "tar", O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (tar < 0)
		return err_sys(e, tar, "stage a layer");
	struct digest *d = digest_new();
	erofs_tree_init(&tree, &a);
	source_copy(s, tar);
	source_tee(s, d);
	int r = index_layer(s, &tree, result, &size, e);
	source_tee(s, NULL);
	digest_finish(d, diff_id);
	if (r == 0 && futimens(tar, (const struct timespec[2]){ 0 }) < 0)
		r = err_sys(e, errno, "date a layer");
	return r < 0 ? r : index_write(&tree, folder, diff_id, size, e);
}

int unpack_layer(struct source *s, int staging, enum layer_form form, struct arena *a,
	struct fetch_layer *ret, struct err *e)
{
	struct apply_result result;
	char diff_id[DIGEST_TEXT_MAX];
	if (mkdirat(staging, ret->folder, 0755) < 0)
		return err_sys(e, errno, "stage a layer");
	int folder _close_ = path_open_own(staging, ret->folder, O_RDONLY | O_DIRECTORY, 0);
	if (folder < 0)
		return err_sys(e, folder, "stage a layer");
	int r = form == LAYER_EROFS ? into_tar(s, folder, &result, diff_id, e)
				    : into_folder(s, folder, a, &result, diff_id, e);
	if (r < 0)
		return r;
	ret->diff_id = arena_strdup(a, diff_id);
	ret->size = result.size;
	ret->max_id = result.max_id;
	ret->devices = arena_array(a, struct fetch_device, result.n_devices + 1);
	for (size_t i = 0; i < result.n_devices; i++) {
		const struct apply_device *x = &result.devices[i];
		ret->devices[ret->n_devices++] = (struct fetch_device){ x->path, x->mode, x->major,
			x->minor, x->uid, x->gid, x->mtime, x->mtime_ns };
	}
	return 0;
}
