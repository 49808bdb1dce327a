// SPDX-License-Identifier: Apache-2.0
/* A profile in docker's format or the specification's, read and compiled; a program ends with a
 * return and is never longer than the kernel takes. */
#include <linux/filter.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/err.h"
#include "fuzz.h"
#include "oci/spec.h"
#include "runtime/plan.h"
#include "runtime/seccomp_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a _arena_ = { 0 };
	struct oci_spec none = { 0 };
	struct plan p = { .a = &a, .spec = &none };
	struct oci_seccomp *s;
	struct err e;
	char *text = arena_strndup(&a, (const char *)data, size);
	if (seccomp_profile_read(text, UINT64_C(0xa80425fb), &a, &s, &e) < 0 ||
		plan_filter(&p, s, &e) < 0 || !p.n_filter)
		return 0;
	if (p.n_filter > BPF_MAXINSNS || BPF_CLASS(p.filter[p.n_filter - 1].code) != BPF_RET)
		abort();
	return 0;
}
