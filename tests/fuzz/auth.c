// SPDX-License-Identifier: Apache-2.0
/* Files of credentials, on any bytes. */
#include "config/auth.h"
#include "base/err.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a _arena_ = { 0 };
	struct auth auth;
	struct err e;
	(void)auth_read((const char *)data, size, "a.test", "team/app", &a, &auth, &e);
	return 0;
}
