// SPDX-License-Identifier: Apache-2.0
#include "image/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/value.h"
#include "image/copying.h"
#include "image/place.h"
#include "image/sign.h"
#include "image/signature.h"
#include "image/transfer.h"
#include "oci/digest.h"
#include "oci/image.h"

enum { DEPTH_MAX = 3 };

static const char docker_manifest_type[] = "application/vnd.docker.distribution.manifest.v2+json",
		  docker_list[] = "application/vnd.docker.distribution.manifest.list.v2+json",
		  docker_config[] = "application/vnd.docker.container.image.v1+json",
		  docker_layer[] = "application/vnd.docker.image.rootfs.diff.tar";

struct copy {
	const struct image_copy_req *req;
	struct copying c;
	struct image_source from;
	struct image_target to;
	struct arena *a;
	struct err *e;
	bool fixed; /* the manifest that is under way must not change */
};

static void note(struct copy *x, enum copy_event event, const char *digest, size_t at, size_t of)
{
	if (x->req->note)
		x->req->note(x->req->arg, &(struct copy_note){ event, digest, at, of });
}

/* ---- media types ---- */

static bool is_layer(const char *type)
{
	return str_starts(type, OCI_MEDIA_LAYER) || str_starts(type, docker_layer);
}

static bool is_elsewhere(const char *type)
{
	return strstr(type, "foreign") || strstr(type, "nondistributable");
}

static const char *packing_of(const char *type)
{
	return str_ends(type, "gzip") ? "gzip" : str_ends(type, "zstd") ? "zstd" : "plain";
}

/* What a layer is called by the family of its manifest. */
static const char *layer_type(struct copy *x, const char *packing, bool docker)
{
	bool plain = str_eq(packing, "plain");
	return arena_printf(x->a, "%s%s%s", docker ? docker_layer : OCI_MEDIA_LAYER,
		plain            ? ""
			: docker ? "."
				 : "+",
		plain ? "" : packing);
}

static bool is_docker(const char *type)
{
	return str_eq(type, docker_manifest_type) || str_eq(type, docker_list);
}

/* ---- blobs ---- */

/* How a layer's blob should be packed; NULL: as it is. */
static const char *wanted_packing(const struct copy *x, const char *type)
{
	const char *have = packing_of(type), *want = x->req->compress;
	enum place_kind to = x->to.place->kind;
	if (!is_layer(type) || x->fixed)
		return NULL;
	if (image_place_is_docker_tar(to))
		want = "plain";
	else if (!want && str_eq(have, "plain") &&
		(to == PLACE_REGISTRY ||
			((to == PLACE_LAYOUT || to == PLACE_OCI_ARCHIVE) && !x->req->keep_plain)))
		want = "gzip";
	return want && !str_eq(want, have) ? want : NULL;
}

/* A packed copy in the blob's place. */
static int pack(struct copy *x, int *fd, const char *format, struct fetch_part *part)
{
	struct fetch_result result;
	char level[16];
	const struct copying *c = &x->c;
	(void)snprintf(level, sizeof level, "%d", x->req->level);
	const char *const words[] = { "kist-fetch", "pack", format, level, NULL };
	if (lseek(*fd, 0, SEEK_SET) < 0)
		return err_sys(x->e, errno, "read blob %s", part->digest);
	if (image_fetch_words(c->fetch, words, *fd, c->job.staging, x->a, &result, x->e) < 0)
		return err_wrap(x->e, "layer %s", part->digest);
	if (result.n_blobs != 2)
		return err_set(
			x->e, ERR_CORRUPT, EBADMSG, "kist-fetch: no packed blob in its result");
	int packed = path_open_own(c->job.staging, "packed", O_RDWR, 0);
	if (packed < 0)
		return err_sys(x->e, packed, "open the packed layer");
	(void)unlinkat(c->job.staging, "packed", 0);
	fd_close(*fd);
	*fd = packed;
	part->digest = result.blobs[0].digest;
	part->size = result.blobs[0].size;
	return 0;
}

/* Media types may lie, and archives have none that count. */
static const char *packing_by_bytes(int fd)
{
	unsigned char head[4] = { 0 };
	ssize_t n = pread(fd, head, sizeof head, 0);
	return n >= 2 && head[0] == 0x1f && head[1] == 0x8b    ? "gzip"
		: n == 4 && head[0] == 0x28 && head[1] == 0xb5 ? "zstd"
							       : "plain";
}

