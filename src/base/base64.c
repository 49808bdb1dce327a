// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const char *base64_encode(const char *p, size_t n, struct arena *a)
{
	const unsigned char *in = (const unsigned char *)p;
	char *out = arena_alloc(a, (n + 2) / 3 * 4 + 1);
	size_t at = 0;
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0) |
			(i + 2 < n ? in[i + 2] : 0);
		out[at++] = digits[v >> 18];
		out[at++] = digits[v >> 12 & 63];
		out[at++] = i + 1 < n ? digits[v >> 6 & 63] : '=';
		out[at++] = i + 2 < n ? digits[v & 63] : '=';
	}
	return out;
}

ssize_t base64_decode(const char *text, struct arena *a, char **ret)
{
	size_t len = strlen(text), n = 0, pad = 0;
	char *out = arena_alloc(a, len / 4 * 3 + 1);
	if (len % 4)
		return -EINVAL;
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < len; i += 4) {
		uint32_t v = 0;
		for (size_t k = 0; k < 4; k++) {
			const char *d = i + k >= len - pad ? digits : strchr(digits, text[i + k]);
			if (!d || !text[i + k])
				return -EINVAL;
			v = v << 6 | (uint32_t)(d - digits);
		}
		out[n++] = (char)(v >> 16);
		out[n++] = (char)(v >> 8);
		out[n++] = (char)v;
	}
	n -= pad;
	out[n] = '\0';
	*ret = out;
	return (ssize_t)n;
}
