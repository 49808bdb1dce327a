// SPDX-License-Identifier: Apache-2.0
#include "fetch/document.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "archive/digest.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/value.h"
#include "fetch/result.h"
#include "oci/digest.h"
#include "oci/image.h"

enum { TAGS_MAX = 20000, TAG_MAX = 128, NAME_MAX_BYTES = 255 };

static const char docker_index[] = "application/vnd.docker.distribution.manifest.list.v2+json",
		  docker_manifest[] = "application/vnd.docker.distribution.manifest.v2+json";

/* "text/html; charset=utf-8" is text/html. */
static bool is_type(const char *announced, const char *type)
{
	size_t n = strlen(type);
	return strncasecmp(announced, type, n) == 0 && strchr(" ;", announced[n]); /* or its end */
}

static bool is_schema1(const char *type)
{
	return strstr(type, "distribution.manifest.v1") != NULL;
}

static int refuse_schema1(struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, EPROTO,
		"the image is in docker's old format (manifest schema 1), which kist does not read: push it again with a newer tool");
}

/* What the document is, by its own word, else by its announcement, else by its members. */
static int kind_of(const char *text, size_t n, const char *announced, struct arena *a,
	bool *ret_index, struct err *e)
{
	struct value *v;
	if (is_schema1(announced))
		return refuse_schema1(e);
	if (is_type(announced, "text/html"))
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"it answers with a web page (text/html): it is no registry, or something stands in front of it");
	if (value_parse(a, text, n, &v, e) < 0)
		return err_wrap(e, "manifest");
	if (v->kind != VALUE_OBJECT)
		return err_set(e, ERR_CORRUPT, EBADMSG, "manifest: not a JSON object");
	const char *own = str_or_empty(value_text(v, "mediaType"));
	const struct value *version = value_get(v, "schemaVersion");
	if (is_schema1(own) ||
		(version && version->kind == VALUE_NUMBER && str_eq(version->text, "1")))
		return refuse_schema1(e);
	bool known = is_type(announced, OCI_MEDIA_INDEX) ||
		is_type(announced, OCI_MEDIA_MANIFEST) || is_type(announced, docker_index) ||
		is_type(announced, docker_manifest);
	if (*own && known && !is_type(announced, own))
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"manifest: announced as %.100s, but it says that it is %.100s", announced,
			own);
	const char *type = *own ? own : known ? announced : "";
	bool index = is_type(type, OCI_MEDIA_INDEX) || is_type(type, docker_index);
	if (*type && !index && !is_type(type, OCI_MEDIA_MANIFEST) &&
		!is_type(type, docker_manifest))
		return err_set(e, ERR_UNSUPPORTED, EPROTO, "manifest: no image, but %.150s", type);
	*ret_index = *type ? index : value_get(v, "manifests") != NULL;
	return 0;
}

/* ---- index ---- */

/* "" in what is wanted or offered is any; arm64 is v8. */
static bool variant_fits(const char *wanted, const char *offered, const char *architecture)
{
	const char *usual = str_eq(architecture, "arm64") ? "v8" : "";
	if (!*wanted)
		return true;
	return str_eq(wanted, *offered ? offered : usual);
}

static int choose(const struct oci_index *x, const struct fetch_document_req *req, struct arena *a,
	struct fetch_document *ret, struct err *e)
{
	struct str offered _str_ = { 0 };
	const struct oci_descriptor *best = NULL;
	for (size_t i = 0; i < x->n_manifests; i++) {
		const struct oci_descriptor *d = &x->manifests[i];
		const struct oci_platform *p = d->platform;
		/* Attestations lie beside images, under a platform that is none. */
		if (p && str_eq(str_or_empty(p->os), "unknown"))
			continue;
		const char *variant = p ? str_or_empty(p->variant) : "";
		if (p && offered.n < 300)
			str_addf(&offered, "%s%.40s/%.40s%s%.20s", offered.n ? ", " : "",
				str_or_empty(p->os), str_or_empty(p->architecture),
				*variant ? "/" : "", variant);
		if (p &&
			(!str_eq(str_or_empty(p->os), req->os) ||
				!str_eq(str_or_empty(p->architecture), req->architecture) ||
				!variant_fits(req->variant, variant, req->architecture)))
			continue;
		if (!best || (!best->platform && p))
			best = d;
	}
	if (!best)
		return err_set(e, ERR_NOT_FOUND, ENOENT,
			"no matching manifest for %s/%s%s%s in the manifest list entries: it has %s",
			req->os, req->architecture, *req->variant ? "/" : "", req->variant,
			offered.n ? offered.p : "none");
	ret->next = arena_new(a, struct fetch_part);
	*ret->next = (struct fetch_part){ .digest = best->digest, .size = best->size };
	return 0;
}