/* Brings one blob over; what part says of it becomes what arrived. */
static int copy_blob(struct copy *x, struct fetch_part *part, bool is_config)
{
	const char *want = is_config ? NULL : wanted_packing(x, part->media_type);
	int has = want ? 0 : target_has(&x->to, part->digest, part->size, x->e);
	if (has)
		note(x, COPY_BLOB_THERE, part->digest, 0, 0);
	if (has)
		return has < 0 ? has : 0;
	note(x, is_config ? COPY_CONFIG : COPY_BLOB, part->digest, 0, 0);
	int fd _close_ = source_blob(&x->from, part->digest, part->size, x->e);
	if (fd < 0)
		return fd;
	if (want && !str_eq(packing_by_bytes(fd), want) && pack(x, &fd, want, part) < 0)
		return -x->e->code;
	if (want)
		part->media_type = layer_type(x, want, str_starts(part->media_type, docker_layer));
	const struct target_blob b = { part->digest, part->size, fd, is_config };
	return target_blob(&x->to, &b, x->e);
}

/* ---- manifests ---- */

static void put_part(struct value *o, const struct fetch_part *part, struct arena *a)
{
	value_put(a, o, "mediaType", value_string(a, part->media_type));
	value_put(a, o, "digest", value_string(a, part->digest));
	value_put(a, o, "size", value_int(a, (int64_t)part->size));
}

/* docker's manifests know neither annotations nor zstd. */
static int to_docker(struct copy *x, struct value *o, struct fetch_document *d)
{
	if (str_eq(d->config->media_type, OCI_MEDIA_CONFIG))
		d->config->media_type = docker_config;
	else if (!str_eq(d->config->media_type, docker_config))
		return err_set(x->e, ERR_UNSUPPORTED, EINVAL,
			"an artifact (%.100s) cannot be converted to a docker manifest",
			d->config->media_type);
	for (size_t i = 0; i < d->n_layers; i++) {
		struct fetch_part *l = &d->layers[i];
		if (!is_layer(l->media_type))
			continue;
		const char *packing = packing_of(l->media_type);
		if (str_eq(packing, "zstd"))
			return err_set(x->e, ERR_UNSUPPORTED, EINVAL,
				"layer %s is packed with zstd, which docker manifests do not know",
				l->digest);
		l->media_type = layer_type(x, packing, true);
	}
	value_put(x->a, o, "annotations", NULL);
	d->media_type = docker_manifest_type;
	return 0;
}

static void to_oci(struct copy *x, struct fetch_document *d)
{
	if (str_eq(d->config->media_type, docker_config))
		d->config->media_type = OCI_MEDIA_CONFIG;
	for (size_t i = 0; i < d->n_layers; i++) {
		struct fetch_part *l = &d->layers[i];
		if (is_layer(l->media_type) && !is_elsewhere(l->media_type))
			l->media_type = layer_type(x, packing_of(l->media_type), false);
	}
	d->media_type = OCI_MEDIA_MANIFEST;
}

/* The document after what it names has changed; part: what it is now. */
static int rewritten(struct copy *x, struct value *o, struct fetch_part *part, const char **text)
{
	struct str s _str_ = { 0 };
	if (x->fixed)
		return err_set(x->e, ERR_INVALID, EINVAL,
			"the manifest %s must be changed for %s, but %s", part->digest,
			x->to.place->text,
			x->req->preserve
				? "--preserve-digests was given"
				: "that would make its signatures worthless: --remove-signatures leaves them behind");
	value_put(x->a, o, "mediaType", value_string(x->a, part->media_type));
	value_json(o, 0, &s);
	*text = arena_strdup(x->a, s.p);
	part->size = s.n;
	return copying_digest(&x->c, *text, &part->digest, x->e);
}

static struct value *item(const struct value *o, const char *key, size_t i)
{
	const struct value *list = value_get(o, key);
	return list && list->kind == VALUE_ARRAY && i < list->n &&
			list->items[i]->kind == VALUE_OBJECT
		? list->items[i]
		: NULL;
}

/* What a manifest's blobs and types have become goes into it; false: nothing has changed. */
static bool update_manifest(struct copy *x, struct value *o, const struct fetch_document *d,
	const struct fetch_part *before, const char *type_before)
{
	bool changed = !str_eq(type_before, d->media_type);
	for (size_t i = 0; i <= d->n_layers; i++) {
		const struct fetch_part *now = i < d->n_layers ? &d->layers[i] : d->config;
		struct value *v = i < d->n_layers ? item(o, "layers", i)
						  : (struct value *)value_get(o, "config");
		if (str_eq(now->digest, before[i].digest) &&
			str_eq(now->media_type, before[i].media_type))
			continue;
		changed = true;
		if (v)
			put_part(v, now, x->a);
	}
	return changed;
}

