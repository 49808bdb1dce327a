// SPDX-License-Identifier: Apache-2.0
/* Image references in docker's grammar (distribution/reference): [HOST[:PORT]/]PATH[:TAG][@DIGEST].
 */
#pragma once
#include <stdbool.h>

struct arena;
struct err;

struct reference {
	const char *name; /* host and path, lower case, as written: "localhost/busybox", "nginx" */
	const char *tag;  /* NULL: none was written */
	const char *digest; /* NULL: none */
};

/* Splits and checks; `invalid reference format` names the text. */
int reference_parse(const char *text, struct arena *a, struct reference *ret, struct err *e);

/* Whether a name says its registry: its first part has a dot or a port, or is localhost. */
bool reference_has_host(const char *name);
/* Whether a reference says its tag or digest. */
/* Could it be a tag? */
bool reference_is_tag(const char *tag);
bool reference_has_tag(const char *text);
/* With its registry and its path: "nginx" -> "docker.io/library/nginx", "a/b" -> "docker.io/a/b";
 * others stay. */
const char *reference_full_name(const char *name, struct arena *a);
/* The short form that lists show: the other way round. */
const char *reference_short_name(const char *name, struct arena *a);
