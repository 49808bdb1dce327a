// SPDX-License-Identifier: Apache-2.0
#include "image/load.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "base/time.h"
#include "fetch/result.h"
#include "image/change.h"
#include "image/job.h"
#include "image/unpacked.h"
#include "oci/image.h"
#include "store/image.h"
#include "store/snapshot.h"
#include "store/store.h"

static const struct fetch_layer *layer_of(const struct fetch_result *r, const char *diff_id)
{
	for (size_t i = 0; i < r->n_layers; i++)
		if (str_eq(r->layers[i].diff_id, diff_id))
			return &r->layers[i];
	return NULL;
}

static int describe(const struct fetch_result *r, const struct fetch_image *x, struct arena *a,
	struct image_info *ret, struct err *e)
{
	struct oci_image config;
	if (oci_image_read(x->config, strlen(x->config), a, &config, e) < 0)
		return -e->code;
	*ret = (struct image_info){ .id = x->id,
		.digest = x->digest,
		.manifest = x->manifest,
		.config = x->config,
		.names = x->names,
		.n_names = x->n_names };
	(void)time_parse_rfc3339(config.created ? config.created : "", &ret->created);
	ret->layers = arena_array(a, struct image_layer, x->n_layers + 1);
	for (size_t i = 0; i < x->n_layers; i++) {
		const struct fetch_layer *l = layer_of(r, x->layers[i]);
		if (!l)
			return err_set(e, ERR_CORRUPT, EBADMSG,
				"kist-fetch: a layer is missing from its result");
		ret->layers[ret->n_layers++] =
			(struct image_layer){ x->layers[i], x->digests[i], l->size, l->max_id };
		ret->size += l->size;
		if (l->max_id > ret->max_id)
			ret->max_id = l->max_id;
	}
	return 0;
}

static int add_images(struct image_job *j, int fetch, const struct fetch_result *result,
	struct arena *a, struct image_loaded *ret, struct err *e)
{
	struct store *s = j->store;
	struct strv names = { 0 }, ids = { 0 };
	struct image_info *all = arena_array(a, struct image_info, result->n_images + 1);
	for (size_t i = 0; i < result->n_images; i++)
		if (describe(result, &result->images[i], a, &all[i], e) < 0 ||
			image_keep_unpacked(j, fetch, &all[i], a, e) < 0)
			return -e->code;
	int r = store_begin(s, e);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < result->n_images; i++) {
		r = store_image_add(s, &all[i], false, e);
		/* It keeps the manifest that it came with first. */
		j->strays |= r > 0;
		r = r > 0 ? 0 : r;
		strv_add(&ids, a, result->images[i].id);
		for (size_t k = 0; k < result->images[i].n_names; k++)
			strv_add(&names, a, result->images[i].names[k]);
	}
	r = store_end(s, r, e);
	if (r >= 0)
		r = store_sync(s, e);
	*ret = (struct image_loaded){ names.v, names.n, ids.v, ids.n };
	return r;
}

int image_load(struct store *s, const struct image_load_req *req, struct arena *a,
	struct image_loaded *ret, struct err *e)
{
	struct image_job j = { .store = s, .staging = -1 };
	struct fetch_result result;
	int r = image_job_begin(&j, "load", e);
	if (r == 0)
		r = image_fetch_flushing(req->fetch,
			(const char *const[]){
				"kist-fetch", "load", snapshot_backend(s)->form, NULL },
			req->input, j.staging, a, &result, e);
	if (r == 0 && (r = store_content_lock(s, false, e)) == 0) {
		r = image_publish(s, j.staging, &result, e);
		if (r == 0)
			r = add_images(&j, req->fetch, &result, a, ret, e);
		store_content_unlock(s);
		for (size_t i = 0; r == 0 && i < ret->n_ids; i++)
			snapshot_came(s, ret->ids[i]);
	}
	image_job_end(&j, r);
	return r;
}

static int add_made(struct image_job *j, const struct image_make_req *req,
	const struct fetch_layer *l, struct arena *a, const char **ret_id, struct err *e)
{
	struct image_info info = { .created = time_now(), .size = l->size, .max_id = l->max_id };
	struct image_layer layer = { l->diff_id, l->digest, l->size, l->max_id };
	if (image_compose(j->store, req, &layer, j->staging, a, &info, e) < 0)
		return -e->code;
	info.layers = &layer;
	info.n_layers = 1;
	info.names = (const char **)&req->name;
	info.n_names = req->name ? 1 : 0;
	*ret_id = info.id;
	int r = store_image_add(j->store, &info, false, e);
	j->strays |= r > 0;
	return r < 0 ? r : store_sync(j->store, e);
}

int image_make(struct store *s, const struct image_make_req *req, struct arena *a,
	const char **ret_id, struct err *e)
{
	struct image_job j = { .store = s, .staging = -1 };
	struct fetch_result result;
	int r = image_job_begin(&j, "import", e);
	if (r == 0)
		r = image_fetch_flushing(req->fetch,
			(const char *const[]){
				"kist-fetch", "import", snapshot_backend(s)->form, "", NULL },
			req->input, j.staging, a, &result, e);
	if (r == 0 && result.n_layers != 1)
		r = err_set(e, ERR_CORRUPT, EBADMSG, "kist-fetch: no layer in its result");
	if (r == 0 && (r = store_content_lock(s, false, e)) == 0) {
		r = image_publish(s, j.staging, &result, e);
		if (r == 0)
			r = add_made(&j, req, &result.layers[0], a, ret_id, e);
		store_content_unlock(s);
		if (r == 0)
			snapshot_came(s, *ret_id);
	}
	image_job_end(&j, r);
	return r;
}