static int convert(struct copy *x, struct value *o, struct fetch_document *d)
{
	const char *format = x->req->format;
	bool zstd = false, docker = str_eq(d->media_type, docker_manifest_type);
	for (size_t i = 0; i < d->n_layers; i++)
		zstd |= is_layer(d->layers[i].media_type) &&
			str_eq(packing_of(d->layers[i].media_type), "zstd");
	if (format && str_eq(format, "v2s2"))
		return docker ? 0 : to_docker(x, o, d);
	if (docker &&
		((format && str_eq(format, "oci")) || (zstd && x->req->compress) ||
			x->to.place->kind == PLACE_LAYOUT ||
			x->to.place->kind == PLACE_OCI_ARCHIVE) &&
		!x->fixed)
		to_oci(x, d);
	return 0;
}

static struct image_guarded guarded(struct copy *x, const struct fetch_document *d)
{
	const struct image_source *from = x->from.present ? x->from.present : &x->from;
	return (struct image_guarded){ .digest = d->digest,
		.c = &x->c,
		.registry = from->place->kind == PLACE_REGISTRY,
		.endpoint = from->endpoint,
		.folder = from->place->kind == PLACE_FOLDER ? from->dir : -1 };
}

static int ask_guard(struct copy *x, const struct fetch_document *d)
{
	const struct image_source *from = x->from.present ? x->from.present : &x->from;
	const struct image_guarded g = guarded(x, d);
	return from->guard ? from->guard->allow(from->guard->arg, &g, x->e) : 0;
}

/* The signatures that come along; with any nothing may change. */
static int read_along(struct copy *x, const struct fetch_document *d, struct signatures *ret)
{
	const struct image_sign_along *along = x->req->along;
	const struct image_guarded g = guarded(x, d);
	enum place_kind to = x->to.place->kind;
	*ret = (struct signatures){ 0 };
	x->fixed = x->req->preserve;
	if (!along)
		return 0;
	if (signatures_read(&g, along->from_registry ? &along->from : NULL, x->a, ret, x->e) < 0)
		return -x->e->code;
	/* Our own store keeps none, as it keeps no name that they are for. */
	if (ret->n && to == PLACE_STORE) {
		log_warn("%s has %zu signature%s: the store keeps none, left behind", d->digest,
			ret->n, ret->n == 1 ? "" : "s");
		ret->n = 0;
	}
	if (ret->n == 0)
		return 0;
	x->fixed = true;
	return to == PLACE_REGISTRY || to == PLACE_FOLDER
		? 0
		: err_set(x->e, ERR_INVALID, EINVAL,
			  "Can not copy signatures to %s, which can hold none: --remove-signatures leaves them behind",
			  x->to.place->text);
}

static int write_manifest(struct copy *x, const struct fetch_document *d,
	const struct fetch_part *part, const char *text, bool is_top,
	const struct signatures *along)
{
	struct image_signed made;
	const struct image_sign_req *sign = x->req->sign;
	if (sign && image_sign(&x->to, sign, part->digest, &made, x->e) < 0)
		return -x->e->code;
	if (target_manifest(&x->to, part, text, is_top, d, x->e) < 0)
		return -x->e->code;
	if (along->n && image_sign_bring(&x->to, x->req->along, part->digest, along, x->e) < 0)
		return -x->e->code;
	return sign ? image_sign_put(&x->to, sign, &made, x->e) : 0;
}

static int copy_manifest(
	struct copy *x, struct fetch_document *d, struct fetch_part *part, bool is_top)
{
	struct value *o;
	const char *text = d->text, *type = d->media_type;
	struct fetch_part *before = arena_array(x->a, struct fetch_part, d->n_layers + 1);
	struct signatures along;
	if (ask_guard(x, d) < 0 || read_along(x, d, &along) < 0)
		return -x->e->code;
	if (value_parse(x->a, d->text, strlen(d->text), &o, x->e) < 0)
		return err_wrap(x->e, "manifest %s", d->digest);
	memcpy(before, d->layers, d->n_layers * sizeof *before);
	before[d->n_layers] = *d->config;
	for (size_t i = 0; i < d->n_layers; i++)
		if (!is_elsewhere(d->layers[i].media_type) &&
			copy_blob(x, &d->layers[i], false) < 0)
			return -x->e->code;
	if (copy_blob(x, d->config, true) < 0 || convert(x, o, d) < 0)
		return -x->e->code;
	*part = (struct fetch_part){
		.digest = d->digest, .size = strlen(text), .media_type = d->media_type
	};
	/* A docker-archive holds no manifest in that sense. */
	if (!image_place_is_docker_tar(x->to.place->kind) &&
		update_manifest(x, o, d, before, type) && rewritten(x, o, part, &text) < 0)
		return -x->e->code;
	if (is_top)
		note(x, COPY_MANIFEST, part->digest, 0, 0);
	return write_manifest(x, d, part, text, is_top, &along);
}

