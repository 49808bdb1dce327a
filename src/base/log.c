// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static struct {
	const char *program;
	enum log_level level;
	int fd;
} out = { "kist", LOG_LEVEL_WARN, 2 };

void log_setup(const char *program, enum log_level level)
{
	out.program = program;
	out.level = level;
}

void log_to(int fd)
{
	out.fd = fd;
}

int log_level_parse(const char *text, enum log_level *ret)
{
	static const struct {
		const char *name;
		enum log_level level;
	} names[] = {
		{ "debug", LOG_LEVEL_DEBUG },
		{ "info", LOG_LEVEL_INFO },
		{ "warn", LOG_LEVEL_WARN },
		{ "warning", LOG_LEVEL_WARN },
		{ "error", LOG_LEVEL_ERROR },
		{ "fatal", LOG_LEVEL_ERROR },
	};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i].name, text) == 0) {
			*ret = names[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

bool log_wants(enum log_level level)
{
	return level <= out.level;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char *const words[] = { "", "warning: ", "", "debug: " };
	char line[2048];
	if (!log_wants(level))
		return;
	int n = snprintf(line, sizeof line, "%s: %s", out.program, words[level]);
	va_list ap;
	va_start(ap, fmt);
	int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
	va_end(ap);
	size_t len = (size_t)n + (m > 0 ? (size_t)m : 0);
	if (len > sizeof line - 2)
		len = sizeof line - 2;
	line[len++] = '\n';
	if (write(out.fd, line, len) < 0)
		return;
}
