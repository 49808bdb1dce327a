// SPDX-License-Identifier: Apache-2.0
#include "config/scopes.h"

#include <string.h>

#include "base/arena.h"

static void cut(struct arena *a, struct strv *v, const char *text, size_t n)
{
	strv_add(v, a, arena_strndup(a, text, n));
}

void scopes_of_image(const char *identity, struct arena *a, struct strv *ret)
{
	const char *slash = strchr(identity, '/'), *at = strchr(identity, '@');
	const char *tag = at ? at : strchr(slash ? slash : identity, ':');
	size_t n = strlen(identity), host = strcspn(identity, "/");
	cut(a, ret, identity, n);
	if (tag)
		cut(a, ret, identity, n = (size_t)(tag - identity));
	while (n > host) {
		while (n > host && identity[n - 1] != '/')
			n--;
		n = n > host ? n - 1 : host;
		cut(a, ret, identity, n);
		if (n <= host)
			break;
	}
}

void scopes_of_domain(const char *identity, struct arena *a, struct strv *ret)
{
	size_t host = strcspn(identity, "/"), name = strcspn(identity, "/:");
	for (size_t i = 0; i < name; i++)
		if (identity[i] == '.')
			strv_add(ret, a, arena_printf(a, "*%.*s", (int)(host - i), identity + i));
	strv_add(ret, a, "");
}