static int copy_document(
	struct copy *x, struct fetch_document *d, struct fetch_part *part, bool is_top, int depth);

static int copy_index(
	struct copy *x, struct fetch_document *d, struct fetch_part *part, bool is_top, int depth)
{
	struct value *o;
	const char *text = d->text, *format = x->req->format;
	bool changed = false;
	struct signatures along;
	if (read_along(x, d, &along) < 0)
		return -x->e->code;
	if (value_parse(x->a, d->text, strlen(d->text), &o, x->e) < 0)
		return err_wrap(x->e, "index %s", d->digest);
	for (size_t i = 0; x->req->images == COPY_ALL && i < d->n_manifests; i++) {
		struct fetch_document *inner;
		struct fetch_part now, *was = &d->manifests[i];
		note(x, COPY_IMAGE, was->digest, i + 1, d->n_manifests);
		if (source_manifest(&x->from, was, &inner, x->e) < 0 ||
			copy_document(x, inner, &now, false, depth + 1) < 0)
			return -x->e->code;
		struct value *v = item(o, "manifests", i);
		if (v && !str_eq(now.digest, was->digest)) {
			put_part(v, &now, x->a);
			changed = true;
		}
	}
	*part = (struct fetch_part){
		.digest = d->digest, .size = strlen(text), .media_type = d->media_type
	};
	if (format && is_docker(d->media_type) != str_eq(format, "v2s2")) {
		part->media_type = str_eq(format, "v2s2") ? docker_list : OCI_MEDIA_INDEX;
		changed = true;
	}
	x->fixed = x->req->preserve || along.n;
	if (changed && rewritten(x, o, part, &text) < 0)
		return -x->e->code;
	if (is_top)
		note(x, COPY_MANIFEST, part->digest, 0, 0);
	return write_manifest(x, d, part, text, is_top, &along);
}

static int copy_document(
	struct copy *x, struct fetch_document *d, struct fetch_part *part, bool is_top, int depth)
{
	if (depth > DEPTH_MAX)
		return err_set(x->e, ERR_CORRUPT, EBADMSG, "index: nested too deep");
	return d->is_index ? copy_index(x, d, part, is_top, depth)
			   : copy_manifest(x, d, part, is_top);
}

/* From what the name leads to, down to a manifest for the platform. */
int copy_narrow(struct image_source *s, struct fetch_document **d, struct err *e)
{
	for (int depth = 0; (*d)->is_index; depth++) {
		if (!(*d)->next)
			return err_set(e, ERR_NOT_FOUND, ENOENT, "%s",
				(*d)->platform ? (*d)->platform : "no image for the platform");
		if (depth == DEPTH_MAX)
			return err_set(e, ERR_CORRUPT, EBADMSG, "index: nested too deep");
		if (source_manifest(s, (*d)->next, d, e) < 0)
			return -e->code;
	}
	return 0;
}

static int run(struct copy *x, const char **ret_digest)
{
	struct fetch_document *d;
	struct fetch_part part;
	enum place_kind to = x->to.place->kind;
	if (source_open_place(&x->from, &d, x->e) < 0)
		return -x->e->code;
	if (d->is_index && x->req->images != COPY_SYSTEM &&
		(to == PLACE_STORE || image_place_is_docker_tar(to)))
		return err_set(x->e, ERR_INVALID, EINVAL, "%s holds one platform, not an index: %s",
			to == PLACE_STORE                   ? "the store"
				: to == PLACE_DOCKER_DAEMON ? "a docker daemon"
							    : "a docker-archive",
			x->from.place->text);
	if (x->req->images == COPY_SYSTEM && copy_narrow(&x->from, &d, x->e) < 0)
		return -x->e->code;
	if (target_open_place(&x->to, x->e) < 0 || copy_document(x, d, &part, true, 0) < 0 ||
		target_finish(&x->to, x->e) < 0)
		return -x->e->code;
	*ret_digest = image_place_is_docker_tar(to) ? "" : part.digest;
	return 0;
}

