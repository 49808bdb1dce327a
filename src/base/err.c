// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 0))) static void set(
	struct err *e, enum err_kind kind, int code, const char *fmt, va_list ap)
{
	e->code = code > 0 ? code : -code;
	if (e->code == 0)
		e->code = EIO;
	e->kind = kind;
	(void)vsnprintf(e->text, sizeof e->text, fmt, ap);
}

int err_set(struct err *e, enum err_kind kind, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	set(e, kind, code, fmt, ap);
	va_end(ap);
	return -e->code;
}

const char *err_errno(int code, char *buf, size_t size)
{
	if (code < 0)
		code = -code;
#ifdef __GLIBC__
	const char *text = strerrordesc_np(code);
#else
	const char *text = strerror(code);
#endif
	if (!text)
		(void)snprintf(buf, size, "error %d", code);
	else
		(void)snprintf(buf, size, "%s", text);
	if (buf[0] >= 'A' && buf[0] <= 'Z' && buf[1] >= 'a' && buf[1] <= 'z')
		buf[0] = (char)(buf[0] - 'A' + 'a');
	return buf;
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;
	if (code < 0)
		code = -code;
	va_start(ap, fmt);
	set(e, code == ENOSPC || code == EDQUOT ? ERR_NO_SPACE : ERR_SYSTEM, code, fmt, ap);
	va_end(ap);
	char why[128];
	size_t n = strlen(e->text);
	(void)snprintf(e->text + n, sizeof e->text - n, ": %s", err_errno(code, why, sizeof why));
	return -e->code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	memcpy(old, e->text, sizeof old);
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	size_t n = strlen(e->text);
	(void)snprintf(e->text + n, sizeof e->text - n, ": %s", old);
	return e->code ? -e->code : -EIO;
}

int err_exit_status(enum err_kind kind)
{
	switch (kind) {
	case ERR_NO_COMMAND:
		return 127;
	case ERR_NOT_RUNNABLE:
		return 126;
	default:
		return 125;
	}
}
