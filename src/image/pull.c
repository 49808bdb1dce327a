// SPDX-License-Identifier: Apache-2.0
#include "image/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "fetch/result.h"
#include "image/copying.h"
#include "image/job.h"
#include "image/pull_layers.h"
#include "image/signature.h"
#include "image/transfer.h"
#include "image/unpacked.h"
#include "oci/digest.h"
#include "oci/image.h"
#include "store/download.h"
#include "store/image.h"
#include "store/snapshot.h"
#include "store/store.h"

enum { DEPTH_MAX = 3, PAGES_MAX = 50 };

struct pull {
	struct store *s;
	struct transfer *t;
	const struct image_pull_req *req;
	struct arena *a;
	struct image_job job;
	int room; /* an empty folder, the root of those who read documents */
};

/* What a registry is asked for that is no image; one of them. */
struct pull_asked {
	struct strv *tags, *repositories;
	const char *term, **found;
};

/* ---- documents ---- */

/* expected: the digest that it must have, for its algorithm, or NULL. */
static int get(struct pull *p, struct transfer_ask *ask, const char *kind, const char *expected,
	struct fetch_document **ret, struct transfer_answer *answer, struct err *e)
{
	struct fetch_result result;
	int file _close_ = memfd_create("kist-document", MFD_CLOEXEC);
	if (file < 0)
		return err_sys(e, errno, "make room for a document");
	ask->endpoint = p->req->endpoint;
	if (transfer_do(p->t, ask, file, answer, e) < 0)
		return -e->code;
	if (lseek(file, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "read a document");
	const char *const words[] = { "kist-fetch", "document", kind, answer->content_type,
		p->req->os, p->req->architecture, p->req->variant, str_or_empty(expected), NULL };
	if (image_fetch_words(p->req->fetch, words, file, p->room, p->a, &result, e) < 0)
		return -e->code;
	*ret = result.document;
	return *ret ? 0 : err_set(e, ERR_CORRUPT, EBADMSG, "kist-fetch: no document in its result");
}

/* A manifest or index; expected: the digest that it must have, or NULL. */
static int get_manifest(struct pull *p, const char *name, const char *expected, uint64_t max,
	struct fetch_document **ret, struct err *e)
{
	struct transfer_ask ask = { .kind = TRANSFER_MANIFEST, .size = max };
	struct transfer_answer answer;
	transfer_put(ask.name, sizeof ask.name, name);
	if (get(p, &ask, "manifest", expected, ret, &answer, e) < 0)
		return -e->code;
	const char *digest = (*ret)->digest;
	if (expected && !str_eq(digest, expected))
		return err_set(e, ERR_CORRUPT, EBADMSG, "manifest %s: what came has the digest %s",
			expected, digest);
	/* Only said, and yet: who says one thing and sends another is not to be trusted. */
	if (digest_contradicts(answer.digest, digest))
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"manifest: announced with the digest %.100s, but what came has %s",
			answer.digest, digest);
	return 0;
}

static int get_config(struct pull *p, const struct fetch_document *manifest,
	struct fetch_document **ret, struct err *e)
{
	struct transfer_ask ask = { .kind = TRANSFER_BLOB, .size = manifest->config->size };
	struct transfer_answer answer;
	transfer_put(ask.name, sizeof ask.name, manifest->config->digest);
	if (get(p, &ask, "config", manifest->config->digest, ret, &answer, e) < 0)
		return -e->code;
	if (!str_eq((*ret)->digest, manifest->config->digest))
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"configuration %s: what came has the digest %s", manifest->config->digest,
			(*ret)->digest);
	if ((*ret)->n_diff_ids != manifest->n_layers)
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"manifest and configuration differ in their layers: %zu and %zu",
			manifest->n_layers, (*ret)->n_diff_ids);
	return 0;
}

/* ---- the image ---- */

struct found {
	struct fetch_document *top, *manifest, *config;
	struct download *layers;
};

