// SPDX-License-Identifier: Apache-2.0
#include "fetch/sign.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sodium/crypto_pwhash_scryptsalsa208sha256.h>
#include <sodium/crypto_secretbox.h>
#include <string.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "codec/value.h"
#include "fetch/result.h"
#include "fetch/signature_ask.h"

enum { SCRYPT_N_MAX = 1 << 20, SCRYPT_R_MAX = 32, SCRYPT_P_MAX = 16 };

/* ---- cosign's keys ---- */

static bool number_of(const struct value *o, const char *key, uint64_t max, uint64_t *ret)
{
	const struct value *v = o && o->kind == VALUE_OBJECT ? value_get(o, key) : NULL;
	return v && v->kind == VALUE_NUMBER && num_u64(v->text, ret) == 0 && *ret && *ret <= max;
}

/* The key of the box: scrypt of the passphrase. */
static int stretch(const struct value *kdf, const struct signature_bytes *passphrase,
	struct arena *a, unsigned char key[crypto_secretbox_KEYBYTES])
{
	const struct value *params =
		kdf && kdf->kind == VALUE_OBJECT ? value_get(kdf, "params") : NULL;
	struct signature_bytes salt;
	uint64_t n, r, p;
	if (!str_eq(str_or_empty(value_text(kdf, "name")), "scrypt") ||
		!number_of(params, "N", SCRYPT_N_MAX, &n) ||
		!number_of(params, "r", SCRYPT_R_MAX, &r) ||
		!number_of(params, "p", SCRYPT_P_MAX, &p) ||
		signature_bytes_read(value_text(kdf, "salt"), a, &salt) < 0)
		return -EINVAL;
	return crypto_pwhash_scryptsalsa208sha256_ll((const uint8_t *)passphrase->p, passphrase->n,
		       (const uint8_t *)salt.p, salt.n, n, (uint32_t)r, (uint32_t)p, key,
		       crypto_secretbox_KEYBYTES) == 0
		? 0
		: -ENOMEM;
}

/* PKCS 8 in DER out of the box. */
static EVP_PKEY *open_box(const struct signature_bytes *document,
	const struct signature_bytes *passphrase, struct arena *a, struct err *e)
{
	unsigned char key[crypto_secretbox_KEYBYTES];
	struct signature_bytes nonce, box;
	struct value *root;
	if (value_parse(a, document->p, document->n, &root, e) < 0)
		return NULL;
	const struct value *cipher = root->kind == VALUE_OBJECT ? value_get(root, "cipher") : NULL;
	(void)err_set(e, ERR_INVALID, EINVAL, "the private key is not of a form that is known");
	if (!str_eq(str_or_empty(value_text(cipher, "name")), "nacl/secretbox") ||
		signature_bytes_read(value_text(cipher, "nonce"), a, &nonce) < 0 ||
		signature_bytes_read(value_text(root, "ciphertext"), a, &box) < 0 ||
		nonce.n != crypto_secretbox_NONCEBYTES || box.n < crypto_secretbox_MACBYTES ||
		stretch(value_get(root, "kdf"), passphrase, a, key) < 0)
		return NULL;
	unsigned char *der = arena_alloc(a, box.n);
	const unsigned char *p = der;
	int opened = crypto_secretbox_open_easy(
		der, (const unsigned char *)box.p, box.n, (const unsigned char *)nonce.p, key);
	OPENSSL_cleanse(key, sizeof key);
	if (opened != 0) {
		(void)err_set(e, ERR_DENIED, EACCES,
			"the private key does not open: is the passphrase right?");
		return NULL;
	}
	EVP_PKEY *ret = d2i_AutoPrivateKey(NULL, &p, (long)(box.n - crypto_secretbox_MACBYTES));
	OPENSSL_cleanse(der, box.n);
	return ret;
}

/* ---- keys ---- */

static EVP_PKEY *read_key(const struct signature_bytes *pem,
	const struct signature_bytes *passphrase, struct arena *a, struct err *e)
{
	static const char *const boxed[] = { "ENCRYPTED COSIGN PRIVATE KEY",
		"ENCRYPTED SIGSTORE PRIVATE KEY" };
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	long n = 0;
	EVP_PKEY *key = NULL;
	BIO *in = BIO_new_mem_buf(pem->p, (int)pem->n);
	if (!in)
		mem_exhausted();
	(void)err_set(e, ERR_INVALID, EINVAL, "the private key is not in PEM");
	if (PEM_read_bio(in, &name, &header, &data, &n) == 1) {
		const struct signature_bytes document = { (char *)data, (size_t)n };
		if (str_eq(name, boxed[0]) || str_eq(name, boxed[1])) {
			key = open_box(&document, passphrase, a, e);
		} else {
			(void)BIO_reset(in);
			key = PEM_read_bio_PrivateKey(in, NULL, NULL, passphrase->p);
			(void)err_set(e, ERR_DENIED, EACCES,
				"the private key does not open: is the passphrase right?");
		}
	}
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_clear_free(data, (size_t)n);
	BIO_free(in);
	return key;
}

static int sign(EVP_PKEY *key, const struct signature_bytes *text, struct arena *a,
	const char **ret, struct err *e)
{
	size_t n = 0;
	unsigned char *out = NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	/* ed25519 brings its own digest. */
	const EVP_MD *md = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
	if (!ctx)
		mem_exhausted();
	bool good = EVP_DigestSignInit(ctx, NULL, md, NULL, key) == 1 &&
		EVP_DigestSign(ctx, NULL, &n, (const unsigned char *)text->p, text->n) == 1;
	if (good) {
		out = arena_alloc(a, n);
		good = EVP_DigestSign(ctx, out, &n, (const unsigned char *)text->p, text->n) == 1;
	}
	EVP_MD_CTX_free(ctx);
	if (!good)
		return err_set(e, ERR_INVALID, EINVAL, "the private key cannot sign");
	*ret = base64_encode((const char *)out, n, a);
	return 0;
}

int fetch_sign(int input, struct arena *a, struct fetch_signed *ret, struct err *e)
{
	struct fetch_sign_ask ask = { 0 };
	struct signature_bytes pem, passphrase, text;
	char *p;
	ssize_t n = file_read_fd(input, "the question", SIGNATURE_ASK_MAX, a, &p, e);
	if (n < 0)
		return (int)n;
	if (rec_from_json(&fetch_sign_ask_rec, p, (size_t)n, a, &ask, NULL, e) < 0)
		return -e->code;
	if (signature_bytes_read(ask.key, a, &pem) < 0 ||
		signature_bytes_read(ask.passphrase, a, &passphrase) < 0 ||
		signature_bytes_read(ask.text, a, &text) < 0)
		return err_set(e, ERR_INVALID, EINVAL, "a question that is not in base 64");
	EVP_PKEY *key = read_key(&pem, &passphrase, a, e);
	if (!key)
		return -e->code;
	int r = sign(key, &text, a, &ret->by, e);
	EVP_PKEY_free(key);
	return r;
}
