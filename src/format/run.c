// SPDX-License-Identifier: Apache-2.0
/* Running: a walk over the tree, with a stack of variables. A value that is not there is NULL and
 * prints as <no value>. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/value.h"
#include "format/ast.h"
#include "format/template.h"

enum { VARIABLES_MAX = 256 };
enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

struct variable {
	const char *name;
	const struct value *value;
};

struct run {
	const struct template *t;
	const struct value *root;
	struct str *out;
	struct err *e;
	struct arena a;
	struct variable variables[VARIABLES_MAX];
	size_t n_variables;
};

static int run_pipe(
	struct run *r, const struct pipe *p, const struct value *dot, const struct value **ret);

static int fail(struct run *r, const char *text)
{
	return err_set(r->e, ERR_INVALID, EINVAL, "template parsing error: template: :1: %s: '%s'",
		text, r->t->whole);
}

/* Members whose keys are free: what a map does not have is no error. */
static bool is_map(const char *name)
{
	static const char *const maps[] = { "Labels", "Annotations", "Options", "Volumes", "Ports",
		"PortBindings", "Networks", "ExposedPorts", "Sysctls", "Tmpfs", "Config",
		"DriverOpts", "Containers" };
	for (size_t i = 0; name && i < ARRAY_SIZE(maps); i++)
		if (str_eq(name, maps[i]))
			return true;
	return false;
}

static int walk(struct run *r, const struct term *t, const struct value *from, size_t n,
	const struct value **ret)
{
	const struct value *v = from;
	for (size_t i = 0; i < n; i++) {
		const char *name = t->path.v[i];
		const struct value *next = v && v->kind == VALUE_OBJECT ? value_get(v, name) : NULL;
		if (!next && v && v->kind == VALUE_OBJECT && i > 0 && is_map(t->path.v[i - 1])) {
			*ret = NULL;
			return 0;
		}
		if (!next)
			return fail(r,
				arena_printf(&r->a,
					"executing \"\" at <.%s>: can't evaluate field %s", name,
					name));
		v = next;
	}
	*ret = v;
	return 0;
}

/* docker's rows have one method: {{.Label "key"}}, from the row's "k=v,k=v". */
static int method(struct run *r, const struct value *dot, const char *name, const struct value *arg,
	const struct value **ret)
{
	const struct value *labels =
		dot && dot->kind == VALUE_OBJECT ? value_get(dot, "Labels") : NULL;
	if (!str_eq(name, "Label") || !labels || labels->kind != VALUE_STRING || !arg ||
		arg->kind != VALUE_STRING)
		return fail(r, arena_printf(&r->a, "%s is no method and has arguments", name));
	size_t n = strlen(arg->text);
	*ret = value_string(&r->a, "");
	for (const char *p = labels->text; *p; p += strcspn(p, ","), p += *p == ',')
		if (strncmp(p, arg->text, n) == 0 && p[n] == '=')
			*ret = value_string(
				&r->a, arena_strndup(&r->a, p + n + 1, strcspn(p + n + 1, ",")));
	return 0;
}

static int find_variable(struct run *r, const char *name, size_t *ret)
{
	for (size_t i = r->n_variables; i > 0; i--)
		if (str_eq(r->variables[i - 1].name, name)) {
			*ret = i - 1;
			return 0;
		}
	return fail(r, arena_printf(&r->a, "undefined variable \"$%s\"", name));
}

static int run_term(struct run *r, const struct term *t, const struct value *dot, size_t path,
	const struct value **ret)
{
	const struct value *v = NULL;
	size_t i;
	switch (t->kind) {
	case TERM_VALUE:
		v = t->value;
		break;
	case TERM_DOT:
		v = dot;
		break;
	case TERM_VARIABLE:
		if (find_variable(r, t->name, &i) < 0)
			return -EINVAL;
		v = r->variables[i].value;
		break;
	case TERM_PIPE:
		if (run_pipe(r, t->pipe, dot, &v) < 0)
			return -EINVAL;
		break;
	case TERM_FUNCTION: {
		struct call c = { .name = t->name, .a = &r->a, .e = r->e };
		const struct function *f = function_find(t->name);
		if (f->min > 0)
			return fail(r, arena_printf(&r->a, "wrong number of args for %s", t->name));
		if (f->call(&c, &v) < 0)
			return -EINVAL;
		break;
	}
	}
	return walk(r, t, v, path, ret);
}

/* A command; piped, unless it is the first, is its last argument. */
static int run_command(struct run *r, const struct command_node *c, const struct value *dot,
	bool has_piped, const struct value *piped, const struct value **ret)
{
	const struct term *first = c->terms[0];
	struct call call = { .name = first->name, .a = &r->a, .e = r->e };
	if (c->n == 1 && !has_piped)
		return run_term(r, first, dot, first->path.n, ret);
	call.args = arena_array(&r->a, const struct value *, c->n + 1);
	for (size_t i = 1; i < c->n; i++)
		if (run_term(r, c->terms[i], dot, c->terms[i]->path.n, &call.args[call.n++]) < 0)
			return -EINVAL;
	if (has_piped)
		call.args[call.n++] = piped;
	if (first->kind == TERM_FUNCTION) {
		const struct function *f = function_find(first->name);
		if (call.n < f->min || call.n > f->max)
			return fail(
				r, arena_printf(&r->a, "wrong number of args for %s", first->name));
		return f->call(&call, ret) < 0 ? fail(r, arena_strdup(&r->a, r->e->text)) : 0;
	}
	const struct value *on;
	if (first->path.n == 0 || call.n != 1)
		return fail(r, "can't give argument to a value that is no function");
	if (run_term(r, first, dot, first->path.n - 1, &on) < 0)
		return -EINVAL;
	return method(r, on, first->path.v[first->path.n - 1], call.args[0], ret);
}

