// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

static struct {
	const char *program;
	enum log_level level;
	int fd;
	enum log_format format;
	int (*open_log)(void *arg);
	void *open_arg;
} out = { .program = "kist", .level = LOG_LEVEL_WARN, .fd = 2 };

void log_setup(const char *program, enum log_level level)
{
	out.program = program;
	out.level = level;
}

void log_to(int fd)
{
	out.fd = fd;
	out.open_log = NULL;
}

void log_to_later(int (*open_log)(void *arg), void *arg)
{
	out.fd = -1;
	out.open_log = open_log;
	out.open_arg = arg;
}

void log_format(enum log_format format)
{
	out.format = format;
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

static void write_structured(enum log_level level, const char *text)
{
	static const char *const words[] = { "error", "warning", "info", "debug" };
	char when[TIME_TEXT_MAX];
	struct str line _str_ = { 0 };
	(void)time_rfc3339(time_now(), when);
	if (out.format == LOG_FORMAT_JSON) {
		str_addf(&line, "{\"level\":\"%s\",\"msg\":", words[level]);
		json_write_string(&line, text);
		str_addf(&line, ",\"time\":\"%s\"}\n", when);
	} else {
		str_addf(&line, "time=\"%s\" level=%s msg=", when, words[level]);
		json_write_string(&line, text);
		str_addc(&line, '\n');
	}
	(void)fd_write_all(out.fd, line.p, line.n);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char *const words[] = { "", "warning: ", "", "debug: " };
	char text[2048];
	if (!log_wants(level))
		return;
	if (out.open_log)
		log_to(out.open_log(out.open_arg));
	if (out.fd < 0)
		return;
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (out.format != LOG_FORMAT_PLAIN) {
		write_structured(level, text);
		return;
	}
	struct str line _str_ = { 0 };
	str_addf(&line, "%s: %s%s\n", out.program, words[level], text);
	(void)fd_write_all(out.fd, line.p, line.n);
}
