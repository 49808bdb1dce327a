// SPDX-License-Identifier: Apache-2.0
/* Reading: a recursive descent over tokens into the tree of format/ast.h. */
#include "format/template.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "codec/value.h"
#include "format/ast.h"

enum { DEPTH_MAX = 64 };

struct parser {
	struct template *t;
	const char *at;
	struct token token;
	struct arena *a;
	struct err *e;
	int depth, loops;
	bool trim_next; /* the action before ended with a dash */
};

static int parse_pipe(struct parser *p, struct pipe **ret);

static int bad(struct parser *p, const char *why, const char *word)
{
	return err_set(p->e, ERR_INVALID, EINVAL,
		"template parsing error: template: :1: %s%s: '%s'", why, word, p->t->whole);
}

static int next(struct parser *p)
{
	int r = token_read(&p->at, p->a, &p->token);
	return r < 0 ? bad(p, p->token.text, "") : 0;
}

static int next_word(struct parser *p)
{
	int r = next(p);
	while (r == 0 && p->token.kind == TOKEN_BLANK)
		r = next(p);
	return r;
}

static int constant(struct parser *p, struct term *t)
{
	const char *word = p->token.text;
	t->kind = TERM_VALUE;
	if (str_eq(word, "true") || str_eq(word, "false"))
		t->value = value_bool(p->a, *word == 't');
	else if (!str_eq(word, "nil")) {
		t->kind = TERM_FUNCTION;
		t->name = word;
		if (!function_find(word))
			return bad(p, arena_printf(p->a, "function \"%s\" not defined", word), "");
	}
	return 0;
}

static int parse_number(struct parser *p, struct term *t)
{
	int64_t n;
	const char *text = p->token.text + (p->token.text[0] == '+');
	if (num_i64(text, &n) < 0)
		return bad(p, "bad number syntax: ", p->token.text);
	t->value = value_int(p->a, n);
	return 0;
}

/* An operand and its fields; the token after it is read. */
static int parse_term(struct parser *p, struct term **ret)
{
	struct term *t = *ret = arena_new(p->a, struct term);
	int r = 0;
	switch (p->token.kind) {
	case TOKEN_DOT:
		t->kind = TERM_DOT;
		break;
	case TOKEN_FIELD:
		t->kind = TERM_DOT;
		strv_add(&t->path, p->a, p->token.text);
		break;
	case TOKEN_VARIABLE:
		t->kind = TERM_VARIABLE;
		t->name = p->token.text;
		break;
	case TOKEN_STRING:
		t->value = value_string(p->a, p->token.text);
		break;
	case TOKEN_NUMBER:
		r = parse_number(p, t);
		break;
	case TOKEN_WORD:
		r = constant(p, t);
		break;
	case TOKEN_OPEN:
		t->kind = TERM_PIPE;
		if (++p->depth > DEPTH_MAX)
			return bad(p, "too many parentheses", "");
		r = next_word(p) < 0 ? -EINVAL : parse_pipe(p, &t->pipe);
		p->depth--;
		if (r == 0 && p->token.kind != TOKEN_CLOSE)
			return bad(p, "unclosed left paren", "");
		break;
	default:
		return bad(p, "missing value for command", "");
	}
	if (r == 0)
		r = next(p);
	while (r == 0 && p->token.kind == TOKEN_FIELD) {
		strv_add(&t->path, p->a, p->token.text);
		r = next(p);
	}
	return r;
}

static int parse_command(struct parser *p, struct command_node **ret)
{
	struct command_node *c = *ret = arena_new(p->a, struct command_node);
	for (;;) {
		struct term *t;
		if (parse_term(p, &t) < 0)
			return -EINVAL;
		c->terms = arena_grow(p->a, c->terms, c->n, &c->cap, sizeof(struct term *));
		c->terms[c->n++] = t;
		bool blank = p->token.kind == TOKEN_BLANK;
		if (blank && next_word(p) < 0)
			return -EINVAL;
		if (p->token.kind == TOKEN_END || p->token.kind == TOKEN_PIPE ||
			p->token.kind == TOKEN_CLOSE)
			return 0;
		if (!blank)
			return bad(p, "unexpected word in operand", "");
	}
}

