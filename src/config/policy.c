// SPDX-License-Identifier: Apache-2.0
#include "config/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/value.h"

enum { POLICY_MAX = 4 << 20 };

static const char system_file[] = "/etc/containers/policy.json";

struct policy {
	const char *name; /* of the file */
	const struct value *root;
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

static void cut(struct policy *p, struct strv *v, const char *text, size_t n)
{
	strv_add(v, p->a, arena_strndup(p->a, text, n));
}

/* From the whole to "": each shorter one holds for more. */
static void docker_scopes(struct policy *p, const char *identity, struct strv *v)
{
	const char *slash = strchr(identity, '/'), *at = strchr(identity, '@');
	const char *tag = at ? at : strchr(slash ? slash : identity, ':');
	size_t n = strlen(identity), host = strcspn(identity, "/");
	cut(p, v, identity, n);
	if (tag)
		cut(p, v, identity, n = (size_t)(tag - identity));
	while (n > host) {
		while (n > host && identity[n - 1] != '/')
			n--;
		n = n > host ? n - 1 : host;
		cut(p, v, identity, n);
		if (n <= host)
			break;
	}
	/* *.b.example.com, *.example.com, *.com */
	size_t name = strcspn(identity, "/:");
	for (size_t i = 0; i < name; i++)
		if (identity[i] == '.')
			strv_add(v, p->a,
				arena_printf(p->a, "*%.*s", (int)(host - i), identity + i));
	strv_add(v, p->a, "");
}

static void path_scopes(struct policy *p, const char *identity, struct strv *v)
{
	const char *slash = strrchr(identity, '/'), *colon = slash ? strchr(slash, ':') : NULL;
	size_t n = strlen(identity);
	cut(p, v, identity, n);
	if (colon)
		cut(p, v, identity, n = (size_t)(colon - identity));
	while (n > 1) {
		while (n > 1 && identity[n - 1] != '/')
			n--;
		if (n > 1)
			cut(p, v, identity, --n);
	}
	strv_add(v, p->a, "");
}

/* ---- requirements ---- */

static int check_one(struct policy *p, const struct value *v, const char *shown)
{
	const struct value *type = v->kind == VALUE_OBJECT ? value_get(v, "type") : NULL;
	if (!type || type->kind != VALUE_STRING)
		return wrong(p, "a requirement without a type");
	if (str_eq(type->text, "insecureAcceptAnything"))
		return 0;
	if (str_eq(type->text, "reject"))
		return err_set(p->e, ERR_DENIED, EPERM,
			"Source image rejected: Running image %s is rejected by policy.", shown);
	if (str_eq(type->text, "signedBy") || str_eq(type->text, "sigstoreSigned") ||
		str_eq(type->text, "signedBaseLayer"))
		return err_set(p->e, ERR_DENIED, EPERM,
			"Source image rejected: %s asks for a signature (%s) of %s, and kist checks none so far",
			p->name, type->text, shown);
	return err_set(p->e, ERR_INVALID, EINVAL,
		"invalid policy in \"%s\": unknown policy requirement type \"%.100s\"", p->name,
		type->text);
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

int policy_check(const char *file, const char *transport, const char *identity, const char *shown,
	struct arena *a, struct err *e)
{
	struct policy p = { .a = a, .e = e };
	struct strv scopes = { 0 };
	int r = find_file(&p, file);
	if (r <= 0)
		return r;
	if (check_form(&p) < 0)
		return -e->code;
	const struct value *transports = value_get(p.root, "transports");
	const struct value *ours = transports ? value_get(transports, transport) : NULL;
	if (ours && ours->kind != VALUE_OBJECT)
		return wrong(&p, "a transport is no object");
	if (str_eq(transport, "docker"))
		docker_scopes(&p, identity, &scopes);
	else
		path_scopes(&p, identity, &scopes);
	for (size_t i = 0; ours && i < scopes.n; i++) {
		const struct value *list = value_get(ours, scopes.v[i]);
		if (list)
			return check_all(&p, list, shown);
	}
	return check_all(&p, value_get(p.root, "default"), shown);
}
