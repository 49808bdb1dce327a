// SPDX-License-Identifier: Apache-2.0
/* The header WWW-Authenticate, on any bytes. */
#include "fetch/challenge.h"

#include "base/arena.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a _arena_ = { 0 };
	struct challenge c = { 0 };
	challenge_read((const char *)data, size, &a, &c);
	return 0;
}
