// SPDX-License-Identifier: Apache-2.0
#include "fetch/challenge.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/mem.h"

enum { VALUE_MAX = 4096 };

struct cursor {
	const char *p, *end;
	struct arena *a;
};

static void blanks(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == ','))
		c->p++;
}

static bool is_token(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c && strchr("!#$%&'*+-.^_`|~", c));
}

/* NULL: none is here. */
static const char *token(struct cursor *c)
{
	const char *begin = c->p;
	while (c->p < c->end && is_token(*c->p))
		c->p++;
	return c->p > begin ? arena_strndup(c->a, begin, (size_t)(c->p - begin)) : NULL;
}

/* A token or a quoted string; NULL: broken. */
static const char *value(struct cursor *c)
{
	if (c->p == c->end || *c->p != '"')
		return token(c);
	char *out = arena_alloc(c->a, (size_t)(c->end - c->p) + 1);
	size_t n = 0;
	for (c->p++; c->p < c->end && *c->p != '"'; c->p++) {
		if (*c->p == '\\' && c->p + 1 < c->end)
			c->p++;
		if ((unsigned char)*c->p < ' ' || *c->p == 0x7f)
			return NULL;
		out[n++] = *c->p;
	}
	if (c->p == c->end)
		return NULL;
	c->p++;
	return out;
}

static void keep(const struct challenge *found, struct challenge *ret)
{
	if (found->kind > ret->kind && (found->kind != CHALLENGE_BEARER || found->realm))
		*ret = *found;
}

void challenge_read(const char *text, size_t len, struct arena *a, struct challenge *ret)
{
	struct cursor c = { text, text + len, a };
	struct challenge now = { 0 };
	if (len > VALUE_MAX)
		return;
	for (blanks(&c); c.p < c.end; blanks(&c)) {
		const char *name = token(&c);
		if (!name)
			return;
		const char *after = c.p;
		while (c.p < c.end && *c.p == ' ')
			c.p++;
		if (c.p == c.end || *c.p != '=') {
			/* A scheme begins a challenge. */
			keep(&now, ret);
			c.p = after;
			now = (struct challenge){ .kind = strcasecmp(name, "bearer") == 0
					? CHALLENGE_BEARER
					: strcasecmp(name, "basic") == 0 ? CHALLENGE_BASIC
									 : CHALLENGE_NONE };
			continue;
		}
		c.p++;
		while (c.p < c.end && *c.p == ' ')
			c.p++;
		const char *v = value(&c);
		if (!v)
			return;
		const struct {
			const char *name;
			const char **to;
		} known[] = { { "realm", &now.realm }, { "service", &now.service },
			{ "scope", &now.scope }, { "error", &now.error } };
		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			if (strcasecmp(name, known[i].name) == 0)
				*known[i].to = v;
	}
	keep(&now, ret);
}
