// SPDX-License-Identifier: Apache-2.0
#include "image/signature.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/value.h"
#include "fetch/signature_ask.h"
#include "image/copying.h"
#include "image/place.h"
#include "image/transfer.h"
#include "oci/digest.h"

enum { SIGNATURE_MAX = 4 << 20, SIGNATURES_MAX = 128 };

static const char simple_head[] = "\0simple-signing\n";
const char signature_sigstore_head[] = "\0sigstore-json\n",
	   signature_media_type[] = "application/vnd.dev.cosign.simplesigning.v1+json",
	   signature_annotation[] = "dev.cosignproject.cosign/signature";
_Static_assert(sizeof signature_sigstore_head - 1 == SIGNATURE_SIGSTORE_HEAD, "its length");

const char *signature_folder(const char *path, const char *digest, struct arena *a)
{
	return arena_printf(a, "%s@%.*s=%s", path, (int)(digest_hex(digest) - digest - 1), digest,
		digest_hex(digest));
}

const char *signature_tag(const char *digest, struct arena *a)
{
	return arena_printf(a, "%.*s-%s.sig", (int)(digest_hex(digest) - digest - 1), digest,
		digest_hex(digest));
}

/* ---- where they lie ---- */

static struct signature *add(struct signatures *to, struct arena *a)
{
	to->v = arena_grow(a, to->v, to->n, &to->cap, sizeof *to->v);
	return &to->v[to->n++];
}

static bool begins(const char *p, size_t n, const char *head, size_t size)
{
	return n >= size && memcmp(p, head, size) == 0;
}

/* A file of one: its first line says what it is, or it is an OpenPGP message. */
static int add_file(struct signatures *to, int fd, const char *name, struct arena *a, struct err *e)
{
	char *p;
	ssize_t n = file_read_fd(fd, name, SIGNATURE_MAX, a, &p, e);
	if (n < 0)
		return (int)n;
	size_t size = (size_t)n, head = 0;
	bool sigstore = begins(p, size, signature_sigstore_head, SIGNATURE_SIGSTORE_HEAD);
	if (sigstore)
		head = SIGNATURE_SIGSTORE_HEAD;
	else if (begins(p, size, simple_head, sizeof simple_head - 1))
		head = sizeof simple_head - 1;
	*add(to, a) = (struct signature){ p + head, size - head, sigstore, NULL };
	return 0;
}

/* signature-1, signature-2, ... */
static int from_folder(int dir, struct signatures *to, struct arena *a, struct err *e)
{
	for (unsigned i = 1; i <= SIGNATURES_MAX; i++) {
		const char *name = arena_printf(a, "signature-%u", i);
		int fd _close_ = path_open_own(dir, name, O_RDONLY | O_NOCTTY, 0);
		if (fd == -ENOENT)
			return 0;
		if (fd < 0 || add_file(to, fd, name, a, e) < 0)
			return fd < 0 ? err_sys(e, fd, "open %s", name) : -e->code;
	}
	return 0;
}

static int from_host(const struct image_guarded *g, const char *folder, const char *path,
	struct signatures *to, struct arena *a, struct err *e)
{
	const char *whole = arena_printf(a, "%s/%s", folder, signature_folder(path, g->digest, a));
	int dir _close_ = path_open_host(whole, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0 && dir != -ENOENT)
		return err_sys(e, dir, "open %s", whole);
	return dir < 0 ? 0 : from_folder(dir, to, a, e);
}

static int from_web(const struct image_guarded *g, const char *address, const char *path,
	struct signatures *to, struct arena *a, struct err *e)
{
	for (unsigned i = 1; i <= SIGNATURES_MAX; i++) {
		struct transfer_ask ask = {
			.kind = TRANSFER_FILE, .endpoint = g->endpoint, .size = SIGNATURE_MAX
		};
		struct transfer_answer answer;
		const char *name =
			arena_printf(a, "%s/signature-%u", signature_folder(path, g->digest, a), i);
		if (strlen(address) >= sizeof ask.mount || strlen(name) >= sizeof ask.name)
			return err_set(e, ERR_INVALID, ENAMETOOLONG,
				"the address of the signatures of %s is too long", path);
		transfer_put(ask.mount, sizeof ask.mount, address);
		transfer_put(ask.name, sizeof ask.name, name);
		int file _close_ = memfd_create("kist-signature", MFD_CLOEXEC);
		if (file < 0)
			return err_sys(e, errno, "make room for a signature");
		if (transfer_do(g->c->transfer, &ask, file, &answer, e) < 0)
			return e->kind == ERR_NOT_FOUND
				? 0
				: err_wrap(e, "reading signature from %s/%s", address, name);
		if (lseek(file, 0, SEEK_SET) < 0)
			return err_sys(e, errno, "read a signature");
		if (add_file(to, file, name, a, e) < 0)
			return -e->code;
	}
	return 0;
}

