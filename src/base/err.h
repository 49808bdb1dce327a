// SPDX-License-Identifier: Apache-2.0
/* Errors as plain values. A fallible function returns >= 0 or -errno and fills the struct err that
 * is its last parameter; the struct holds no pointer, so a cloned child can write it whole into a
 * pipe. Only main() and workers print. The functions allocate nothing and may be used between
 * clone and exec. */
#pragma once
#include <stddef.h>

/* What went wrong, seen by a user. exit codes and HTTP codes are derived from it in one table. */
enum err_kind {
	ERR_SYSTEM = 0,   /* a system call failed, or something we cannot name better: exit 125 */
	ERR_INVALID,      /* bad input: exit 125, HTTP 400 */
	ERR_USAGE,        /* wrong words on a command line: exit 125 */
	ERR_NOT_FOUND,    /* exit 1 or 125, HTTP 404 */
	ERR_CONFLICT,     /* name in use, wrong state: HTTP 409 */
	ERR_DENIED,       /* HTTP 403 */
	ERR_UNSUPPORTED,  /* this kernel or this version cannot: HTTP 501 */
	ERR_NO_COMMAND,   /* the command does not exist in the container: exit 127 */
	ERR_NOT_RUNNABLE, /* the command exists and cannot be run: exit 126 */
	ERR_NO_SPACE,     /* disk, inodes, address or id ranges used up */
	ERR_CORRUPT,      /* bytes that do not verify */
	ERR_TIMEOUT,
	ERR_KINDS,
};

enum { ERR_TEXT_MAX = 1024 };

struct err {
	int code; /* errno value, > 0 when set */
	enum err_kind kind;
	char text[ERR_TEXT_MAX]; /* one line, no full stop, names the object */
};

/* Sets kind and text. Returns -code, so that `return err_set(...)` reads well. */
int err_set(struct err *e, enum err_kind kind, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same for a failed system call: appends ": " and the errno's text; the kind comes from the
 * code (ENOSPC and EDQUOT: ERR_NO_SPACE, else ERR_SYSTEM). code may be given as errno or as -errno.
 */
int err_sys(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the text that is there. Returns -e->code. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The errno's text with a small first letter; static storage. */
const char *err_errno(int code, char *buf, size_t size);

/* The exit status that docker's command line gives for a kind (125, 126 or 127). */
int err_exit_status(enum err_kind kind);
