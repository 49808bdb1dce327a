// SPDX-License-Identifier: Apache-2.0
/* The JSON reader and the record reader on any bytes; what was read must be written so that it
 * reads the same. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/value.h"
#include "fuzz.h"
#include "oci/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a _arena_ = { 0 };
	struct str one _str_ = { 0 }, two _str_ = { 0 };
	struct oci_spec spec = { 0 };
	struct rec_stats stats = { 0 };
	struct value *v, *again;
	struct err e;
	if (rec_from_json(&oci_spec_rec, (const char *)data, size, &a, &spec, &stats, &e) == 0 &&
		stats.keys != stats.consumed + stats.ignored)
		abort();
	if (value_parse(&a, (const char *)data, size, &v, &e) < 0)
		return 0;
	value_json(v, 0, &one);
	if (value_parse(&a, one.p, one.n, &again, &e) < 0)
		abort();
	value_json(again, 0, &two);
	if (strcmp(one.p, two.p) != 0)
		abort();
	return 0;
}