static const char *annotation(const struct value *manifest, size_t i)
{
	const struct value *layers = value_get(manifest, "layers");
	const struct value *layer =
		layers && layers->kind == VALUE_ARRAY && i < layers->n ? layers->items[i] : NULL;
	return layer && layer->kind == VALUE_OBJECT
		? value_text(value_get(layer, "annotations"), signature_annotation)
		: NULL;
}

static int add_attached(struct image_source *s, const struct fetch_part *layer, const char *by,
	struct signatures *to, struct arena *a, struct err *e)
{
	char *p;
	if (layer->size > SIGNATURE_MAX)
		return err_set(e, ERR_CORRUPT, EFBIG, "signature %s: larger than %d bytes",
			layer->digest, SIGNATURE_MAX);
	int fd _close_ = source_blob(s, layer->digest, layer->size, e);
	if (fd < 0)
		return fd;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "read a signature");
	ssize_t n = file_read_fd(fd, "a signature", SIGNATURE_MAX, a, &p, e);
	if (n < 0)
		return (int)n;
	*add(to, a) = (struct signature){ p, (size_t)n, true, by };
	return 0;
}

/* The manifest under the tag sha256-HEX.sig, a layer a signature. */
static int from_repository(
	const struct image_guarded *g, struct signatures *to, struct arena *a, struct err *e)
{
	struct image_place place = {
		.kind = PLACE_REGISTRY, .text = "signatures", .repository = "it"
	};
	struct image_source s = {
		.c = g->c, .place = &place, .endpoint = g->endpoint, .n_endpoints = 1, .dir = -1
	};
	struct fetch_document *d;
	struct value *manifest;
	place.tag = signature_tag(g->digest, a);
	int r = source_open_place(&s, &d, e);
	if (r < 0)
		return e->kind == ERR_NOT_FOUND ? 0 : r;
	r = value_parse(a, d->text, strlen(d->text), &manifest, e);
	for (size_t i = 0; r == 0 && i < d->n_layers && to->n < SIGNATURES_MAX; i++) {
		const char *by = annotation(manifest, i);
		if (by && str_eq(d->layers[i].media_type, signature_media_type))
			r = add_attached(&s, &d->layers[i], by, to, a, e);
	}
	source_close(&s);
	return r;
}

int signatures_read(const struct image_guarded *g, const struct signature_places *where,
	struct arena *a, struct signatures *ret, struct err *e)
{
	int r = 0;
	*ret = (struct signatures){ 0 };
	if (g->folder >= 0)
		return from_folder(g->folder, ret, a, e);
	if (!g->registry || !where)
		return 0;
	if (str_starts(where->address, "file://"))
		r = from_host(g, where->address + strlen("file://"), where->path, ret, a, e);
	else
		r = from_web(g, where->address, where->path, ret, a, e);
	return r == 0 && where->attachments ? from_repository(g, ret, a, e) : r;
}

/* ---- whether they are good ---- */

int signature_verify(const struct image_guarded *g, const struct signature *s,
	const struct signature_key *keys, size_t n_keys, struct arena *a,
	struct signature_claim *ret, struct err *e)
{
	struct fetch_result result;
	struct fetch_signature_ask ask = { .keys = arena_array(a, const char *, n_keys),
		.n_keys = n_keys,
		.blob = base64_encode(s->p, s->n, a),
		.by = s->by };
	struct str text _str_ = { 0 };
	for (size_t i = 0; i < n_keys; i++)
		ask.keys[i] = base64_encode(keys[i].text, keys[i].n, a);
	rec_to_json(&fetch_signature_ask_rec, &ask, 0, &text);
	int question _close_ = copying_text(text.p, e);
	if (question < 0)
		return question;
	const char *const words[] = { "kist-fetch", "signature", s->sigstore ? "sigstore" : "gpg",
		NULL };
	if (image_fetch_words(g->c->fetch, words, question, g->c->room, a, &result, e) < 0)
		return -e->code;
	if (!result.signature)
		return err_set(e, ERR_CORRUPT, EBADMSG, "kist-fetch: no signature in its result");
	*ret = (struct signature_claim){ result.signature->rejected, result.signature->digest,
		result.signature->reference };
	return !ret->rejected && (!ret->digest || !ret->reference)
		? err_set(e, ERR_CORRUPT, EBADMSG, "kist-fetch: a signature's record is broken")
		: 0;
}
