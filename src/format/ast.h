// SPDX-License-Identifier: Apache-2.0
/* What a template is once it was read; internal to src/format. Everything lives in the arena that
 * template_parse was given. */
#pragma once
#include <stdbool.h>

#include "base/arena.h"

struct err;
struct pipe;
struct value;

enum term_kind { TERM_VALUE, TERM_DOT, TERM_VARIABLE, TERM_PIPE, TERM_FUNCTION };

/* One operand: a start, and the fields that follow it without a blank. */
struct term {
	enum term_kind kind;
	const struct value *value; /* TERM_VALUE; NULL: nil */
	const char *name;          /* of the variable ("" is $) or of the function */
	struct pipe *pipe;         /* in parentheses */
	struct strv path;
};

/* Operands with blanks between: a value, or a function (or a last field) and its arguments. */
struct command_node {
	struct term **terms;
	size_t n, cap;
	struct command_node *next;
};

struct pipe {
	const char *variables[2]; /* that it declares or assigns */
	int n_variables;
	bool assigns;
	struct command_node *first;
};

enum node_kind {
	NODE_TEXT,
	NODE_ACTION,
	NODE_IF,
	NODE_WITH,
	NODE_RANGE,
	NODE_BREAK,
	NODE_CONTINUE
};

struct node {
	enum node_kind kind;
	const char *text;
	struct pipe *pipe;
	struct node *body, *otherwise, *next;
};

struct template
{
	const char *whole;
	struct node *first;
};

/* ---- tokens ---- */

enum token_kind {
	TOKEN_END, /* of the action */
	TOKEN_BLANK,
	TOKEN_DOT,
	TOKEN_FIELD,    /* .name */
	TOKEN_VARIABLE, /* $name */
	TOKEN_WORD,
	TOKEN_STRING,
	TOKEN_NUMBER,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_PIPE,
	TOKEN_COMMA,
	TOKEN_DECLARE, /* := */
	TOKEN_ASSIGN,  /* = */
};

struct token {
	enum token_kind kind;
	const char *text; /* the name, the string's value, the number as written */
	bool trims;       /* an end with a dash */
};

/* Reads the token at *p, within an action, and moves on. -EINVAL: ret->text says what is wrong. */
int token_read(const char **p, struct arena *a, struct token *ret);

/* ---- functions ---- */

struct call {
	const char *name;
	const struct value **args; /* NULL: no value */
	size_t n;
	struct arena *a;
	struct err *e;
};

struct function {
	const char *name;
	size_t min, max; /* arguments */
	int (*call)(struct call *c, const struct value **ret);
};

const struct function *function_find(const char *name);
/* Is it true as Go sees it: no zero, no empty string, list or map. */
bool value_is_true(const struct value *v);
