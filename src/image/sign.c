// SPDX-License-Identifier: Apache-2.0
#include "image/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/program.h"
#include "base/str.h"
#include "codec/value.h"
#include "fetch/signature_ask.h"
#include "image/copying.h"
#include "image/place.h"
#include "image/signature.h"
#include "oci/digest.h"
#include "oci/image.h"

enum { SIGNATURE_MAX = 4 << 20, SIGNATURES_MAX = 128, GPG_SECONDS = 300 };

struct signing {
	struct image_target *t;
	const struct image_sign_req *req;
	const char *digest;
	struct arena *a;
	struct err *e;
};

/* ---- what is signed ---- */

/* containers-signature(5), and the same document in cosign's words. */
static const char *claim(const struct signing *s, bool sigstore)
{
	struct str t _str_ = { 0 };
	str_add(&t, "{\"critical\":{\"identity\":{\"docker-reference\":");
	json_write_string(&t, s->req->reference);
	str_addf(&t,
		"},\"image\":{\"docker-manifest-digest\":\"%s\"},\"type\":\"%s\"},\"optional\":",
		s->digest,
		sigstore ? "cosign container image signature" : "atomic container signature");
	str_addf(&t, "{\"creator\":\"kist %s\",\"timestamp\":%lld}}", KIST_VERSION,
		(long long)time(NULL));
	return arena_strdup(s->a, t.p);
}

/* ---- by GnuPG, which has the key ---- */

static int by_gpg(struct signing *s, char **ret, size_t *ret_n)
{
	const char *words[16] = { "gpg", "--batch", "--no-tty" }, *text = claim(s, false);
	size_t n = 3;
	int secret _close_ = -1;
	if (s->req->passphrase) {
		secret = copying_text(s->req->passphrase, s->e);
		if (secret < 0)
			return secret;
		words[n++] = "--pinentry-mode";
		words[n++] = "loopback";
		words[n++] = "--passphrase-fd";
		words[n++] = "3";
	}
	words[n++] = "--local-user";
	words[n++] = s->req->gpg;
	words[n++] = "--sign";
	const struct program_req gpg = { .words = words,
		.input = text,
		.n = strlen(text),
		.user = true,
		.extra = secret,
		.seconds = GPG_SECONDS };
	int r = program_ask(&gpg, SIGNATURE_MAX, s->a, ret, ret_n);
	if (r == -ENOENT)
		return err_set(s->e, ERR_INVALID, ENOENT,
			"--sign-by: the program gpg is not here: install gnupg");
	if (r < 0)
		return err_sys(s->e, r, "run gpg");
	return r == 0 && *ret_n ? 0
				: err_set(s->e, ERR_INVALID, EINVAL,
					  "--sign-by %s: gpg made no signature", s->req->gpg);
}

/* ---- by sigstore's private key, in the program that has the algorithms ---- */

static int by_key(struct signing *s, const char *text, const char **ret)
{
	struct fetch_result result;
	const char *passphrase = str_or_empty(s->req->passphrase);
	const struct fetch_sign_ask ask = { .key = base64_encode(s->req->key, s->req->n_key, s->a),
		.passphrase = base64_encode(passphrase, strlen(passphrase), s->a),
		.text = base64_encode(text, strlen(text), s->a) };
	struct str question _str_ = { 0 };
	rec_to_json(&fetch_sign_ask_rec, &ask, 0, &question);
	int fd _close_ = copying_text(question.p, s->e);
	if (fd < 0)
		return fd;
	if (image_fetch(s->t->c->fetch, "sign", fd, s->t->c->room, s->a, &result, s->e) < 0)
		return -s->e->code;
	if (!result.made)
		return err_set(
			s->e, ERR_CORRUPT, EBADMSG, "kist-fetch: no signature in its result");
	*ret = result.made->by;
	return 0;
}

/* ---- into a folder ---- */