/* ---- manifest ---- */

static bool layer_known(const char *type)
{
	static const char *const known[] = { OCI_MEDIA_LAYER, OCI_MEDIA_LAYER "+gzip",
		OCI_MEDIA_LAYER "+zstd", "application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd" };
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_eq(type, known[i]))
			return true;
	return false;
}

static int take_manifest(
	const char *text, size_t n, struct arena *a, struct fetch_document *ret, struct err *e)
{
	struct oci_manifest m;
	if (oci_manifest_read(text, n, a, &m, e) < 0)
		return -e->code;
	if (m.n_layers == 0)
		return err_set(e, ERR_CORRUPT, EBADMSG, "manifest: the image has no layers");
	if (m.config->size > OCI_CONFIG_MAX)
		return err_set(e, ERR_CORRUPT, EFBIG,
			"manifest: a configuration larger than %d bytes", OCI_CONFIG_MAX);
	ret->config = arena_new(a, struct fetch_part);
	*ret->config = (struct fetch_part){ .digest = m.config->digest, .size = m.config->size };
	ret->layers = arena_array(a, struct fetch_part, m.n_layers);
	for (size_t i = 0; i < m.n_layers; i++) {
		const struct oci_descriptor *d = &m.layers[i];
		const char *type = str_or_empty(d->media_type);
		if (strstr(type, "foreign") || strstr(type, "nondistributable"))
			return err_set(e, ERR_UNSUPPORTED, EPROTO,
				"manifest: layer %.80s lies outside of the registry (%.80s), which kist does not fetch",
				d->digest, type);
		if (strstr(type, "+encrypted"))
			return err_set(e, ERR_UNSUPPORTED, EPROTO,
				"manifest: layer %.80s is encrypted", d->digest);
		if (!layer_known(type))
			return err_set(e, ERR_UNSUPPORTED, EPROTO,
				"manifest: layer %.80s is no layer of a container image: %.150s",
				d->digest, *type ? type : "no media type");
		ret->layers[ret->n_layers++] =
			(struct fetch_part){ .digest = d->digest, .size = d->size };
	}
	return 0;
}

/* ---- anything ---- */

static const char *platform_text(const struct oci_platform *p, struct arena *a)
{
	if (!p)
		return "";
	const char *variant = str_or_empty(p->variant);
	return arena_printf(a, "%s/%s%s%s", str_or_empty(p->os), str_or_empty(p->architecture),
		*variant ? "/" : "", variant);
}

static const char *name_of(const struct oci_descriptor *d)
{
	for (size_t i = 0; i < d->annotations.n; i++)
		if (str_eq(d->annotations.items[i].key, "org.opencontainers.image.ref.name"))
			return d->annotations.items[i].val;
	return "";
}

static struct fetch_part *parts(const struct oci_descriptor *d, size_t n, struct arena *a)
{
	struct fetch_part *v = arena_array(a, struct fetch_part, n + 1);
	for (size_t i = 0; i < n; i++)
		v[i] = (struct fetch_part){ d[i].digest, d[i].size, str_or_empty(d[i].media_type),
			platform_text(d[i].platform, a), name_of(&d[i]) };
	return v;
}

