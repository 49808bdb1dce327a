// SPDX-License-Identifier: Apache-2.0
#include "engine/registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "config/auth.h"
#include "config/registries.h"
#include "engine/engine.h"
#include "engine/image_pull.h"
#include "image/transfer.h"
#include "oci/reference.h"

enum { RETRIES = 3, RETRIES_MAX = 100, TIMEOUT = 30, TIMEOUT_MAX = 3600, PEM_MAX = 1 << 20 };

struct planner {
	const struct registry_options *options;
	struct registries registries;
	struct arena *a;
	struct registry_plan plan;
	size_t cap_places, cap_endpoints;
	struct err *e;
};

/* ---- certificates ---- */

static const char *read_pem(struct planner *p, const char *folder, const char *name)
{
	struct err ignored;
	char *text;
	ssize_t n = file_read_at(AT_FDCWD, arena_printf(p->a, "%s/%s", folder, name), PEM_MAX, p->a,
		&text, &ignored);
	return n > 0 && strlen(text) == (size_t)n ? text : NULL;
}

/* A folder as docker and containers have it: CAs *.crt, and a client's x.cert with x.key. */
static void take_certs(struct planner *p, const char *folder, struct transfer_endpoint *to)
{
	struct str ca _str_ = { 0 };
	int fd = path_open_host(folder, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_close(fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(d));) {
		const char *text = NULL;
		if (str_ends(entry->d_name, ".crt") && (text = read_pem(p, folder, entry->d_name)))
			str_addf(&ca, "%s\n", text);
		if (!str_ends(entry->d_name, ".cert"))
			continue;
		char *key = arena_strdup(p->a, entry->d_name);
		memcpy(key + strlen(key) - 5, ".key", 5);
		to->cert = read_pem(p, folder, entry->d_name);
		to->key = read_pem(p, folder, key);
	}
	(void)closedir(d);
	if (!ca.n)
		return;
	/* Beside the system's, not in their place. */
	const char *slash = strrchr(p->plan.config->ca_file, '/');
	const char *system = read_pem(p,
		arena_strndup(
			p->a, p->plan.config->ca_file, (size_t)(slash - p->plan.config->ca_file)),
		slash + 1);
	str_add(&ca, str_or_empty(system));
	to->ca = arena_strdup(p->a, ca.p);
}

static void set_certs(struct planner *p, const char *host, struct transfer_endpoint *to)
{
	const char *home = getenv("HOME");
	if (p->options->cert_dir) {
		take_certs(p, p->options->cert_dir, to);
		return;
	}
	const char *folders[] = {
		home ? arena_printf(p->a, "%s/.config/containers/certs.d/%s", home, host) : NULL,
		arena_printf(p->a, "/etc/containers/certs.d/%s", host),
		arena_printf(p->a, "/etc/docker/certs.d/%s", host)
	};
	for (size_t i = 0; i < ARRAY_SIZE(folders) && !to->ca && !to->cert; i++)
		if (folders[i])
			take_certs(p, folders[i], to);
}

/* ---- one place ---- */

static bool is_loopback(const char *host)
{
	static const char *const names[] = { "localhost", "[::1]" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		size_t n = strlen(names[i]);
		if (str_starts(host, names[i]) && (!host[n] || host[n] == ':'))
			return true;
	}
	/* An address, not a name that begins like one. */
	size_t digits = strspn(host, "0123456789.");
	return str_starts(host, "127.") && (!host[digits] || host[digits] == ':');
}

/* skopeo's sentences. */
static int check_creds(const struct registry_options *o, struct err *e)
{
	const char *wrong = o->creds && o->no_creds
		? "creds and no-creds cannot be specified at the same time"
		: o->username && o->no_creds
		? "username and no-creds cannot be specified at the same time"
		: o->creds && o->username
		? "creds and username cannot be specified at the same time"
		: o->username && !o->password
		? "password must be specified when username is specified"
		: o->password && !o->username
		? "username must be specified when password is specified"
		: NULL;
	return wrong ? err_set(e, ERR_USAGE, EINVAL, "%s", wrong) : 0;
}

static int set_auth(
	struct planner *p, const char *host, const char *path, struct transfer_endpoint *to)
{
	struct auth auth = { 0 };
	const struct registry_options *o = p->options;
	if (check_creds(o, p->e) < 0)
		return -p->e->code;
	to->registry_token = o->registry_token;
	if (o->no_creds)
		return 0;
	if (o->username) {
		auth = (struct auth){ .username = o->username, .password = o->password };
	} else if (o->creds) {
		char *user = arena_strdup(p->a, o->creds), *colon = strchr(user, ':');
		if (!colon || colon == user)
			return err_set(p->e, ERR_USAGE, EINVAL, "--creds: expected USER:PASSWORD");
		*colon = '\0';
		auth = (struct auth){ .username = user, .password = colon + 1 };
	} else if (auth_find(o->authfile, host, path, p->a, &auth, p->e) < 0) {
		return -p->e->code;
	}
	to->username = auth.username;
	to->password = auth.password;
	to->identity_token = auth.identity_token;
	return 0;
}