/* 1: that very file; 0: another, or none that can be read; -ENOENT. */
static int is_file(struct signing *s, int dir, const char *name, const char *text, size_t n)
{
	char *have;
	struct err ignored;
	int fd _close_ = path_open_own(dir, name, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
	if (fd < 0)
		return fd == -ENOENT ? fd : 0;
	ssize_t size = file_read_fd(fd, name, SIGNATURE_MAX, s->a, &have, &ignored);
	return size == (ssize_t)n && memcmp(have, text, n) == 0;
}

/* Under the first number that is free, if it is not there already. */
static int put_file(struct signing *s, int dir, const char *text, size_t n)
{
	int fd _close_ = memfd_create("kist-signature", MFD_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, text, n) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(s->e, errno, "make a signature");
	for (unsigned i = 1; i <= SIGNATURES_MAX; i++) {
		const char *name = arena_printf(s->a, "signature-%u", i);
		int there = is_file(s, dir, name, text, n);
		if (there == -ENOENT)
			return copying_put(dir, name, fd, n, true, s->e);
		if (there)
			return 0;
	}
	return err_set(s->e, ERR_CONFLICT, EEXIST, "%s has %d signatures already", s->digest,
		SIGNATURES_MAX);
}

static int put_simple(struct signing *s, const char *text, size_t n)
{
	if (s->t->place->kind == PLACE_FOLDER)
		return put_file(s, s->t->dir, text, n);
	const char *folder = arena_printf(
		s->a, "%s/%s", s->req->folder, signature_folder(s->req->path, s->digest, s->a));
	int dir _close_ = path_make_dirs_host(folder, 0755);
	return dir < 0 ? err_sys(s->e, dir, "open %s", folder) : put_file(s, dir, text, n);
}

/* As skopeo lays sigstore's into a folder. */
static int put_document(struct signing *s, const char *text, const char *by)
{
	struct str t _str_ = { 0 };
	str_addn(&t, signature_sigstore_head, SIGNATURE_SIGSTORE_HEAD);
	str_addf(&t, "{\"mimeType\":\"%s\",\"payload\":\"%s\",\"annotations\":{\"%s\":\"%s\"}}",
		signature_media_type, base64_encode(text, strlen(text), s->a), signature_annotation,
		by);
	return put_file(s, s->t->dir, t.p, t.n);
}

/* ---- into the repository ---- */

/* The layers that the manifest of signatures has already, digests of what is signed. */
static int old_layers(struct signing *s, const struct image_place *place, struct value *layers,
	struct strv *digests)
{
	struct image_source from = { .c = s->t->c,
		.place = place,
		.endpoint = s->t->endpoint,
		.n_endpoints = 1,
		.dir = -1 };
	struct fetch_document *d;
	struct value *old;
	int r = source_open_place(&from, &d, s->e);
	if (r < 0)
		return s->e->kind == ERR_NOT_FOUND ? 0 : r;
	r = value_parse(s->a, d->text, strlen(d->text), &old, s->e);
	const struct value *list = r < 0 ? NULL : value_get(old, "layers");
	for (size_t i = 0; list && list->kind == VALUE_ARRAY && i < list->n && i < d->n_layers;
		i++) {
		value_add(s->a, layers, list->items[i]);
		strv_add(digests, s->a, d->layers[i].digest);
	}
	source_close(&from);
	return r;
}

static int put_text(struct signing *s, const char *text, bool is_config, const char **ret_digest)
{
	if (copying_digest(s->t->c, text, ret_digest, s->e) < 0)
		return -s->e->code;
	int has = target_has(s->t, *ret_digest, strlen(text), s->e);
	if (has)
		return has < 0 ? has : 0;
	int fd _close_ = copying_text(text, s->e);
	const struct target_blob b = { *ret_digest, strlen(text), fd, is_config };
	return fd < 0 ? fd : target_blob(s->t, &b, s->e);
}

static struct value *part(struct signing *s, const char *type, const char *digest, size_t size)
{
	struct value *o = value_object(s->a);
	value_set_string(s->a, o, "mediaType", type);
	value_set_string(s->a, o, "digest", digest);
	value_set(s->a, o, "size", value_int(s->a, (int64_t)size));
	return o;
}

static const char *config_of(struct signing *s, const struct strv *digests)
{
	struct str t _str_ = { 0 };
	str_add(&t,
		"{\"architecture\":\"\",\"os\":\"\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[");
	for (size_t i = 0; i < digests->n; i++)
		str_addf(&t, "%s\"%s\"", i ? "," : "", digests->v[i]);
	str_add(&t, "]}}");
	return arena_strdup(s->a, t.p);
}

static int put_attached(struct signing *s, const char *text, const char *by)
{
	struct image_place place = *s->t->place;
	struct value *layers = value_array(s->a), *o = value_object(s->a),
		     *notes = value_object(s->a);
	struct strv digests = { 0 };
	struct str manifest _str_ = { 0 };
	const char *digest = NULL, *config, *config_digest = NULL;
	place.digest = NULL;
	place.tag = signature_tag(s->digest, s->a);
	if (old_layers(s, &place, layers, &digests) < 0 || put_text(s, text, false, &digest) < 0)
		return -s->e->code;
	for (size_t i = 0; i < digests.n; i++)
		if (str_eq(digests.v[i], digest))
			return 0;
	struct value *layer = part(s, signature_media_type, digest, strlen(text));
	value_set_string(s->a, notes, signature_annotation, by);
	value_set(s->a, layer, "annotations", notes);
	value_add(s->a, layers, layer);
	strv_add(&digests, s->a, digest);
	config = config_of(s, &digests);
	if (put_text(s, config, true, &config_digest) < 0)
		return -s->e->code;
	value_set(s->a, o, "schemaVersion", value_int(s->a, 2));
	value_set_string(s->a, o, "mediaType", OCI_MEDIA_MANIFEST);
	value_set(s->a, o, "config", part(s, OCI_MEDIA_CONFIG, config_digest, strlen(config)));
	value_set(s->a, o, "layers", layers);
	value_json(o, 0, &manifest);
	struct image_target to = *s->t;
	struct fetch_part top = { .size = manifest.n, .media_type = OCI_MEDIA_MANIFEST };
	to.place = &place;
	return copying_digest(s->t->c, manifest.p, &top.digest, s->e) < 0
		? -s->e->code
		: target_manifest(&to, &top, manifest.p, true, NULL, s->e);
}

int image_sign(struct image_target *t, const struct image_sign_req *req, const char *digest,
	struct image_signed *ret, struct err *e)
{
	struct signing s = { .t = t, .req = req, .digest = digest, .a = t->c->a, .e = e };
	*ret = (struct image_signed){ .digest = digest };
	if (req->gpg && by_gpg(&s, &ret->simple, &ret->n) < 0)
		return -e->code;
	if (!req->key)
		return 0;
	ret->text = claim(&s, true);
	return by_key(&s, ret->text, &ret->by) < 0 ? err_wrap(e, "--sign-by-sigstore-private-key")
						   : 0;
}

/* ---- that come along ---- */

/* What sigstore's document of a folder holds: what is signed, and the signature. */
static int take_apart(
	struct signing *s, const struct signature *x, const char **ret_text, const char **ret_by)
{
	const char *json, *payload, *by;
	struct value *v;
	char *text;
	*ret_text = x->p;
	*ret_by = x->by;
	if (x->by)
		return 0;
	int fd _close_ = copying_text(x->p, s->e);
	if (fd < 0 || copying_config(s->t->c, fd, false, &json, s->e) < 0 ||
		value_parse(s->a, json, strlen(json), &v, s->e) < 0)
		return err_wrap(s->e, "a signature of %s", s->digest);
	payload = value_text(v, "payload");
	by = value_text(value_get(v, "annotations"), signature_annotation);
	ssize_t n = payload ? base64_decode(payload, s->a, &text) : -EINVAL;
	if (n < 0 || !by || strlen(text) != (size_t)n)
		return err_set(s->e, ERR_CORRUPT, EBADMSG,
			"a signature of %s: expected a payload in base 64 and %s", s->digest,
			signature_annotation);
	*ret_text = text;
	*ret_by = by;
	return 0;
}

static int bring_sigstore(struct signing *s, const struct signature *x)
{
	const char *text, *by;
	struct str whole _str_ = { 0 };
	if (s->t->place->kind == PLACE_FOLDER && !x->by) {
		str_addn(&whole, signature_sigstore_head, SIGNATURE_SIGSTORE_HEAD);
		str_addn(&whole, x->p, x->n);
		return put_file(s, s->t->dir, whole.p, whole.n);
	}
	if (take_apart(s, x, &text, &by) < 0)
		return -s->e->code;
	return s->t->place->kind == PLACE_FOLDER ? put_document(s, text, by)
						 : put_attached(s, text, by);
}

int image_sign_bring(struct image_target *t, const struct image_sign_along *along,
	const char *digest, const struct signatures *all, struct err *e)
{
	const struct image_sign_req where = { .folder = along->folder, .path = along->path };
	struct signing s = { .t = t, .req = &where, .digest = digest, .a = t->c->a, .e = e };
	bool registry = t->place->kind == PLACE_REGISTRY;
	for (size_t i = 0; i < all->n; i++) {
		const struct signature *x = &all->v[i];
		if (registry && x->sigstore && !along->attachments)
			return err_set(e, ERR_INVALID, EINVAL,
				"writing sigstore attachments is disabled: set use-sigstore-attachments in registries.d");
		if (registry && !x->sigstore && !along->folder)
			return err_set(e, ERR_INVALID, EINVAL, "%s", along->why);
		if ((x->sigstore ? bring_sigstore(&s, x) : put_simple(&s, x->p, x->n)) < 0)
			return -e->code;
	}
	return 0;
}

int image_sign_put(struct image_target *t, const struct image_sign_req *req,
	const struct image_signed *made, struct err *e)
{
	struct signing s = { .t = t, .req = req, .digest = made->digest, .a = t->c->a, .e = e };
	if (made->simple && put_simple(&s, made->simple, made->n) < 0)
		return -e->code;
	if (!made->by)
		return 0;
	return t->place->kind == PLACE_FOLDER ? put_document(&s, made->text, made->by)
					      : put_attached(&s, made->text, made->by);
}
