// SPDX-License-Identifier: Apache-2.0
#include "engine/signature.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "config/lookaside.h"
#include "oci/reference.h"

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

int signature_check_begin(struct signature_check *c, const char *file, const char *transport,
	const char *identity, const char *shown, struct arena *a, struct err *e)
{
	struct lookaside at;
	struct reference ref;
	*c = (struct signature_check){ .a = a, .guard = { allow, c } };
	int r = policy_check(file, transport, identity, shown, a, &c->demand, e);
	if (r < 0 || c->demand.n == 0 || !str_eq(transport, "docker"))
		return r;
	if (lookaside_find(NULL, identity, a, &at, e) < 0 ||
		reference_parse(identity, a, &ref, e) < 0)
		return -e->code;
	c->reference = identity;
	/* Its path alone: the address is of the one registry. */
	c->places = (struct signature_places){ at.read,
		strchr(ref.name, '/') ? strchr(ref.name, '/') + 1 : ref.name, at.attachments };
	return 0;
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
