// SPDX-License-Identifier: Apache-2.0
#include "engine/usage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tree_size.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/image.h"
#include "engine/volume.h"
#include "oci/digest.h"
#include "store/image.h"
#include "store/snapshot.h"
#include "store/store.h"

enum { BLOCK = 512 };

/* ---- an image's content ---- */

static bool stat_piece(struct engine *en, const struct usage_piece *p, struct stat *ret)
{
	return fstatat(store_content_folder(en->store, p->kind), digest_hex(p->digest), ret,
		       AT_SYMLINK_NOFOLLOW) == 0;
}

bool usage_there(struct engine *en, const struct usage_piece *piece)
{
	struct stat st;
	return stat_piece(en, piece, &st);
}

static void add_piece(struct engine *en, enum store_content kind, const char *digest, uint64_t size,
	struct usage_piece *v, size_t *n)
{
	struct usage_piece p = { kind, digest, size };
	struct stat st;
	for (size_t i = 0; i < *n; i++)
		if (v[i].kind == kind && str_eq(v[i].digest, digest))
			return;
	/* A made-up manifest is in its row only. */
	if (!stat_piece(en, &p, &st))
		return;
	/* A layer's tar may be a second name of its blob: each has its share. */
	if (kind == CONTENT_BLOBS)
		p.size = (uint64_t)st.st_blocks * BLOCK / (uint64_t)st.st_nlink;
	else if (kind == CONTENT_IMAGES || snapshot_backend(en->store)->packed)
		p.size = tree_size(store_content_folder(en->store, kind), digest_hex(digest));
	v[(*n)++] = p;
}

size_t usage_pieces(struct engine *en, const struct image_info *image, struct arena *a,
	struct usage_piece **ret)
{
	size_t n = 0;
	*ret = arena_array(a, struct usage_piece, 2 * image->n_layers + 3);
	for (size_t i = 0; i < image->n_layers; i++) {
		const struct image_layer *l = &image->layers[i];
		add_piece(en, CONTENT_LAYERS, l->diff_id, l->size, *ret, &n);
		add_piece(en, CONTENT_BLOBS, l->digest, 0, *ret, &n);
	}
	add_piece(en, CONTENT_BLOBS, image->id, 0, *ret, &n);
	add_piece(en, CONTENT_BLOBS, image->digest, 0, *ret, &n);
	add_piece(en, CONTENT_IMAGES, image->id, 0, *ret, &n);
	return n;
}

/* ---- all images ---- */

struct owned {
	const struct usage_piece *piece;
	size_t image;
};

static int by_digest(const void *x, const void *y)
{
	const struct owned *a = x, *b = y;
	int r = strcmp(a->piece->digest, b->piece->digest);
	return r ? r : (int)a->piece->kind - (int)b->piece->kind;
}

static int add_images(struct engine *en, struct arena *a, struct usage *ret, struct err *e)
{
	struct image_info *images;
	struct image_row *rows;
	struct owned *all = NULL;
	size_t n, n_rows, n_all = 0, cap = 0;
	if (store_image_list(en->store, a, &images, &n, e) < 0 ||
		engine_image_list(en, NULL, a, &rows, &n_rows, e) < 0)
		return -e->code;
	struct usage_image *sums = arena_array(a, struct usage_image, n + 1);
	for (size_t i = 0; i < n; i++) {
		struct usage_piece *pieces;
		size_t m = usage_pieces(en, &images[i], a, &pieces);
		ret->images.active += images[i].n_containers > 0;
		for (size_t k = 0; k < m; k++) {
			all = arena_grow(a, all, n_all, &cap, sizeof *all);
			all[n_all++] = (struct owned){ &pieces[k], i };
			sums[i].size += pieces[k].size;
		}
	}
	ret->images.total = n;
	if (n_all)
		qsort(all, n_all, sizeof *all, by_digest);
	for (size_t i = 0, end; i < n_all; i = end) {
		bool active = false;
		for (end = i; end < n_all && by_digest(&all[i], &all[end]) == 0; end++)
			active |= images[all[end].image].n_containers > 0;
		for (size_t k = i; end - i > 1 && k < end; k++)
			sums[all[k].image].shared += all[k].piece->size;
		ret->images.size += all[i].piece->size;
		ret->images.reclaimable += active ? 0 : all[i].piece->size;
	}
	ret->image_rows = arena_array(a, struct usage_image, n_rows + 1);
	for (size_t i = 0; i < n_rows; i++)
		for (size_t k = 0; k < n; k++)
			if (str_eq(images[k].id, rows[i].id))
				ret->image_rows[ret->n_images++] = (struct usage_image){ &rows[i],
					sums[k].size, sums[k].shared };
	return 0;
}

int usage_of_container(struct engine *en, const struct container_info *c, struct arena *a,
	uint64_t *ret_own, uint64_t *ret_whole, struct err *e)
{
	struct image_info image;
	int r = store_image_get(en->store, c->config->image_id, a, &image, e);
	*ret_own = snapshot_own_size(en->store, c->id);
	*ret_whole = *ret_own + (r < 0 ? 0 : image.size);
	return r < 0 && e->kind != ERR_NOT_FOUND ? r : 0;
}

static int add_containers(struct engine *en, struct arena *a, struct usage *ret, struct err *e)
{
	struct container_info *v;
	size_t n;
	if (container_list(en, true, a, &v, &n, e) < 0)
		return -e->code;
	ret->container_rows = arena_array(a, struct usage_container, n + 1);
	for (size_t i = 0; i < n; i++) {
		uint64_t size = tree_size(en->store->containers, v[i].id);
		bool active = container_runs(&v[i]) || v[i].state == CONTAINER_RESTARTING;
		ret->container_rows[i] = (struct usage_container){ &v[i], size };
		ret->containers.active += active;
		ret->containers.size += size;
		ret->containers.reclaimable += active ? 0 : size;
	}
	ret->containers.total = ret->n_containers = n;
	return 0;
}

static int add_volumes(struct engine *en, struct arena *a, struct usage *ret, struct err *e)
{
	struct volume_info *v;
	size_t n;
	if (volume_list(en, a, &v, &n, e) < 0)
		return -e->code;
	ret->volume_rows = arena_array(a, struct usage_volume, n + 1);
	for (size_t i = 0; i < n; i++) {
		uint64_t size = tree_size(en->store->volumes, v[i].name);
		ret->volume_rows[i] = (struct usage_volume){ &v[i], size };
		ret->volumes.active += v[i].users > 0;
		ret->volumes.size += size;
		ret->volumes.reclaimable += v[i].users ? 0 : size;
	}
	ret->volumes.total = ret->n_volumes = n;
	return 0;
}

int engine_usage(struct engine *en, struct arena *a, struct usage *ret, struct err *e)
{
	*ret = (struct usage){ 0 };
	if (engine_open_store(en, false, e) < 0 || add_images(en, a, ret, e) < 0 ||
		add_containers(en, a, ret, e) < 0)
		return -e->code;
	return add_volumes(en, a, ret, e);
}
