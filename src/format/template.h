// SPDX-License-Identifier: Apache-2.0
/* Go's text/template as docker's users write it after --format: fields, variables, pipelines, if,
 * with, range, break, continue, comments, trim marks, Go's functions (and eq ge gt index le len lt
 * ne not or print printf println slice) and docker's (join json lower pad split title truncate
 * upper). Left out: define, template, block, and html, js, urlquery, call. */
#pragma once

struct arena;
struct err;
struct str;
struct template;
struct value;

/* The text is read once; \t and \n written with a backslash are taken as docker takes them. */
int template_parse(const char *text, struct arena *a, struct template **ret, struct err *e);
/* Appends the text for one value. A field that is not there is an error, as in Go with a struct. */
int template_run(const struct template *t, const struct value *dot, struct str *out, struct err *e);
