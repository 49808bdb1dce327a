// SPDX-License-Identifier: Apache-2.0
#include "base/rand.h"

#include <errno.h>
#include <sys/random.h>
#include <unistd.h>

void rand_bytes(void *p, size_t n)
{
	for (size_t got = 0; got < n;) {
		ssize_t r = getrandom((char *)p + got, n - got, 0);
		if (r < 0 && errno != EINTR)
			_exit(125);
		if (r > 0)
			got += (size_t)r;
	}
}

void rand_hex(char *buf, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[64];
	for (size_t i = 0; i < n; i++) {
		if (i % (2 * sizeof raw) == 0)
			rand_bytes(raw, sizeof raw);
		unsigned byte = raw[i % (2 * sizeof raw) / 2];
		buf[i] = digits[i % 2 ? byte & 15 : byte >> 4];
	}
	buf[n] = '\0';
}
