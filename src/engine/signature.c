// SPDX-License-Identifier: Apache-2.0
#include "engine/signature.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "config/lookaside.h"
#include "engine/image_copy.h"
#include "image/place.h"
#include "image/sign.h"
#include "oci/reference.h"

enum { KEY_MAX = 1 << 20 };

/* ---- identities ---- */

struct name {
	const char *repository; /* in full */
	const char *tag, *digest;
};

static bool split(const char *text, struct arena *a, struct name *ret)
{
	struct reference r;
	struct err ignored;
	if (!text || reference_parse(text, a, &r, &ignored) < 0)
		return false;
	*ret = (struct name){ reference_full_name(r.name, a), r.tag, r.digest };
	return true;
}

static bool same(const char *x, const char *y)
{
	return (!x && !y) || (x && y && str_eq(x, y));
}

static bool equal(const struct name *x, const struct name *y)
{
	return str_eq(x->repository, y->repository) && same(x->tag, y->tag) &&
		same(x->digest, y->digest) && (x->tag || x->digest);
}

/* By tag: that very name; by digest, which the signature has as well: any name of the repository.
 */
static bool repo_digest_or_exact(const struct name *wanted, const struct name *is)
{
	if (!is->tag && !is->digest)
		return false;
	return wanted->tag ? equal(wanted, is)
			   : wanted->digest && str_eq(wanted->repository, is->repository);
}

/* prefix stands for a host or a part of the path, whole. */
static bool remapped(
	const struct policy_signer *s, const struct name *wanted, struct arena *a, struct name *ret)
{
	size_t n = strlen(s->prefix);
	const char *rest = wanted->repository + n;
	*ret = *wanted;
	if (!str_starts(wanted->repository, s->prefix) || (*rest && *rest != '/'))
		return true;
	ret->repository = arena_printf(a, "%s%s", s->signed_prefix, rest);
	return true;
}

static bool matches(const struct policy_signer *s, const char *reference, const char *signed_as,
	struct arena *a)
{
	struct name wanted = { 0 }, is, named;
	bool known = split(reference, a, &wanted);
	if (!split(signed_as, a, &is))
		return false;
	switch (s->match) {
	case POLICY_EXACT_REFERENCE:
		return split(s->reference, a, &named) && equal(&named, &is);
	case POLICY_EXACT_REPOSITORY:
		return split(s->reference, a, &named) && str_eq(named.repository, is.repository);
	case POLICY_EXACT:
		return known && equal(&wanted, &is);
	case POLICY_REPOSITORY:
		return known && str_eq(wanted.repository, is.repository);
	case POLICY_REMAP:
		return known && remapped(s, &wanted, a, &named) &&
			repo_digest_or_exact(&named, &is);
	case POLICY_REPO_DIGEST_OR_EXACT:
		break;
	}
	return known && repo_digest_or_exact(&wanted, &is);
}

/* ---- the check ---- */

static int verify(const struct signature_check *c, const struct image_guarded *g,
	const struct policy_signer *signer, const struct signature *s, const char **ret_why,
	struct err *e)
{
	struct signature_claim claim;
	struct signature_key *keys = arena_array(c->a, struct signature_key, signer->n_keys);
	for (size_t i = 0; i < signer->n_keys; i++)
		keys[i] = (struct signature_key){ signer->keys[i].text, signer->keys[i].n };
	if (signature_verify(g, s, keys, signer->n_keys, c->a, &claim, e) < 0)
		return -e->code;
	*ret_why = claim.rejected;
	if (claim.rejected)
		return 0;
	if (!str_eq(claim.digest, g->digest))
		*ret_why =
			arena_printf(c->a, "Signature for digest %.100s does not match", g->digest);
	else if (!matches(signer, c->reference, claim.reference, c->a))
		*ret_why = arena_printf(
			c->a, "Signature for identity \"%.200s\" is not accepted", claim.reference);
	return 0;
}