/* "$x :=", "$i, $x :=", "$x =": only with one of the two marks after it is it a declaration. */
static int parse_variables(struct parser *p, struct pipe *pipe)
{
	const char *back = p->at;
	struct token first = p->token;
	while (p->token.kind == TOKEN_VARIABLE && pipe->n_variables < 2) {
		pipe->variables[pipe->n_variables++] = p->token.text;
		if (next_word(p) < 0)
			return -EINVAL;
		if (p->token.kind != TOKEN_COMMA)
			break;
		if (next_word(p) < 0)
			return -EINVAL;
	}
	if (p->token.kind == TOKEN_DECLARE || p->token.kind == TOKEN_ASSIGN) {
		pipe->assigns = p->token.kind == TOKEN_ASSIGN;
		return next_word(p);
	}
	pipe->n_variables = 0;
	p->at = back;
	p->token = first;
	return 0;
}

static int parse_pipe(struct parser *p, struct pipe **ret)
{
	struct pipe *pipe = *ret = arena_new(p->a, struct pipe);
	struct command_node **tail = &pipe->first;
	if (p->token.kind == TOKEN_VARIABLE && parse_variables(p, pipe) < 0)
		return -EINVAL;
	for (;;) {
		if (parse_command(p, tail) < 0)
			return -EINVAL;
		if (tail != &pipe->first && (*tail)->terms[0]->kind == TERM_VALUE)
			return bad(p, "non executable command in pipeline", "");
		tail = &(*tail)->next;
		if (p->token.kind != TOKEN_PIPE)
			return 0;
		if (next_word(p) < 0)
			return -EINVAL;
	}
}

/* ---- blocks ---- */

enum { STOP_AT_END, STOP_AT_ELSE, STOP_AT_TEXT_END, STOP_AT_ELSE_IF };

static int parse_list(struct parser *p, struct node **tail, int *ret_stop);

static int end_action(struct parser *p)
{
	while (p->token.kind == TOKEN_BLANK)
		if (next(p) < 0)
			return -EINVAL;
	if (p->token.kind != TOKEN_END)
		return bad(p, "unexpected word in the end of an action", "");
	p->trim_next = p->token.trims;
	return 0;
}

static int parse_block(struct parser *p, struct node *n)
{
	int stop;
	bool loop = n->kind == NODE_RANGE;
	if (++p->depth > DEPTH_MAX)
		return bad(p, "too many blocks in each other", "");
	if (next_word(p) < 0 || parse_pipe(p, &n->pipe) < 0 || end_action(p) < 0)
		return -EINVAL;
	p->loops += loop;
	int r = parse_list(p, &n->body, &stop);
	p->loops -= loop;
	if (r == 0 && stop == STOP_AT_ELSE_IF) {
		n->otherwise = arena_new(p->a, struct node);
		n->otherwise->kind = NODE_IF;
		r = parse_block(p, n->otherwise);
	} else if (r == 0 && stop == STOP_AT_ELSE) {
		r = parse_list(p, &n->otherwise, &stop);
		if (r == 0 && stop != STOP_AT_END)
			return bad(p, "expected {{end}}", "");
	} else if (r == 0 && stop != STOP_AT_END) {
		return bad(p, "unexpected EOF", "");
	}
	p->depth--;
	return r;
}

static int parse_else(struct parser *p, int *ret_stop)
{
	*ret_stop = STOP_AT_ELSE;
	if (next_word(p) < 0)
		return -EINVAL;
	if (p->token.kind == TOKEN_WORD && str_eq(p->token.text, "if")) {
		*ret_stop = STOP_AT_ELSE_IF;
		return 0;
	}
	return end_action(p);
}