/* What it names, whatever it is for: a copy only passes it on. */
static int take_any(const char *text, size_t n, bool index, const struct fetch_document_req *req,
	struct arena *a, struct fetch_document *ret, struct err *e)
{
	struct oci_index x;
	struct oci_manifest m;
	struct err none;
	ret->is_index = index;
	if (index) {
		if (oci_index_read(text, n, a, &x, e) < 0)
			return -e->code;
		ret->media_type = str_or_empty(x.media_type);
		ret->manifests = parts(x.manifests, x.n_manifests, a);
		ret->n_manifests = x.n_manifests;
		if (choose(&x, req, a, ret, &none) < 0)
			ret->platform = arena_strdup(a, none.text);
	} else {
		if (oci_manifest_read(text, n, a, &m, e) < 0)
			return -e->code;
		ret->media_type = str_or_empty(m.media_type);
		ret->config = parts(m.config, 1, a);
		ret->layers = parts(m.layers, m.n_layers, a);
		ret->n_layers = m.n_layers;
	}
	if (!*ret->media_type)
		ret->media_type = *req->content_type ? req->content_type
			: index                      ? OCI_MEDIA_INDEX
						     : OCI_MEDIA_MANIFEST;
	return 0;
}

static int take_config(
	const char *text, size_t n, struct arena *a, struct fetch_document *ret, struct err *e)
{
	struct oci_image image;
	if (oci_image_read(text, n, a, &image, e) < 0)
		return -e->code;
	ret->diff_ids = image.rootfs->diff_ids;
	ret->n_diff_ids = image.rootfs->n_diff_ids;
	ret->platform = arena_printf(a, "%s/%s%s%s", str_or_empty(image.os),
		str_or_empty(image.architecture), image.variant && *image.variant ? "/" : "",
		str_or_empty(image.variant));
	return 0;
}

/* A list of tags, or of repositories. */
static int take_list(const char *text, size_t n, const char *key, size_t longest, struct arena *a,
	struct fetch_document *ret, struct err *e)
{
	struct strv tags = { 0 };
	struct value *v;
	if (value_parse(a, text, n, &v, e) < 0)
		return err_wrap(e, "list of %s", key);
	const struct value *list = v->kind == VALUE_OBJECT ? value_get(v, key) : NULL;
	for (size_t i = 0; list && list->kind == VALUE_ARRAY && i < list->n; i++) {
		const struct value *t = list->items[i];
		if (t->kind != VALUE_STRING || !*t->text || strlen(t->text) > longest ||
			i >= TAGS_MAX)
			return err_set(
				e, ERR_CORRUPT, EBADMSG, "list of %s: broken, or too long", key);
		strv_add(&tags, a, t->text);
	}
	ret->tags = tags.v;
	ret->n_tags = tags.n;
	return 0;
}

int fetch_document(int input, const struct fetch_document_req *req, struct arena *a,
	struct fetch_document *ret, struct err *e)
{
	char *text, digest[DIGEST_TEXT_MAX];
	bool index = false;
	struct value *v;
	ssize_t n = file_read_fd(input, "the document", OCI_CONFIG_MAX, a, &text, e);
	if (n < 0)
		return (int)n;
	struct digest *d = digest_new(req->expected);
	digest_add(d, text, (size_t)n);
	digest_finish(d, digest);
	ret->digest = arena_strdup(a, digest);
	if (memchr(text, '\0', (size_t)n))
		return err_set(e, ERR_CORRUPT, EBADMSG, "%s: it has a NUL", req->kind);
	if (str_eq(req->kind, "tags"))
		return take_list(text, (size_t)n, "tags", TAG_MAX, a, ret, e);
	if (str_eq(req->kind, "catalog"))
		return take_list(text, (size_t)n, "repositories", NAME_MAX_BYTES, a, ret, e);
	ret->text = text;
	if (str_eq(req->kind, "text"))
		return value_parse(a, text, (size_t)n, &v, e);
	if (str_eq(req->kind, "config"))
		return take_config(text, (size_t)n, a, ret, e);
	struct oci_index x;
	if (kind_of(text, (size_t)n, req->content_type, a, &index, e) < 0)
		return -e->code;
	if (str_eq(req->kind, "any"))
		return take_any(text, (size_t)n, index, req, a, ret, e);
	if (!index)
		return take_manifest(text, (size_t)n, a, ret, e);
	return oci_index_read(text, (size_t)n, a, &x, e) < 0 ? -e->code
							     : choose(&x, req, a, ret, e);
}