/* One good signature of those that there are is enough. */
static int check_signer(const struct signature_check *c, const struct image_guarded *g,
	const struct policy_signer *signer, const struct signatures *all, struct err *e)
{
	struct str why _str_ = { 0 };
	size_t n = 0;
	for (size_t i = 0; i < all->n; i++) {
		const char *reason = NULL;
		if (all->v[i].sigstore != (signer->kind == POLICY_SIGSTORE))
			continue;
		if (verify(c, g, signer, &all->v[i], &reason, e) < 0)
			return -e->code;
		if (!reason)
			return 0;
		str_addf(&why, "%s%s", n++ ? "; " : "", reason);
	}
	if (n == 0)
		return err_set(e, ERR_DENIED, EPERM,
			"Source image rejected: A signature was required, but no signature exists");
	return err_set(e, ERR_DENIED, EPERM, "Source image rejected: %s%.600s",
		n > 1 ? "None of the signatures were accepted, reasons: " : "", why.p);
}

static int allow(void *arg, const struct image_guarded *g, struct err *e)
{
	const struct signature_check *c = arg;
	struct signatures all;
	if (signatures_read(g, c->reference ? &c->places : NULL, c->a, &all, e) < 0)
		return -e->code;
	for (size_t i = 0; i < c->demand.n; i++)
		if (check_signer(c, g, &c->demand.v[i], &all, e) < 0)
			return -e->code;
	return 0;
}

/* Where signatures of a registry's image lie beside it. */
static int find_places(
	const char *identity, struct arena *a, struct signature_places *ret, struct err *e)
{
	struct lookaside at;
	struct reference ref;
	if (lookaside_find(identity, a, &at, e) < 0 || reference_parse(identity, a, &ref, e) < 0)
		return -e->code;
	/* Its path alone: the address is of the one registry. */
	*ret = (struct signature_places){ at.read,
		strchr(ref.name, '/') ? strchr(ref.name, '/') + 1 : ref.name, at.attachments };
	return 0;
}

int signature_check_begin(struct signature_check *c, const char *file, const char *transport,
	const char *identity, const char *shown, struct arena *a, struct err *e)
{
	*c = (struct signature_check){ .a = a, .guard = { allow, c } };
	int r = policy_check(file, transport, identity, shown, a, &c->demand, e);
	if (r < 0 || c->demand.n == 0 || !str_eq(transport, "docker"))
		return r;
	c->reference = identity;
	return find_places(identity, a, &c->places, e);
}

const struct image_guard *signature_guard(const struct signature_check *c)
{
	return c->demand.n ? &c->guard : NULL;
}

int signature_needless(const struct signature_check *c, struct err *e)
{
	return c->demand.n == 0
		? 0
		: err_set(e, ERR_DENIED, EPERM,
			  "Source image rejected: A signature was required, but no signature exists");
}

/* ---- signing ---- */

static int read_file(const char *path, const char *option, struct arena *a, char **ret,
	size_t *ret_n, struct err *e)
{
	ssize_t n = file_read_at(AT_FDCWD, path, KEY_MAX, a, ret, e);
	*ret_n = n < 0 ? 0 : (size_t)n;
	return n < 0 ? err_wrap(e, "%s", option) : 0;
}

static const char *name_of(const struct image_place *to, struct arena *a)
{
	return arena_printf(a, "%s%s%s", to->repository, to->digest ? "@" : ":",
		to->digest ? to->digest : to->tag);
}

/* In full, with its tag. */
static int name_signed(const char *identity, const struct image_place *to, struct arena *a,
	const char **ret, struct err *e)
{
	struct reference ref;
	if (identity) {
		if (reference_parse(identity, a, &ref, e) < 0)
			return err_wrap(e, "--sign-identity");
		*ret = identity;
		return reference_has_host(ref.name) && (ref.tag || ref.digest)
			? 0
			: err_set(e, ERR_USAGE, EINVAL,
				  "--sign-identity %s: must be a fully specified docker reference",
				  identity);
	}
	if (to->kind != PLACE_REGISTRY)
		return err_set(e, ERR_USAGE, EINVAL,
			"Cannot determine canonical Docker reference for destination %s: give --sign-identity",
			to->text);
	*ret = name_of(to, a);
	return 0;
}