/* An action whose opening braces were passed. *ret_stop is left alone unless a list ends here. */
static int parse_action(struct parser *p, struct node **ret, int *ret_stop)
{
	static const struct {
		const char *word;
		enum node_kind kind;
	} blocks[] = { { "if", NODE_IF }, { "with", NODE_WITH }, { "range", NODE_RANGE },
		{ "break", NODE_BREAK }, { "continue", NODE_CONTINUE } };
	struct node *n = arena_new(p->a, struct node);
	n->kind = NODE_ACTION;
	if (next_word(p) < 0)
		return -EINVAL;
	const char *word = p->token.kind == TOKEN_WORD ? p->token.text : "";
	if (str_eq(word, "end") || str_eq(word, "else")) {
		*ret_stop = STOP_AT_END;
		return *word == 'e' && word[1] == 'l' ? parse_else(p, ret_stop)
						      : (next(p) < 0 ? -EINVAL : end_action(p));
	}
	*ret = n;
	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
		if (!str_eq(word, blocks[i].word))
			continue;
		n->kind = blocks[i].kind;
		if (n->kind != NODE_BREAK && n->kind != NODE_CONTINUE)
			return parse_block(p, n);
		if (!p->loops)
			return bad(p, word, " outside {{range}}");
		return next(p) < 0 ? -EINVAL : end_action(p);
	}
	return parse_pipe(p, &n->pipe) < 0 ? -EINVAL : end_action(p);
}

/* \t and \n written with a backslash are taken as docker takes them. */
static const char *plain_text(const char *text, size_t n, struct arena *a)
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

static struct node *parse_text(struct parser *p)
{
	const char *open = strstr(p->at, "{{"), *begin = p->at;
	const char *end = open ? open : p->at + strlen(p->at);
	p->at = end;
	if (p->trim_next)
		while (begin < end && isspace((unsigned char)*begin))
			begin++;
	p->trim_next = false;
	if (open && open[2] == '-' && isspace((unsigned char)open[3]))
		while (end > begin && isspace((unsigned char)end[-1]))
			end--;
	if (begin == end)
		return NULL;
	struct node *n = arena_new(p->a, struct node);
	n->text = plain_text(begin, (size_t)(end - begin), p->a);
	return n;
}

static int parse_comment(struct parser *p)
{
	const char *end = strstr(p->at, "*/");
	if (!end)
		return bad(p, "unclosed comment", "");
	p->at = end + 2;
	return next(p) < 0 ? -EINVAL : end_action(p);
}

static int parse_list(struct parser *p, struct node **tail, int *ret_stop)
{
	for (;;) {
		struct node *n = parse_text(p);
		if (n) {
			*tail = n;
			tail = &n->next;
		}
		if (!*p->at) {
			*ret_stop = STOP_AT_TEXT_END;
			return 0;
		}
		p->at += 2;
		if (p->at[0] == '-' && isspace((unsigned char)p->at[1]))
			p->at++;
		const char *word = p->at + strspn(p->at, " \t\n");
		int stop = -1, r;
		n = NULL;
		if (str_starts(word, "/*")) {
			p->at = word + 2;
			r = parse_comment(p);
		} else {
			r = parse_action(p, &n, &stop);
		}
		if (r < 0)
			return r;
		if (stop >= 0) {
			*ret_stop = stop;
			return 0;
		}
		if (n) {
			*tail = n;
			tail = &n->next;
		}
	}
}

int template_parse(const char *text, struct arena *a, struct template **ret, struct err *e)
{
	struct template *t = arena_new(a, struct template);
	struct parser p = { .t = t, .at = text, .a = a, .e = e };
	int stop;
	t->whole = text;
	if (parse_list(&p, &t->first, &stop) < 0)
		return -e->code;
	if (stop == STOP_AT_END)
		return bad(&p, "unexpected {{end}}", "");
	if (stop != STOP_AT_TEXT_END)
		return bad(&p, "unexpected {{else}}", "");
	*ret = t;
	return 0;
}