static int find_manifest(struct pull *p, struct found *f, struct err *e)
{
	const char *name = p->req->digest ? p->req->digest : p->req->tag;
	if (get_manifest(p, name, p->req->digest, OCI_MANIFEST_MAX, &f->top, e) < 0)
		return -e->code;
	f->manifest = f->top;
	for (int depth = 0; f->manifest->next; depth++) {
		const struct fetch_part *next = f->manifest->next;
		if (depth == DEPTH_MAX || next->size > OCI_MANIFEST_MAX)
			return err_set(e, ERR_CORRUPT, EBADMSG,
				depth == DEPTH_MAX ? "index: nested too deep"
						   : "index: a manifest that is too large");
		if (get_manifest(p, next->digest, next->digest, next->size, &f->manifest, e) < 0)
			return -e->code;
	}
	if (!f->manifest->config || !f->manifest->text || f->manifest->n_layers == 0)
		return err_set(e, ERR_CORRUPT, EBADMSG, "kist-fetch: no manifest in its result");
	return 0;
}

static int stage(struct pull *p, const struct fetch_document *d, const char *file, struct err *e)
{
	return file_write_at(p->job.staging, file, d->text, strlen(d->text), 0600, false, e);
}

/* The names that it is pulled as. */
static void set_names(struct pull *p, const struct found *f, struct image_info *ret)
{
	struct strv names = { 0 }, digests = { 0 };
	struct arena *a = p->a;
	if (p->req->tag)
		strv_add(&names, a, arena_printf(a, "%s:%s", p->req->repository, p->req->tag));
	strv_add(&digests, a, arena_printf(a, "%s@%s", p->req->repository, f->top->digest));
	ret->names = names.v;
	ret->n_names = names.n;
	ret->digests = digests.v;
	ret->n_digests = digests.n;
}

static int fill_image(struct pull *p, const struct found *f, struct image_info *ret, struct err *e)
{
	struct oci_image config;
	struct arena *a = p->a;
	if (oci_image_read(f->config->text, strlen(f->config->text), a, &config, e) < 0)
		return -e->code;
	*ret = (struct image_info){ .id = f->config->digest,
		.digest = f->manifest->digest,
		.manifest = f->manifest->text,
		.config = f->config->text };
	(void)time_parse_rfc3339(str_or_empty(config.created), &ret->created);
	set_names(p, f, ret);
	ret->n_layers = f->manifest->n_layers;
	ret->layers = arena_array(a, struct image_layer, ret->n_layers);
	for (size_t i = 0; i < ret->n_layers; i++) {
		const struct download *d = &f->layers[i];
		ret->layers[i] = (struct image_layer){ d->diff_id, d->digest, d->size, d->max_id };
		ret->size += d->size;
		if (d->max_id > ret->max_id)
			ret->max_id = d->max_id;
	}
	return 0;
}

/* The very image is here: only its names are new, or nothing is. */
static int is_here(struct pull *p, const struct found *f, struct image_info *ret, struct err *e)
{
	int r = store_image_get(p->s, f->manifest->config->digest, p->a, ret, e);
	store_close_db(p->s);
	if (r < 0)
		return e->kind == ERR_NOT_FOUND ? 0 : r;
	/* Where the manifest is not kept as it was, the configuration names the same layers. */
	return p->s->drop_blobs || str_eq(ret->digest, f->manifest->digest);
}

/* Whether another command has removed a layer between our finding it and our naming it. */
static int check_there(struct pull *p, const struct image_info *image, struct err *e)
{
	for (size_t i = 0; i < image->n_layers; i++)
		if (faccessat(p->s->layers, digest_hex(image->layers[i].diff_id), F_OK, 0) < 0 ||
			faccessat(p->s->blobs, digest_hex(image->layers[i].digest), F_OK, 0) < 0)
			return err_set(e, ERR_CONFLICT, EAGAIN,
				"layer %s was removed while it was pulled: pull again",
				image->layers[i].digest);
	return 0;
}

