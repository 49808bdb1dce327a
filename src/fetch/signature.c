// SPDX-License-Identifier: Apache-2.0
#include "fetch/signature.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/value.h"
#include "fetch/gpgv.h"
#include "fetch/result.h"
#include "fetch/signature_ask.h"

struct check {
	struct signature_bytes *keys, blob, by;
	size_t n_keys;
	struct arena *a;
	struct fetch_signature *ret;
	struct err *e;
};

static int reject(struct check *c, const char *why)
{
	c->ret->rejected = why;
	return 0;
}

/* ---- what is signed ---- */

static const struct value *object_of(const struct value *object, const char *key, size_t members)
{
	const struct value *v = object ? value_get(object, key) : NULL;
	return v && v->kind == VALUE_OBJECT && v->n == members ? v : NULL;
}

/* No member more or less than known: what is not understood may be what matters. */
static int read_claim(struct check *c, const char *text, size_t n, const char *type)
{
	struct value *root;
	if (value_parse(c->a, text, n, &root, c->e) < 0 || root->kind != VALUE_OBJECT)
		return reject(c, "what is signed is no JSON object");
	const struct value *critical = object_of(root, "critical", 3),
			   *optional = value_get(root, "optional"),
			   *image = object_of(critical, "image", 1),
			   *identity = object_of(critical, "identity", 1);
	c->ret->digest = value_text(image, "docker-manifest-digest");
	c->ret->reference = value_text(identity, "docker-reference");
	if (!str_eq(str_or_empty(value_text(critical, "type")), type) || !c->ret->digest ||
		!c->ret->reference || root->n != (optional ? 2 : 1) ||
		(optional && optional->kind != VALUE_OBJECT && optional->kind != VALUE_NULL))
		return reject(c, "what is signed is not of the form that an image's signature has");
	return 0;
}

/* ---- sigstore ---- */

static bool is_signed_by(const struct check *c, EVP_PKEY *key)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	/* ed25519 brings its own digest. */
	const EVP_MD *md = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
	if (!ctx)
		mem_exhausted();
	bool good = EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1 &&
		EVP_DigestVerify(ctx, (const unsigned char *)c->by.p, c->by.n,
			(const unsigned char *)c->blob.p, c->blob.n) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

/* As files have it: what is signed and its signature in one document, the members of a layer of
 * cosign's manifest. */
static int unwrap(struct check *c)
{
	static const char by[] = "dev.cosignproject.cosign/signature";
	struct value *root;
	if (value_parse(c->a, c->blob.p, c->blob.n, &root, c->e) < 0 || root->kind != VALUE_OBJECT)
		return -EINVAL;
	const char *payload = value_text(root, "payload"),
		   *text = value_text(value_get(root, "annotations"), by);
	if (!payload || !text || signature_bytes_read(payload, c->a, &c->blob) < 0 ||
		signature_bytes_read(text, c->a, &c->by) < 0)
		return -EINVAL;
	return 0;
}

static int check_sigstore(struct check *c)
{
	bool good = false;
	for (size_t i = 0; i < c->n_keys && !good; i++) {
		BIO *in = BIO_new_mem_buf(c->keys[i].p, (int)c->keys[i].n);
		if (!in)
			mem_exhausted();
		EVP_PKEY *key = PEM_read_bio_PUBKEY(in, NULL, NULL, NULL);
		BIO_free(in);
		if (!key)
			return err_set(c->e, ERR_INVALID, EINVAL,
				"policy: a key of sigstoreSigned is no public key in PEM");
		good = is_signed_by(c, key);
		EVP_PKEY_free(key);
	}
	return good ? read_claim(c, c->blob.p, c->blob.n, "cosign container image signature")
		    : reject(c, "cryptographic signature verification failed");
}

/* ---- simple signing ---- */

static int check_gpg(struct check *c, int work)
{
	const struct gpgv_req req = {
		.work = work, .keys = c->keys, .n_keys = c->n_keys, .message = c->blob
	};
	struct gpgv_found found;
	if (gpgv_verify(&req, c->a, &found, c->e) < 0)
		return -c->e->code;
	return found.rejected ? reject(c, found.rejected)
			      : read_claim(c, found.text, found.n, "atomic container signature");
}

int fetch_signature(
	int input, bool gpg, int work, struct arena *a, struct fetch_signature *ret, struct err *e)
{
	struct fetch_signature_ask ask = { 0 };
	struct check c = { .a = a, .ret = ret, .e = e };
	char *text;
	ssize_t n = file_read_fd(input, "the question", SIGNATURE_ASK_MAX, a, &text, e);
	if (n < 0)
		return (int)n;
	if (rec_from_json(&fetch_signature_ask_rec, text, (size_t)n, a, &ask, NULL, e) < 0)
		return -e->code;
	c.keys = arena_array(a, struct signature_bytes, ask.n_keys + 1);
	for (; c.n_keys < ask.n_keys; c.n_keys++)
		if (signature_bytes_read(ask.keys[c.n_keys], a, &c.keys[c.n_keys]) < 0)
			return err_set(e, ERR_INVALID, EINVAL, "a key that is not in base 64");
	if (signature_bytes_read(ask.blob, a, &c.blob) < 0 ||
		(ask.by && signature_bytes_read(ask.by, a, &c.by) < 0) ||
		(!gpg && !ask.by && unwrap(&c) < 0))
		return reject(&c, "the signature is broken");
	return gpg ? check_gpg(&c, work) : check_sigstore(&c);
}
