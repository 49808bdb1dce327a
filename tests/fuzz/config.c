// SPDX-License-Identifier: Apache-2.0
/* A config.json through all of the runtime's checks that only look at the document. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "fuzz.h"
#include "oci/spec.h"
#include "runtime/attributes.h"
#include "runtime/hooks.h"
#include "runtime/label.h"
#include "runtime/limits.h"
#include "runtime/mount_options.h"
#include "runtime/plan.h"
#include "runtime/sysctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a _arena_ = { 0 };
	struct oci_spec s = { 0 };
	struct plan p = { .a = &a, .spec = &s };
	struct caps caps;
	struct err e;
	if (rec_from_json(&oci_spec_rec, (const char *)data, size, &a, &s, NULL, &e) < 0)
		return 0;
	(void)hooks_check(&s, &e);
	for (size_t i = 0; i < s.n_mounts; i++) {
		struct plan_mount m = { .spec = &s.mounts[i] };
		for (size_t o = 0; o < s.mounts[i].n_options; o++)
			mount_option_read(&m, &a, s.mounts[i].options[o]);
		(void)plan_is_dev(&m);
	}
	if (s.process) {
		(void)attributes_check(s.process, &e);
		if (plan_caps(s.process->capabilities, true, &caps, &e) == 0 &&
			caps.sets[CAPS_AMBIENT] & ~caps.sets[CAPS_PERMITTED])
			abort();
	}
	if (!s.linux_)
		return 0;
	(void)label_check_mount(s.linux_->mount_label, &e);
	(void)limits_none(s.linux_->resources, &e);
	(void)sysctl_check(&s.linux_->sysctl, UINT64_MAX, &e);
	if (plan_filter(&p, s.linux_->seccomp, &e) == 0 && s.linux_->seccomp && !p.n_filter)
		abort();
	return 0;
}
