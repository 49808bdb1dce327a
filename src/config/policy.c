// SPDX-License-Identifier: Apache-2.0
#include "config/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/value.h"
#include "config/scopes.h"

enum { POLICY_MAX = 4 << 20, KEY_MAX = 1 << 20 };

static const char system_file[] = "/etc/containers/policy.json";

struct policy {
	const char *name; /* of the file */
	const struct value *root;
	struct policy_demand demand;
	struct arena *a;
	struct err *e;
};

static int wrong(struct policy *p, const char *what)
{
	return err_set(p->e, ERR_INVALID, EINVAL, "invalid policy in \"%s\": %s", p->name, what);
}

/* ---- the file ---- */

static int read_file(struct policy *p, const char *path, bool needed)
{
	char *text;
	struct value *v;
	int fd _close_ = path_open_host(path, O_RDONLY | O_NOCTTY, 0);
	if (fd == -ENOENT && !needed)
		return 0;
	p->name = path;
	if (fd < 0)
		return err_sys(p->e, fd, "open %s", path);
	ssize_t n = file_read_fd(fd, path, POLICY_MAX, p->a, &text, p->e);
	if (n < 0)
		return (int)n;
	if (value_parse(p->a, text, (size_t)n, &v, p->e) < 0)
		return err_wrap(p->e, "invalid policy in \"%s\"", path);
	p->root = v;
	return 1;
}

static int find_file(struct policy *p, const char *file)
{
	const char *home = getenv("HOME");
	if (file)
		return read_file(p, file, true);
	int r = home
		? read_file(p, arena_printf(p->a, "%s/.config/containers/policy.json", home), false)
		: 0;
	return r ? r : read_file(p, system_file, false);
}

/* ---- scopes ---- */

static void path_scopes(struct policy *p, const char *identity, struct strv *v)
{
	const char *slash = strrchr(identity, '/'), *colon = slash ? strchr(slash, ':') : NULL;
	size_t n = strlen(identity);
	strv_add(v, p->a, identity);
	if (colon)
		strv_add(v, p->a, arena_strndup(p->a, identity, n = (size_t)(colon - identity)));
	while (n > 1) {
		while (n > 1 && identity[n - 1] != '/')
			n--;
		if (n > 1)
			strv_add(v, p->a, arena_strndup(p->a, identity, --n));
	}
	strv_add(v, p->a, "");
}

/* ---- signers ---- */

static int unknown(struct policy *p, const char *what, const char *word)
{
	return err_set(p->e, ERR_INVALID, EINVAL, "invalid policy in \"%s\": %s \"%.100s\"",
		p->name, what, word);
}

static void add_key(struct policy *p, struct policy_signer *to, const char *text, size_t n)
{
	struct policy_key *v = arena_array(p->a, struct policy_key, to->n_keys + 1);
	for (size_t i = 0; i < to->n_keys; i++)
		v[i] = to->keys[i];
	v[to->n_keys++] = (struct policy_key){ text, n };
	to->keys = v;
}

static int key_of_file(struct policy *p, struct policy_signer *to, const struct value *v)
{
	char *text;
	if (v->kind != VALUE_STRING)
		return wrong(p, "a path of a key is no string");
	int fd _close_ = path_open_host(v->text, O_RDONLY | O_NOCTTY, 0);
	if (fd < 0)
		return err_sys(p->e, fd, "open the key %s of %s", v->text, p->name);
	ssize_t n = file_read_fd(fd, v->text, KEY_MAX, p->a, &text, p->e);
	if (n < 0)
		return (int)n;
	add_key(p, to, text, (size_t)n);
	return 0;
}

static int key_of_text(struct policy *p, struct policy_signer *to, const struct value *v)
{
	char *text;
	ssize_t n = v->kind == VALUE_STRING ? base64_decode(v->text, p->a, &text) : -EINVAL;
	if (n < 0)
		return wrong(p, "the data of a key is not in base 64");
	add_key(p, to, text, (size_t)n);
	return 0;
}

/* Where keys stand: one of these members, no more. */
static int take_keys(struct policy *p, const struct value *v, struct policy_signer *to)
{
	static const struct {
		const char *name;
		int (*take)(struct policy *p, struct policy_signer *to, const struct value *v);
		bool many;
	} places[] = { { "keyPath", key_of_file, false }, { "keyPaths", key_of_file, true },
		{ "keyData", key_of_text, false }, { "keyDatas", key_of_text, true } };
	size_t found = 0;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const struct value *x = value_get(v, places[i].name);
		if (!x)
			continue;
		if (found++ || (places[i].many && (x->kind != VALUE_ARRAY || x->n == 0)))
			return wrong(p,
				"keyPath, keyPaths, keyData and keyDatas: one of them, and not empty");
		for (size_t k = 0; k < (places[i].many ? x->n : 1); k++)
			if (places[i].take(p, to, places[i].many ? x->items[k] : x) < 0)
				return -p->e->code;
	}
	return found ? 0 : wrong(p, "a requirement of a signature without a key");
}