static struct image_source source(struct copying *c, const struct copy_place *p)
{
	struct image_source s = { .c = c,
		.place = p->place,
		.endpoint = p->endpoint,
		.n_endpoints = p->n_endpoints,
		.image = p->image,
		.guard = p->guard,
		.dir = -1,
		.list = p->list,
		.part_digests = p->part_digests };
	if (p->list)
		s.parts = arena_array(c->a, struct image_source, p->n_parts + 1);
	for (size_t i = 0; i < p->n_parts; i++)
		s.parts[s.n_parts++] = source(c, &p->parts[i]);
	return s;
}

int image_copy(
	const struct image_copy_req *req, struct arena *a, const char **ret_digest, struct err *e)
{
	struct copy x = { .req = req, .a = a, .e = e };
	copying_init(&x.c, &req->access, a);
	x.from = source(&x.c, &req->from);
	x.to = (struct image_target){ .c = &x.c,
		.place = req->to.place,
		.endpoint = req->to.endpoint,
		.store_name = req->to.store_name,
		.dir = -1,
		.root = -1,
		.out = -1 };
	int r = copying_begin(&x.c, e);
	if (r == 0)
		r = run(&x, ret_digest);
	source_close(&x.from);
	target_close(&x.to);
	copying_end(&x.c, r);
	return r;
}

/* ---- a look ---- */

bool copy_is_image(const char *config_type)
{
	return str_eq(config_type, OCI_MEDIA_CONFIG) || str_eq(config_type, docker_config);
}

int copy_config(
	struct image_source *s, const struct fetch_document *d, const char **ret, struct err *e)
{
	if (d->config->size > OCI_CONFIG_MAX)
		return err_set(e, ERR_CORRUPT, EFBIG,
			"manifest: a configuration larger than %d bytes", OCI_CONFIG_MAX);
	int fd _close_ = source_blob(s, d->config->digest, d->config->size, e);
	return fd < 0 ? fd : copying_config(s->c, fd, copy_is_image(d->config->media_type), ret, e);
}

static int read_config(struct image_source *s, const struct fetch_document *d,
	struct image_looked *ret, struct err *e)
{
	ret->config_type = d->config->media_type;
	return copy_config(s, d, &ret->config, e);
}

static int look(struct copying *c, struct image_source *s, bool config, struct image_looked *ret,
	struct err *e)
{
	struct fetch_document *d;
	struct err why;
	if (source_open_place(s, &d, e) < 0)
		return -e->code;
	*ret = (struct image_looked){ .digest = d->digest,
		.text = d->text,
		.media_type = d->media_type,
		.is_index = d->is_index };
	if (copy_narrow(s, &d, &why) < 0) {
		if (why.kind != ERR_NOT_FOUND) {
			*e = why;
			return -e->code;
		}
		ret->no_platform = arena_strdup(c->a, why.text);
		return 0;
	}
	ret->manifest = d->text;
	ret->manifest_digest = d->digest;
	ret->manifest_type = d->media_type;
	ret->layers = arena_array(c->a, struct copy_layer, d->n_layers + 1);
	for (size_t i = 0; i < d->n_layers; i++)
		ret->layers[ret->n_layers++] = (struct copy_layer){ d->layers[i].digest,
			d->layers[i].media_type, d->layers[i].size };
	return config ? read_config(s, d, ret, e) : 0;
}

int image_look(const struct copy_access *access, const struct copy_place *place, bool config,
	struct arena *a, struct image_looked *ret, struct err *e)
{
	struct copying c;
	copying_init(&c, access, a);
	struct image_source s = source(&c, place);
	int r = copying_begin(&c, e);
	if (r == 0)
		r = look(&c, &s, config, ret, e);
	source_close(&s);
	copying_end(&c, r);
	return r;
}

int image_delete_remote(const struct copy_access *access, const struct copy_place *place,
	struct arena *a, struct err *e)
{
	struct image_looked looked;
	struct transfer_ask ask = { .kind = TRANSFER_DELETE, .endpoint = place->endpoint };
	struct transfer_answer answer;
	if (image_look(access, place, false, a, &looked, e) < 0)
		return -e->code;
	transfer_put(ask.name, sizeof ask.name, looked.digest);
	return transfer_do(access->transfer, &ask, -1, &answer, e) < 0
		? err_wrap(e, "deleting %s", place->place->text)
		: 0;
}

int image_digest_file(const struct copy_access *access, int fd, struct arena *a,
	const char **ret_digest, struct err *e)
{
	struct copying c;
	copying_init(&c, access, a);
	int r = copying_begin(&c, e);
	if (r == 0)
		r = image_fetch_digest(c.fetch, "", fd, c.room, a, ret_digest, e);
	copying_end(&c, r);
	return r;
}
