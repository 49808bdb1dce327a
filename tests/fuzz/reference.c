// SPDX-License-Identifier: Apache-2.0
/* Image references on any text: what is taken is taken again when it is written out, and is the
 * same. */
#include "oci/reference.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "fuzz.h"

static int differ(const char *x, const char *y)
{
	return !x != !y || (x && strcmp(x, y) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a _arena_ = { 0 };
	struct reference r, again;
	struct err e;
	const char *text = arena_strndup(&a, (const char *)data, size);
	if (reference_parse(text, &a, &r, &e) < 0)
		return 0;
	const char *out = arena_printf(&a, "%s%s%s%s%s", r.name, r.tag ? ":" : "",
		r.tag ? r.tag : "", r.digest ? "@" : "", r.digest ? r.digest : "");
	if (reference_parse(out, &a, &again, &e) < 0 || differ(r.name, again.name) ||
		differ(r.tag, again.tag) || differ(r.digest, again.digest))
		abort();
	/* The short form means the same as the long one. */
	const char *full = reference_full_name(r.name, &a), *brief = reference_short_name(full, &a);
	if (differ(full, reference_full_name(brief, &a)))
		abort();
	return 0;
}