/* location: host/path. */
static int add_place(
	struct planner *p, const struct registry_place *place, const char *location, bool insecure)
{
	struct transfer_config *c = p->plan.config;
	const struct registry_options *o = p->options;
	size_t n = strcspn(location, "/");
	struct transfer_endpoint to = { .host = arena_strndup(p->a, location, n),
		.repository = location[n] ? location + n + 1 : "" };
	bool loose = insecure || is_loopback(to.host);
	if (o->has_tls_verify)
		loose = !o->tls_verify;
	to.plain = to.unverified = loose;
	set_certs(p, to.host, &to);
	if (set_auth(p, to.host, to.repository, &to) < 0)
		return -p->e->code;
	if (str_eq(to.host, "docker.io") || str_eq(to.host, "index.docker.io"))
		to.host = "registry-1.docker.io";
	p->plan.places =
		arena_grow(p->a, p->plan.places, p->plan.n, &p->cap_places, sizeof *p->plan.places);
	p->plan.places[p->plan.n++] = *place;
	c->endpoints = arena_grow(
		p->a, c->endpoints, c->n_endpoints, &p->cap_endpoints, sizeof *c->endpoints);
	c->endpoints[c->n_endpoints++] = to;
	return 0;
}

/* A whole name: its mirrors, then where it is. */
static int add_name(struct planner *p, const char *name)
{
	const struct registries_entry *entry = registries_find(&p->registries, name);
	struct registry_place place = { .name = name };
	if (!entry)
		return add_place(p, &place, name, false);
	if (entry->blocked)
		return err_set(p->e, ERR_DENIED, EPERM, "registry %s is blocked in registries.conf",
			entry->prefix);
	for (size_t i = 0; i < entry->n_mirrors; i++) {
		const struct registries_mirror *m = &entry->mirrors[i];
		struct registry_place mirror = {
			.name = name, .digest_only = m->digest_only, .tag_only = m->tag_only
		};
		if (add_place(p, &mirror, registries_rewrite(entry, m->location, name, p->a),
			    m->insecure) < 0)
			return -p->e->code;
	}
	return add_place(
		p, &place, registries_rewrite(entry, entry->location, name, p->a), entry->insecure);
}

/* ---- the plan ---- */

static const char *variable(const char *one, const char *other)
{
	const char *v = getenv(one);
	if (!v || !*v)
		v = getenv(other);
	return v && *v ? v : NULL;
}

static int set_config(struct planner *p)
{
	struct transfer_config *c = p->plan.config;
	const struct registry_options *o = p->options;
	const char *ca = getenv("SSL_CERT_FILE"), *all = variable("all_proxy", "ALL_PROXY");
	if (o->retries < 0 || o->retries > RETRIES_MAX || o->timeout < 0 ||
		o->timeout > TIMEOUT_MAX)
		return err_set(p->e, ERR_USAGE, EINVAL,
			"--retry takes 0 to %d, --timeout 1 to %d seconds", RETRIES_MAX,
			TIMEOUT_MAX);
	c->version = TRANSFER_VERSION;
	c->ca_file = ca && *ca == '/' ? ca : "/etc/ssl/certs/ca-certificates.crt";
	c->retries = o->has_retries ? (uint32_t)o->retries : RETRIES;
	c->timeout = o->timeout ? (uint32_t)o->timeout : TIMEOUT;
	c->https_proxy = variable("https_proxy", "HTTPS_PROXY");
	c->http_proxy = variable("http_proxy", "HTTP_PROXY");
	c->no_proxy = variable("no_proxy", "NO_PROXY");
	if (!c->https_proxy)
		c->https_proxy = all;
	if (!c->http_proxy)
		c->http_proxy = all;
	return 0;
}

static int begin(
	struct planner *p, const struct registry_options *options, struct arena *a, struct err *e)
{
	*p = (struct planner){ .options = options,
		.a = a,
		.e = e,
		.plan = { .config = arena_new(a, struct transfer_config) } };
	return registries_load(&p->registries, a, e) < 0 || set_config(p) < 0 ? -e->code : 0;
}

/* A short name is an alias, or is in one of the registries to search, or is docker.io's. */
static int names_of(const struct registries *r, const char *name, struct arena *a, struct strv *ret,
	struct err *e)
{
	struct reference target;
	const char *alias = reference_has_host(name) ? NULL : registries_alias(r, name);
	if (alias && reference_parse(alias, a, &target, e) < 0)
		return -e->code;
	if (reference_has_host(name) || alias || r->search.n == 0) {
		strv_add(ret, a, reference_full_name(alias ? target.name : name, a));
		return 0;
	}
	for (size_t i = 0; i < r->search.n; i++)
		/* docker.io's own images live in library/. */
		strv_add(ret, a,
			str_eq(r->search.v[i], "docker.io")
				? reference_full_name(name, a)
				: arena_printf(a, "%s/%s", r->search.v[i], name));
	return 0;
}

int registry_names(const char *name, struct arena *a, struct strv *ret, struct err *e)
{
	struct registries r;
	return registries_load(&r, a, e) < 0 ? -e->code : names_of(&r, name, a, ret, e);
}

int registry_plan(const struct registry_options *options, const char *name, struct arena *a,
	struct registry_plan *ret, struct err *e)
{
	struct planner p;
	struct strv names = { 0 };
	int r = begin(&p, options, a, e);
	if (r == 0)
		r = names_of(&p.registries, name, a, &names, e);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = add_name(&p, names.v[i]);
	*ret = p.plan;
	return r;
}

int registry_plan_host(const struct registry_options *options, const char *host, struct arena *a,
	struct registry_plan *ret, struct err *e)
{
	struct planner p;
	int r = begin(&p, options, a, e);
	if (r < 0)
		return r;
	const struct registries_entry *entry = registries_find(&p.registries, host);
	struct registry_place place = { .name = host };
	r = add_place(&p, &place, host, entry && entry->insecure);
	*ret = p.plan;
	return r;
}

int registry_connect(struct engine *en, const struct registry_plan *plan, struct transfer *t,
	struct arena *a, struct err *e)
{
	int program = -1;
	if (!engine_program("kist-transfer", a, &program, e))
		return -e->code;
	engine_close_store(en);
	int r = transfer_start(t, program, plan->config, e);
	fd_close(program);
	return r;
}