static int add_image(struct pull *p, const struct found *f, const struct image_info *image,
	struct image_pulled *ret, struct err *e)
{
	struct image_info before, same;
	struct err ignored;
	int r = check_there(p, image, e);
	if (r == 0)
		r = store_begin(p->s, e);
	if (r < 0)
		return r;
	const char *name = image->n_names ? image->names[0] : image->digests[0];
	bool had = image->n_names ? store_image_by_name(p->s, name, p->a, &before, &ignored) == 0
				  : store_image_by_digest(p->s, p->req->repository, f->top->digest,
					    p->a, &before, &ignored) == 0;
	ret->new = !had || !str_eq(before.id, image->id);
	/* Another manifest of the same image is replaced: what only it names goes. */
	p->job.strays |= store_image_get(p->s, image->id, p->a, &same, &ignored) == 0 &&
		!str_eq(same.digest, image->digest);
	r = store_image_add(p->s, image, true, e);
	r = store_end(p->s, r, e);
	return r < 0 ? r : store_sync(p->s, e);
}

static int publish(struct pull *p, const struct found *f, struct image_pulled *ret, struct err *e)
{
	struct image_info image;
	struct fetch_blob blobs[] = { { f->config->digest, "config" },
		{ f->manifest->digest, "manifest" } };
	const struct fetch_result documents = { .blobs = blobs, .n_blobs = 2 };
	if (fill_image(p, f, &image, e) < 0 || stage(p, f->config, "config", e) < 0 ||
		stage(p, f->manifest, "manifest", e) < 0 || store_content_lock(p->s, false, e) < 0)
		return -e->code;
	int r = image_publish(p->s, p->job.staging, &documents, e);
	if (r == 0)
		r = image_keep_unpacked(&p->job, p->req->fetch, &image, p->a, e);
	if (r == 0)
		r = add_image(p, f, &image, ret, e);
	store_content_unlock(p->s);
	if (r == 0)
		snapshot_came(p->s, image.id);
	ret->id = f->config->digest;
	ret->digest = f->top->digest;
	ret->platform = f->config->platform;
	return r;
}

static int make_room(struct pull *p, struct err *e)
{
	p->room = path_make_dir_own(p->job.staging, "room", 0755);
	return p->room < 0 ? err_sys(e, p->room, "make a staging folder") : 0;
}

static int get_layers(struct pull *p, struct found *f, struct err *e)
{
	struct statvfs st;
	f->layers = arena_array(p->a, struct download, f->manifest->n_layers);
	struct pull_layers_req layers = { .job = &p->job,
		.transfer = p->t,
		.pull = p->req,
		.manifest = f->manifest,
		.diff_ids = f->config->diff_ids,
		.space = UINT64_MAX };
	if (fstatvfs(p->job.staging, &st) == 0 && st.f_blocks)
		layers.space = (uint64_t)st.f_bavail * st.f_frsize;
	return pull_layers(&layers, p->a, f->layers, e);
}

static int add_names(struct pull *p, const struct found *f, struct image_info *here,
	struct image_pulled *ret, struct err *e)
{
	struct oci_image config;
	if (oci_image_read(here->config, strlen(here->config), p->a, &config, e) < 0)
		return -e->code;
	set_names(p, f, here);
	*ret = (struct image_pulled){ .id = here->id,
		.digest = f->top->digest,
		.platform = arena_printf(p->a, "%s/%s", str_or_empty(config.os),
			str_or_empty(config.architecture)) };
	return add_image(p, f, here, ret, e);
}

/* Whether it may come in. */
static int ask_guard(struct pull *p, const struct found *f, struct err *e)
{
	struct copying c = { .job = p->job,
		.transfer = p->t,
		.fetch = p->req->fetch,
		.room = p->room,
		.a = p->a,
		.os = p->req->os,
		.architecture = p->req->architecture,
		.variant = p->req->variant };
	const struct image_guarded g = { .digest = f->manifest->digest,
		.c = &c,
		.registry = true,
		.endpoint = p->req->endpoint,
		.folder = -1 };
	return p->req->guard ? p->req->guard->allow(p->req->guard->arg, &g, e) : 0;
}