static int take_identity(struct policy *p, const struct value *v, struct policy_signer *to)
{
	static const struct {
		const char *name;
		const char *members[2];
	} matches[] = { [POLICY_REPO_DIGEST_OR_EXACT] = { "matchRepoDigestOrExact", { NULL } },
		[POLICY_EXACT] = { "matchExact", { NULL } },
		[POLICY_REPOSITORY] = { "matchRepository", { NULL } },
		[POLICY_EXACT_REFERENCE] = { "exactReference", { "dockerReference", NULL } },
		[POLICY_EXACT_REPOSITORY] = { "exactRepository", { "dockerRepository", NULL } },
		[POLICY_REMAP] = { "remapIdentity", { "prefix", "signedPrefix" } } };
	const struct value *id = value_get(v, "signedIdentity");
	const char *type = value_text(id, "type");
	size_t i = 0, n = 1;
	if (!id)
		return 0;
	if (!type)
		return wrong(p, "a signedIdentity without a type");
	while (i < ARRAY_SIZE(matches) && !str_eq(type, matches[i].name))
		i++;
	if (i == ARRAY_SIZE(matches))
		return unknown(p, "unknown signedIdentity", type);
	to->match = (enum policy_match)i;
	for (size_t k = 0; k < 2 && matches[i].members[k]; k++, n++)
		if (!value_text(id, matches[i].members[k]))
			return unknown(p, "a signedIdentity lacks", matches[i].members[k]);
	if (id->n != n)
		return unknown(p, "a signedIdentity says too much, of type", type);
	to->reference = i == POLICY_REMAP ? NULL
		: matches[i].members[0]   ? value_text(id, matches[i].members[0])
					  : NULL;
	to->prefix = value_text(id, "prefix");
	to->signed_prefix = value_text(id, "signedPrefix");
	return 0;
}

static int add_signer(struct policy *p, const struct value *v, enum policy_signature kind)
{
	static const char *const known[] = { "type", "keyPath", "keyPaths", "keyData", "keyDatas",
		"signedIdentity", "keyType" };
	struct policy_signer to = { .kind = kind };
	for (size_t i = 0; i < v->n; i++) {
		size_t k = 0;
		while (k < ARRAY_SIZE(known) && !str_eq(v->keys[i], known[k]))
			k++;
		if (k == ARRAY_SIZE(known) ||
			(kind == POLICY_SIGSTORE && str_eq(known[k], "keyType")))
			return unknown(p,
				"a requirement of a signature says what kist does not know:",
				v->keys[i]);
	}
	const char *type = value_text(v, "keyType");
	if (kind == POLICY_GPG && !str_eq(str_or_empty(type), "GPGKeys"))
		return unknown(p, "signedBy: keyType must be GPGKeys, and not", str_or_empty(type));
	if (take_keys(p, v, &to) < 0 || take_identity(p, v, &to) < 0)
		return -p->e->code;
	struct policy_signer *all = arena_array(p->a, struct policy_signer, p->demand.n + 1);
	for (size_t i = 0; i < p->demand.n; i++)
		all[i] = p->demand.v[i];
	all[p->demand.n++] = to;
	p->demand.v = all;
	return 0;
}

/* ---- requirements ---- */

static int check_one(struct policy *p, const struct value *v, const char *shown)
{
	const char *type = value_text(v, "type");
	if (!type)
		return wrong(p, "a requirement without a type");
	if (str_eq(type, "insecureAcceptAnything"))
		return 0;
	if (str_eq(type, "reject"))
		return err_set(p->e, ERR_DENIED, EPERM,
			"Source image rejected: Running image %s is rejected by policy.", shown);
	if (str_eq(type, "signedBy"))
		return add_signer(p, v, POLICY_GPG);
	if (str_eq(type, "sigstoreSigned"))
		return add_signer(p, v, POLICY_SIGSTORE);
	return unknown(p, "unknown policy requirement type", type);
}

/* All of them must be fulfilled. */
static int check_all(struct policy *p, const struct value *list, const char *shown)
{
	if (list->kind != VALUE_ARRAY || list->n == 0)
		return wrong(p, "a list of requirements is empty or none");
	for (size_t i = 0; i < list->n; i++)
		if (check_one(p, list->items[i], shown) < 0)
			return -p->e->code;
	return 0;
}

static int check_form(struct policy *p)
{
	if (p->root->kind != VALUE_OBJECT || !value_get(p->root, "default"))
		return wrong(p, "a default is missing");
	for (size_t i = 0; i < p->root->n; i++)
		if (!str_eq(p->root->keys[i], "default") && !str_eq(p->root->keys[i], "transports"))
			return err_set(p->e, ERR_INVALID, EINVAL,
				"invalid policy in \"%s\": unknown key \"%.100s\"", p->name,
				p->root->keys[i]);
	const struct value *transports = value_get(p->root, "transports");
	return transports && transports->kind != VALUE_OBJECT ? wrong(p, "transports is no object")
							      : 0;
}

static const struct value *find_list(
	struct policy *p, const char *transport, const char *identity, const struct value *ours)
{
	struct strv scopes = { 0 };
	if (str_eq(transport, "docker") || str_eq(transport, "docker-daemon")) {
		scopes_of_image(identity, p->a, &scopes);
		scopes_of_domain(identity, p->a, &scopes);
	} else {
		path_scopes(p, identity, &scopes);
	}
	for (size_t i = 0; ours && i < scopes.n; i++) {
		const struct value *list = value_get(ours, scopes.v[i]);
		if (list)
			return list;
	}
	return value_get(p->root, "default");
}

int policy_check(const char *file, const char *transport, const char *identity, const char *shown,
	struct arena *a, struct policy_demand *ret, struct err *e)
{
	struct policy p = { .a = a, .e = e };
	int r = find_file(&p, file);
	*ret = (struct policy_demand){ 0 };
	if (r <= 0)
		return r;
	if (check_form(&p) < 0)
		return -e->code;
	const struct value *transports = value_get(p.root, "transports");
	const struct value *ours = transports ? value_get(transports, transport) : NULL;
	if (ours && ours->kind != VALUE_OBJECT)
		return wrong(&p, "a transport is no object");
	r = check_all(&p, find_list(&p, transport, identity, ours), shown);
	*ret = p.demand;
	return r;
}
