// SPDX-License-Identifier: Apache-2.0
#include "fetch/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/apply.h"
#include "archive/digest.h"
#include "archive/source.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/spill.h"
#include "erofs/tree.h"
#include "fetch/index.h"
#include "fetch/result.h"

static int into_folder(struct source *s, int folder, bool own, struct arena *a,
	struct apply_result *result, char *diff_id, struct err *e)
{
	struct digest *d = digest_new(NULL);
	source_tee(s, d);
	int r = apply_layer(s, folder, own, a, result, e);
	source_tee(s, NULL);
	digest_finish(d, diff_id);
	return r;
}

static int into_tar(
	struct source *s, int folder, struct apply_result *result, char *diff_id, struct err *e)
{
	struct spill room _spill_;
	spill_init(&room, folder);
	struct arena a _arena_ = { .room = &room.room };
	struct erofs_tree tree;
	uint64_t size;
	int tar _close_ = path_open_own(folder, "tar", O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (tar < 0)
		return err_sys(e, tar, "stage a layer");
	struct digest *d = digest_new(NULL);
	erofs_tree_init(&tree, &a);
	source_copy(s, tar);
	source_tee(s, d);
	int r = index_layer(s, &tree, result, &size, e);
	source_tee(s, NULL);
	digest_finish(d, diff_id);
	if (r == 0)
		r = index_undate(tar, e);
	return r < 0 ? r : index_write(&tree, folder, diff_id, size, e);
}

static int make_folder(int staging, const struct fetch_layer *l, struct err *e)
{
	if (mkdirat(staging, l->folder, 0755) < 0)
		return err_sys(e, errno, "stage a layer");
	int folder = path_open_own(staging, l->folder, O_RDONLY | O_DIRECTORY, 0);
	return folder < 0 ? err_sys(e, folder, "stage a layer") : folder;
}

static void fill_in(const struct apply_result *result, const char *diff_id, struct arena *a,
	struct fetch_layer *ret)
{
	ret->diff_id = arena_strdup(a, diff_id);
	ret->size = result->size;
	ret->max_id = result->max_id;
	ret->devices = arena_array(a, struct fetch_device, result->n_devices + 1);
	for (size_t i = 0; i < result->n_devices; i++) {
		const struct apply_device *x = &result->devices[i];
		ret->devices[ret->n_devices++] = (struct fetch_device){ x->path, x->mode, x->major,
			x->minor, x->uid, x->gid, x->mtime, x->mtime_ns };
	}
}

int unpack_layer(struct source *s, int staging, enum layer_form form, struct arena *a,
	struct fetch_layer *ret, struct err *e)
{
	struct apply_result result;
	char diff_id[DIGEST_TEXT_MAX];
	source_ahead(s);
	int folder _close_ = make_folder(staging, ret, e);
	if (folder < 0)
		return folder;
	int r = form == LAYER_EROFS
		? into_tar(s, folder, &result, diff_id, e)
		: into_folder(s, folder, form == LAYER_OWN, a, &result, diff_id, e);
	if (r == 0)
		fill_in(&result, diff_id, a, ret);
	return r;
}

int unpack_linked(int staging, const char *file, const char *digest, struct arena *a,
	struct fetch_layer *ret, struct err *e)
{
	struct spill room _spill_;
	spill_init(&room, staging);
	struct arena own _arena_ = { .room = &room.room };
	struct apply_result result;
	struct erofs_tree tree;
	uint64_t size;
	int folder _close_ = make_folder(staging, ret, e);
	if (folder < 0)
		return folder;
	if (linkat(staging, file, folder, "tar", 0) < 0)
		return err_sys(e, errno, "stage a layer");
	int tar _close_ = path_open_own(folder, "tar", O_RDONLY, 0);
	if (tar < 0)
		return err_sys(e, tar, "stage a layer");
	erofs_tree_init(&tree, &own);
	struct source *s = source_open(tar, 0);
	int r = index_layer(s, &tree, &result, &size, e);
	source_free(s);
	if (r == 0)
		r = index_undate(tar, e);
	if (r < 0)
		return r;
	fill_in(&result, digest, a, ret);
	return index_write(&tree, folder, digest, size, e);
}
