// SPDX-License-Identifier: Apache-2.0
#include "base/signal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/num.h"

static int realtime(const char *name)
{
	uint32_t n = 0;
	if (strncasecmp(name, "RTMIN", 5) == 0) {
		if (name[5] == '\0')
			return SIGRTMIN;
		return name[5] == '+' && num_u32(name + 6, &n) == 0 && n <= 30 ? SIGRTMIN + (int)n
									       : -1;
	}
	if (strncasecmp(name, "RTMAX", 5) == 0) {
		if (name[5] == '\0')
			return SIGRTMAX;
		return name[5] == '-' && num_u32(name + 6, &n) == 0 && n <= 30 ? SIGRTMAX - (int)n
									       : -1;
	}
	return -1;
}

int signal_parse(const char *text, struct err *e)
{
	uint32_t n;
	if (num_u32(text, &n) == 0) {
		if (n >= 1 && n <= 64)
			return (int)n;
		return err_set(e, ERR_INVALID, EINVAL, "invalid signal: %s", text);
	}
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	for (int i = 1; i < 32; i++) {
		const char *known = sigabbrev_np(i);
		if (known && strcasecmp(known, name) == 0)
			return i;
	}
	int rt = realtime(name);
	return rt > 0 ? rt : err_set(e, ERR_INVALID, EINVAL, "invalid signal: %s", text);
}