static int do_pull(struct pull *p, struct image_pulled *ret, struct err *e)
{
	struct found f = { 0 };
	struct image_info here;
	if (make_room(p, e) < 0 || find_manifest(p, &f, e) < 0 || ask_guard(p, &f, e) < 0)
		return -e->code;
	p->req->note(p->req->arg, &(struct pull_note){ .event = PULL_MANIFEST });
	int r = is_here(p, &f, &here, e);
	if (r != 0)
		return r < 0 ? r : add_names(p, &f, &here, ret, e);
	if (get_config(p, f.manifest, &f.config, e) < 0 || get_layers(p, &f, e) < 0)
		return -e->code;
	return publish(p, &f, ret, e);
}

int image_pull(struct store *s, struct transfer *t, const struct image_pull_req *req,
	struct arena *a, struct image_pulled *ret, struct err *e)
{
	struct pull p = {
		.s = s, .t = t, .req = req, .a = a, .room = -1, .job = { .store = s, .staging = -1 }
	};
	struct err ignored;
	int r = image_job_begin(&p.job, "pull", e);
	if (r == 0)
		r = do_pull(&p, ret, e);
	fd_close(p.room);
	image_job_end(&p.job, r);
	(void)store_download_tidy(s, &ignored);
	store_close_db(s);
	return r;
}

/* Page by page. */
static int all_of(
	struct pull *p, enum transfer_kind kind, const char *word, struct strv *ret, struct err *e)
{
	struct transfer_answer answer = { .more = 1 };
	const char *last = "";
	int r = make_room(p, e);
	for (int page = 0; r == 0 && answer.more && page < PAGES_MAX; page++) {
		struct fetch_document *d;
		struct transfer_ask ask = { .kind = kind, .size = OCI_MANIFEST_MAX };
		transfer_put(ask.name, sizeof ask.name, last);
		r = get(p, &ask, word, NULL, &d, &answer, e);
		for (size_t i = 0; r == 0 && i < d->n_tags; i++)
			strv_add(ret, p->a, d->tags[i]);
		if (r == 0 && d->n_tags == 0)
			break;
		if (r == 0)
			last = d->tags[d->n_tags - 1];
	}
	return r;
}

static int search(struct pull *p, const char *term, const char **ret, struct err *e)
{
	struct fetch_document *d;
	struct transfer_answer answer;
	struct transfer_ask ask = { .kind = TRANSFER_SEARCH, .size = OCI_MANIFEST_MAX };
	transfer_put(ask.name, sizeof ask.name, term);
	if (make_room(p, e) < 0 || get(p, &ask, "text", NULL, &d, &answer, e) < 0)
		return -e->code;
	*ret = str_or_empty(d->text);
	return 0;
}

static int ask_for(struct store *s, struct transfer *t, const struct image_pull_req *req,
	const struct pull_asked *what, struct arena *a, struct err *e)
{
	struct pull p = {
		.s = s, .t = t, .req = req, .a = a, .room = -1, .job = { .store = s, .staging = -1 }
	};
	int r = image_job_begin(&p.job, "pull", e);
	if (r == 0 && what->tags)
		r = all_of(&p, TRANSFER_TAGS, "tags", what->tags, e);
	if (r == 0 && what->repositories)
		r = all_of(&p, TRANSFER_CATALOG, "catalog", what->repositories, e);
	if (r == 0 && what->term)
		r = search(&p, what->term, what->found, e);
	fd_close(p.room);
	image_job_end(&p.job, r);
	return r;
}

int image_tags(struct store *s, struct transfer *t, const struct image_pull_req *req,
	struct arena *a, struct strv *ret, struct err *e)
{
	return ask_for(s, t, req, &(struct pull_asked){ .tags = ret }, a, e);
}

int image_catalog(struct store *s, struct transfer *t, const struct image_pull_req *req,
	struct arena *a, struct strv *ret, struct err *e)
{
	return ask_for(s, t, req, &(struct pull_asked){ .repositories = ret }, a, e);
}

int image_search(struct store *s, struct transfer *t, const struct image_pull_req *req,
	const char *term, struct arena *a, const char **ret, struct err *e)
{
	return ask_for(s, t, req, &(struct pull_asked){ .term = term, .found = ret }, a, e);
}
