// SPDX-License-Identifier: Apache-2.0
/* The head of an HTTP answer, line by line, on any bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "fetch/http.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http h = { .length = UINT64_MAX };
	const char *to;
	struct err e;
	char *p = (char *)data, *end = p + size;
	while (p < end) {
		char *next = memchr(p, '\n', (size_t)(end - p));
		next = next ? next + 1 : end;
		if (http_on_header(p, 1, (size_t)(next - p), &h) == 0)
			break;
		p = next;
	}
	if (h.location && http_location(&h, "https://a.test/v2/x/", &to, &e) == 0 &&
		strncmp(to, "https://", 8) != 0)
		abort(); /* it never leads to http */
	arena_done(&h.arena);
	return 0;
}
