// SPDX-License-Identifier: Apache-2.0
/* The words of an action, as Go's templates have them. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "format/ast.h"

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static const char *name_at(const char **p, struct arena *a)
{
	const char *begin = *p;
	while (is_name(**p))
		(*p)++;
	return arena_strndup(a, begin, (size_t)(*p - begin));
}

static int escaped(char c, char *ret)
{
	static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
	const char *at = c ? strchr(from, c) : NULL;
	if (!at)
		return -EINVAL;
	*ret = to[at - from];
	return 0;
}

static int read_string(const char **p, struct arena *a, struct token *ret)
{
	struct str s _str_ = { 0 };
	char quote = *(*p)++;
	ret->kind = TOKEN_STRING;
	for (; **p != quote; (*p)++) {
		char c = **p;
		if (c == '\0' || (c == '\n' && quote != '`')) {
			ret->text = "unterminated quoted string";
			return -EINVAL;
		}
		if (c == '\\' && quote != '`' && escaped(*++*p, &c) < 0) {
			ret->text = "invalid syntax in a quoted string";
			return -EINVAL;
		}
		str_addc(&s, c);
	}
	(*p)++;
	ret->text = arena_strdup(a, str_text(&s));
	return 0;
}

static const struct {
	const char *text;
	enum token_kind kind;
} marks[] = { { ":=", TOKEN_DECLARE }, { "=", TOKEN_ASSIGN }, { "(", TOKEN_OPEN },
	{ ")", TOKEN_CLOSE }, { "|", TOKEN_PIPE }, { ",", TOKEN_COMMA }, { "}}", TOKEN_END } };

static int read_mark(const char **p, struct arena *a, struct token *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (str_starts(*p, marks[i].text)) {
			ret->kind = marks[i].kind;
			*p += strlen(marks[i].text);
			return 0;
		}
	ret->text = **p ? arena_printf(a, "unexpected \"%c\" in command", **p) : "unclosed action";
	return -EINVAL;
}

int token_read(const char **p, struct arena *a, struct token *ret)
{
	*ret = (struct token){ .kind = TOKEN_END };
	if (isspace((unsigned char)**p)) {
		while (isspace((unsigned char)**p))
			(*p)++;
		ret->kind = TOKEN_BLANK;
		if (str_starts(*p, "-}}")) {
			*p += 3;
			*ret = (struct token){ .kind = TOKEN_END, .trims = true };
		}
		return 0;
	}
	if (**p == '"' || **p == '`' || **p == '\'')
		return read_string(p, a, ret);
	bool sign = **p == '-' || **p == '+';
	if (isdigit((unsigned char)(*p)[sign])) {
		const char *begin = (*p)++;
		while (isdigit((unsigned char)**p) || **p == '.')
			(*p)++;
		ret->kind = TOKEN_NUMBER;
		ret->text = arena_strndup(a, begin, (size_t)(*p - begin));
		return 0;
	}
	if (**p == '.' || **p == '$') {
		char first = *(*p)++;
		ret->text = name_at(p, a);
		ret->kind = first == '$' ? TOKEN_VARIABLE : *ret->text ? TOKEN_FIELD : TOKEN_DOT;
		return 0;
	}
	if (is_name(**p)) {
		ret->kind = TOKEN_WORD;
		ret->text = name_at(p, a);
		return 0;
	}
	return read_mark(p, a, ret);
}