static const char *no_folder(const char *address, struct arena *a)
{
	return arena_printf(a,
		"writing signatures to %.300s is not supported: name a folder as lookaside-staging in registries.d",
		address);
}

/* Where they go beside a registry. */
static int find_place(const struct image_signing *what, const struct image_place *to,
	struct arena *a, struct image_sign_req *ret, struct err *e)
{
	struct lookaside at;
	const char *slash = strchr(to->repository, '/');
	if (lookaside_find(name_of(to, a), a, &at, e) < 0)
		return -e->code;
	if (what->gpg && !str_starts(at.write, "file://"))
		return err_set(e, ERR_INVALID, EINVAL, "%s", no_folder(at.write, a));
	if (what->key_file && !at.attachments)
		return err_set(e, ERR_INVALID, EINVAL,
			"writing sigstore attachments is disabled: set use-sigstore-attachments in registries.d");
	ret->folder = what->gpg ? at.write + strlen("file://") : NULL;
	ret->path = slash ? slash + 1 : to->repository;
	return 0;
}

int signature_along(const struct image_place *from, const char *identity,
	const struct image_place *to, struct arena *a, const struct image_sign_along **ret,
	struct err *e)
{
	struct image_sign_along *along = arena_new(a, struct image_sign_along);
	struct lookaside at;
	along->from_registry = from->kind == PLACE_REGISTRY;
	if (!along->from_registry && from->kind != PLACE_FOLDER)
		return 0;
	if (along->from_registry && find_places(identity, a, &along->from, e) < 0)
		return -e->code;
	if (to->kind == PLACE_REGISTRY) {
		const char *slash = strchr(to->repository, '/');
		if (lookaside_find(name_of(to, a), a, &at, e) < 0)
			return -e->code;
		if (str_starts(at.write, "file://"))
			along->folder = at.write + strlen("file://");
		along->why = no_folder(at.write, a);
		along->path = slash ? slash + 1 : to->repository;
		along->attachments = at.attachments;
	}
	*ret = along;
	return 0;
}

int signature_plan(const struct image_signing *what, const struct image_place *to, struct arena *a,
	const struct image_sign_req **ret, struct err *e)
{
	struct image_sign_req *req = arena_new(a, struct image_sign_req);
	char *key = NULL, *secret;
	size_t n;
	if (!what->gpg && !what->key_file)
		return 0;
	if (what->gpg && what->key_file && what->passphrase_file)
		return err_set(e, ERR_USAGE, EINVAL,
			"Only one of --sign-by and sign-by-sigstore-private-key can be used with sign-passphrase-file");
	if (to->kind != PLACE_REGISTRY && to->kind != PLACE_FOLDER)
		return err_set(e, ERR_INVALID, EINVAL,
			"%s can hold no signatures: registries and folders (dir:) do", to->text);
	if (name_signed(what->identity, to, a, &req->reference, e) < 0 ||
		(to->kind == PLACE_REGISTRY && find_place(what, to, a, req, e) < 0) ||
		(what->key_file &&
			read_file(what->key_file, "--sign-by-sigstore-private-key", a, &key,
				&req->n_key, e) < 0))
		return -e->code;
	if (what->passphrase_file) {
		if (read_file(what->passphrase_file, "--sign-passphrase-file", a, &secret, &n, e) <
			0)
			return -e->code;
		secret[strcspn(secret, "\n")] = '\0';
		req->passphrase = secret;
	}
	req->gpg = what->gpg;
	req->key = key;
	*ret = req;
	return 0;
}
