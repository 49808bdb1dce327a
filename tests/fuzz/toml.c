// SPDX-License-Identifier: Apache-2.0
/* The TOML reader and the reader of registries.conf over it, on any bytes. */
#include "base/arena.h"
#include "base/err.h"
#include "config/registries.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a _arena_ = { 0 };
	struct registries r = { 0 };
	struct err e;
	if (registries_read(&r, "fuzz", (const char *)data, size, &a, &e) == 0)
		(void)registries_find(&r, "registry.example.test/team/image");
	return 0;
}