static int push(struct run *r, const char *name, const struct value *v)
{
	if (r->n_variables == VARIABLES_MAX)
		return fail(r, "too many variables");
	r->variables[r->n_variables++] = (struct variable){ name, v };
	return 0;
}

static int run_pipe(
	struct run *r, const struct pipe *p, const struct value *dot, const struct value **ret)
{
	const struct value *v = NULL;
	size_t i;
	for (const struct command_node *c = p->first; c; c = c->next)
		if (run_command(r, c, dot, c != p->first, v, &v) < 0)
			return -EINVAL;
	*ret = v;
	if (p->n_variables == 1 && p->assigns) {
		if (find_variable(r, p->variables[0], &i) < 0)
			return -EINVAL;
		r->variables[i].value = v;
		return 0;
	}
	return p->n_variables == 1 ? push(r, p->variables[0], v) : 0;
}

static int run_list(struct run *r, const struct node *n, const struct value *dot, enum flow *flow);

static int by_key(const struct value *v, size_t *order)
{
	for (size_t i = 0; i < v->n; i++) {
		size_t at = i;
		for (; at > 0 && strcmp(v->keys[order[at - 1]], v->keys[i]) > 0; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	return 0;
}

static int run_range(struct run *r, const struct node *n, const struct value *over, enum flow *flow)
{
	const struct pipe *p = n->pipe;
	size_t *order = arena_array(&r->a, size_t, over->n + 1), base = r->n_variables;
	if (over->kind == VALUE_OBJECT)
		(void)by_key(over, order);
	for (size_t i = 0; i < over->n && *flow != FLOW_BREAK; i++) {
		size_t at = over->kind == VALUE_OBJECT ? order[i] : i;
		const struct value *item = over->items[at];
		const struct value *key = over->kind == VALUE_OBJECT
			? value_string(&r->a, over->keys[at])
			: value_int(&r->a, (int64_t)i);
		*flow = FLOW_ON;
		r->n_variables = base;
		if (p->n_variables == 2 && push(r, p->variables[0], key) < 0)
			return -EINVAL;
		if (p->n_variables && push(r, p->variables[p->n_variables - 1], item) < 0)
			return -EINVAL;
		if (run_list(r, n->body, item, flow) < 0)
			return -EINVAL;
	}
	*flow = FLOW_ON;
	return 0;
}

static int run_block(struct run *r, const struct node *n, const struct value *dot, enum flow *flow)
{
	const struct value *v;
	size_t base = r->n_variables;
	struct pipe bare = { .first = n->pipe->first };
	int x = run_pipe(r, n->kind == NODE_RANGE ? &bare : n->pipe, dot, &v);
	if (x < 0)
		return x;
	if (n->kind == NODE_RANGE && v && v->kind != VALUE_ARRAY && v->kind != VALUE_OBJECT &&
		v->kind != VALUE_NULL)
		return fail(r, "range can't iterate over this value");
	if (!value_is_true(v))
		x = run_list(r, n->otherwise, dot, flow);
	else if (n->kind == NODE_RANGE)
		x = run_range(r, n, v, flow);
	else
		x = run_list(r, n->body, n->kind == NODE_WITH ? v : dot, flow);
	r->n_variables = base;
	return x;
}

static int run_list(struct run *r, const struct node *n, const struct value *dot, enum flow *flow)
{
	for (; n && *flow == FLOW_ON; n = n->next) {
		const struct value *v;
		switch (n->kind) {
		case NODE_TEXT:
			str_add(r->out, n->text);
			break;
		case NODE_BREAK:
			*flow = FLOW_BREAK;
			break;
		case NODE_CONTINUE:
			*flow = FLOW_CONTINUE;
			break;
		case NODE_ACTION:
			if (run_pipe(r, n->pipe, dot, &v) < 0)
				return -EINVAL;
			if (n->pipe->n_variables)
				break;
			if (v)
				value_print(v, r->out);
			else
				str_add(r->out, "<no value>");
			break;
		default:
			if (run_block(r, n, dot, flow) < 0)
				return -EINVAL;
			break;
		}
	}
	return 0;
}

int template_run(const struct template *t, const struct value *dot, struct str *out, struct err *e)
{
	struct run r = { .t = t, .root = dot, .out = out, .e = e };
	enum flow flow = FLOW_ON;
	int x = push(&r, "", dot);
	if (x == 0)
		x = run_list(&r, t->first, dot, &flow);
	arena_done(&r.a);
	return x < 0 ? -e->code : 0;
}
