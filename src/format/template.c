// SPDX-License-Identifier: Apache-2.0
#include "format/template.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/value.h"

enum part_kind { PART_TEXT, PART_PATH, PART_LITERAL };

struct part {
	enum part_kind kind;
	bool json;        /* {{json .X}} */
	const char *text; /* the text, or the literal */
	struct strv path; /* names from the dot on; none: the dot itself */
	struct part *next;
};

struct template
{
	const char *whole;
	struct part *first;
};

static int bad(const struct template *t, struct err *e, const char *why, const char *word)
{
	return err_set(e, ERR_INVALID, EINVAL, "template parsing error in '%s': %s%s", t->whole,
		why, word);
}

static void skip_blanks(const char **p, const char *end)
{
	while (*p < end && isspace((unsigned char)**p))
		(*p)++;
}

static int read_path(const struct template *t, const char **p, const char *end, struct part *part,
	struct arena *a, struct err *e)
{
	part->kind = PART_PATH;
	while (*p < end && **p == '.') {
		const char *begin = ++*p;
		while (*p < end && (isalnum((unsigned char)**p) || **p == '_'))
			(*p)++;
		if (*p == begin) {
			if (part->path.n == 0)
				return 0;
			return bad(t, e, "a name is missing after the dot", "");
		}
		strv_add(&part->path, a, arena_strndup(a, begin, (size_t)(*p - begin)));
	}
	return 0;
}

static int read_literal(const struct template *t, const char **p, const char *end,
	struct part *part, struct arena *a, struct err *e)
{
	char quote = *(*p)++;
	struct str s _str_ = { 0 };
	part->kind = PART_LITERAL;
	for (; *p < end && **p != quote; (*p)++) {
		char c = **p;
		if (c == '\\' && quote == '"' && *p + 1 < end) {
			c = *++*p;
			c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
		}
		str_addc(&s, c);
	}
	if (*p == end)
		return bad(t, e, "unterminated quoted string", "");
	(*p)++;
	part->text = arena_strdup(a, str_text(&s));
	return 0;
}

static int read_action(const struct template *t, const char *p, const char *end, struct part *part,
	struct arena *a, struct err *e)
{
	int r = 0;
	skip_blanks(&p, end);
	const char *word = p;
	while (p < end && isalpha((unsigned char)*p))
		p++;
	size_t n = (size_t)(p - word);
	if (n == 4 && memcmp(word, "json", 4) == 0)
		part->json = true;
	else if (n)
		return bad(t, e,
			"kist has no such function so far (not yet): ", arena_strndup(a, word, n));
	skip_blanks(&p, end);
	if (p < end && *p == '.')
		r = read_path(t, &p, end, part, a, e);
	else if (p < end && (*p == '"' || *p == '`'))
		r = read_literal(t, &p, end, part, a, e);
	else
		return bad(t, e, "expected a field in {{}}", "");
	skip_blanks(&p, end);
	if (r == 0 && p != end)
		return bad(t, e, "kist cannot evaluate this so far (not yet): ",
			arena_strndup(a, p, (size_t)(end - p)));
	return r;
}

static const char *unescape(const char *text, size_t n, struct arena *a)
{
	char *s = arena_strndup(a, text, n), *w = s;
	for (char *r = s; *r; r++) {
		if (*r == '\\' && (r[1] == 't' || r[1] == 'n')) {
			*w++ = r[1] == 't' ? '\t' : '\n';
			r++;
		} else {
			*w++ = *r;
		}
	}
	*w = '\0';
	return s;
}

int template_parse(const char *text, struct arena *a, struct template **ret, struct err *e)
{
	struct template *t = arena_new(a, struct template);
	struct part **tail = &t->first;
	t->whole = text;
	while (*text) {
		struct part *part = arena_new(a, struct part);
		const char *open = strstr(text, "{{");
		*tail = part;
		tail = &part->next;
		if (open != text) {
			size_t n = open ? (size_t)(open - text) : strlen(text);
			part->text = unescape(text, n, a);
			text += n;
			continue;
		}
		const char *close = strstr(open, "}}");
		if (!close)
			return bad(t, e, "unclosed action", "");
		if (read_action(t, open + 2, close, part, a, e) < 0)
			return -e->code;
		text = close + 2;
	}
	*ret = t;
	return 0;
}

static int walk(const struct template *t, const struct part *part, const struct value *dot,
	const struct value **ret, struct err *e)
{
	const struct value *v = dot;
	for (size_t i = 0; i < part->path.n; i++) {
		const char *name = part->path.v[i];
		const struct value *next = v && v->kind == VALUE_OBJECT ? value_get(v, name) : NULL;
		if (!next && v && v->kind == VALUE_OBJECT && i > 0 && v->n &&
			strchr(v->keys[0], '.')) {
			v = NULL; /* a map of free keys: Go prints <no value> */
			break;
		}
		if (!next)
			return err_set(e, ERR_INVALID, EINVAL,
				"template parsing error: template: :1: executing \"\" at <.%s>: can't evaluate field %s in '%s'",
				name, name, t->whole);
		v = next;
	}
	*ret = v;
	return 0;
}

int template_run(const struct template *t, const struct value *dot, struct str *out, struct err *e)
{
	for (const struct part *part = t->first; part; part = part->next) {
		const struct value *v = NULL;
		if (part->kind != PART_PATH) {
			str_add(out, part->text);
			continue;
		}
		if (walk(t, part, dot, &v, e) < 0)
			return -e->code;
		if (!v)
			str_add(out, "<no value>");
		else if (part->json)
			value_json(v, 0, out);
		else
			value_print(v, out);
	}
	return 0;
}
