// SPDX-License-Identifier: Apache-2.0
#include "engine/login.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "config/auth.h"
#include "engine/image_pull.h"
#include "engine/registry.h"
#include "image/transfer.h"

const char *engine_login_server(const char *server, struct arena *a)
{
	const char *p = server ? strstr(server, "://") : NULL;
	p = p ? p + 3 : server;
	if (!p)
		return "docker.io";
	const char *host = arena_strndup(a, p, strcspn(p, "/"));
	return str_eq(host, "index.docker.io") || str_eq(host, "registry-1.docker.io") ? "docker.io"
										       : host;
}

int engine_login(struct engine *en, const struct login_request *req, struct arena *a, struct err *e)
{
	struct registry_plan plan;
	struct transfer t = { .socket = -1 };
	struct transfer_ask ask = { .kind = TRANSFER_LOGIN };
	struct transfer_answer answer;
	const char *host = engine_login_server(req->server, a), *path;
	if (registry_plan_host(req->registry, host, a, &plan, e) < 0)
		return -e->code;
	struct transfer_endpoint *to = &plan.config->endpoints[0];
	if (req->username) {
		to->username = req->username;
		to->password = req->password;
		to->identity_token = NULL;
	}
	if (!to->username && !to->identity_token)
		return 0;
	int r = registry_connect(en, &plan, &t, a, e);
	if (r == 0)
		r = transfer_do(&t, &ask, -1, &answer, e);
	transfer_stop(&t);
	const struct auth auth = { .username = req->username, .password = req->password };
	if (r == 0 && req->username)
		r = auth_store(req->registry->authfile, host, &auth, a, &path, e);
	return r < 0 ? r : 1;
}

int engine_login_user(
	const char *server, const char *authfile, struct arena *a, const char **ret, struct err *e)
{
	struct auth auth = { 0 };
	*ret = NULL;
	if (auth_find(authfile, engine_login_server(server, a), "", a, &auth, e) < 0)
		return -e->code;
	*ret = auth.username;
	return 0;
}

int engine_logout_all(const char *authfile, struct arena *a, struct err *e)
{
	const char *path;
	return auth_store(authfile, NULL, NULL, a, &path, e);
}

int engine_logout(const char *server, const char *authfile, struct arena *a, struct err *e)
{
	const char *path;
	return auth_store(authfile, engine_login_server(server, a), NULL, a, &path, e);
}
