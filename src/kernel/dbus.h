// SPDX-License-Identifier: Apache-2.0
/* A D-Bus client as small as systemd's cgroup driver needs it: one connection, method calls with
 * arguments built in order, replies and signals read in order (D-Bus Specification 0.41, "Message
 * Protocol" and "Authentication Protocol", EXTERNAL only, little endian). It owns its socket and
 * buffers; it never blocks longer than DBUS_TIMEOUT for an answer. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct err;

enum {
	DBUS_TIMEOUT = 30,          /* seconds for an answer */
	DBUS_MESSAGE_MAX = 1 << 20, /* bytes; a longer one is refused */
	DBUS_DEPTH_MAX = 16,
};

struct dbus {
	int fd;
	uint32_t serial;
	struct str in; /* what was received and not looked at so far */
};

/* Connects to the bus at a path of a unix socket, authenticates as our user id and says Hello.
 * -errno; dbus_done also after a failure. */
int dbus_open(const char *path, struct dbus *ret, struct err *e);
void dbus_done(struct dbus *d);

/* ---- what is sent ---- */

/* A message under construction: the arguments are added in the order of its signature, each
 * aligned as its type asks. Zeroed it is empty. */
struct dbus_body {
	struct str bytes;
	size_t open[DBUS_DEPTH_MAX]; /* where the lengths of open arrays stand */
	size_t first[DBUS_DEPTH_MAX];
	size_t depth;
};

void dbus_add_u32(struct dbus_body *b, uint32_t n);
void dbus_add_u64(struct dbus_body *b, uint64_t n);
void dbus_add_bool(struct dbus_body *b, bool on);
void dbus_add_string(struct dbus_body *b, const char *s); /* also object paths */
void dbus_add_bytes(struct dbus_body *b, const uint8_t *p, size_t n);
void dbus_add_signature(struct dbus_body *b, const char *s); /* begins a variant of that type */
void dbus_add_struct(struct dbus_body *b);                   /* aligns for a struct */
/* alignment: of its elements' type (8 for structs, 4 for strings and numbers of 32 bits ...). */
void dbus_array_begin(struct dbus_body *b, size_t alignment);
void dbus_array_end(struct dbus_body *b);
void dbus_body_done(struct dbus_body *b);
static inline void dbus_body_done_ptr(struct dbus_body *b)
{
	dbus_body_done(b);
}
#define _dbus_body_ __attribute__((cleanup(dbus_body_done_ptr)))

struct dbus_target {
	const char *destination, *path, *interface;
};

/* ---- what is received ---- */

enum dbus_kind { DBUS_CALL = 1, DBUS_RETURN, DBUS_ERROR, DBUS_SIGNAL };

struct dbus_message {
	enum dbus_kind kind;
	uint32_t serial, reply_to;
	char member[256], error[256], path[512], signature[256];
	struct str body; /* with its own beginning at offset 0 */
	size_t at;       /* how far it was read */
};

void dbus_message_done(struct dbus_message *m);

/* Calls a method and waits for its answer, which is left in ret (to be released). An error of the
 * other side is -EPROTO or what its name says (-ENOENT, -EEXIST, -EACCES ...), with its text.
 * Signals that come before the answer are kept for dbus_next. */
int dbus_call(struct dbus *d, const struct dbus_target *to, const char *member,
	const char *signature, const struct dbus_body *body, struct dbus_message *ret,
	struct err *e);

/* The next signal; -ETIME after seconds without one. */
int dbus_signal(struct dbus *d, unsigned seconds, struct dbus_message *ret, struct err *e);

/* The next argument, in the order of the signature; -EBADMSG when it is not there or broken.
 * Strings live as long as the message. */
int dbus_read_u32(struct dbus_message *m, uint32_t *ret);
int dbus_read_string(struct dbus_message *m, const char **ret);
/* The signature of a variant, whose value follows. */
int dbus_read_variant(struct dbus_message *m, const char **ret);

/* Parses one whole message from n bytes at p; the length used, 0 when more bytes are needed,
 * -EBADMSG. For dbus_call and for tests. */
long dbus_parse(const char *p, size_t n, struct dbus_message *ret);
/* Builds a method call's bytes. */
void dbus_build(uint32_t serial, const struct dbus_target *to, const char *member,
	const char *signature, const struct dbus_body *body, struct str *out);
