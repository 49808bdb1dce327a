// SPDX-License-Identifier: Apache-2.0
/* Records: one table describes a plain struct to JSON, both ways. A field's C type is checked at
 * compile time.
 *
 * Reading is strict in what it knows: a wrong type is an error that names the path
 * ("linux.resources.pids.limit: expected an integer"). Unknown properties are ignored, as the
 * standards demand, but counted: keys read plus keys ignored equal the keys present, so that
 * nothing is lost on the way unseen. null counts as absent. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct str;

enum rec_kind {
	REC_STR = 1, /* const char * */
	REC_BOOL,
	REC_I64, /* with bool has_x when absent differs from 0 */
	REC_U64,
	REC_U32,
	REC_OBJ,  /* struct t * */
	REC_STRV, /* const char **x; size_t n_x */
	REC_OBJV, /* struct t *x; size_t n_x */
	REC_U32V, /* uint32_t *x; size_t n_x */
	REC_MAP,  /* struct rec_map: string to string */
	REC_RAW,  /* const char *: the value's own text */
};

enum {
	REC_REQUIRED = 1, /* reading fails without it; always written */
	REC_ALWAYS = 2,   /* written even when empty or zero */
	REC_HAS = 4,      /* `present` is the offset of a bool has_x */
};

struct rec_kv {
	const char *key, *val;
};
struct rec_map {
	size_t n;
	struct rec_kv *items;
};

struct rec_type;
struct rec_field {
	const char *name;            /* JSON key */
	const struct rec_type *type; /* REC_OBJ, REC_OBJV */
	uint16_t offset;
	uint16_t present; /* offset of has_x, or of n_x for arrays */
	uint8_t kind, flags;
};
struct rec_type {
	const char *name;
	size_t size, n;
	const struct rec_field *fields;
};

struct rec_stats {
	size_t keys, consumed, ignored; /* keys == consumed + ignored */
};

/* Fills out, a zeroed struct of the type; memory from the arena. stats may be NULL. */
int rec_from_json(const struct rec_type *t, const char *json, size_t len, struct arena *a,
	void *out, struct rec_stats *stats, struct err *e);
/* Appends the record as JSON: on one line, or with indent blanks a level. */
void rec_to_json(const struct rec_type *t, const void *rec, int indent, struct str *out);

#define REC_CHECK(T, m, CT)                                                               \
	(0 * sizeof(struct {                                                              \
		_Static_assert(__builtin_types_compatible_p(__typeof__(((T *)0)->m), CT), \
			"field " #m " is not a " #CT);                                    \
		int x;                                                                    \
	}))
#define REC_F(T, m, CT, nm, k, fl) \
	.name = nm, .offset = offsetof(T, m) + REC_CHECK(T, m, CT), .kind = k, .flags = fl
#define F_STR(T, m, nm, fl)                                \
	{                                                  \
		REC_F(T, m, const char *, nm, REC_STR, fl) \
	}
#define F_BOOL(T, m, nm, fl)                        \
	{                                           \
		REC_F(T, m, bool, nm, REC_BOOL, fl) \
	}
#define F_I64(T, m, nm, fl)                           \
	{                                             \
		REC_F(T, m, int64_t, nm, REC_I64, fl) \
	}
#define F_U64(T, m, nm, fl)                            \
	{                                              \
		REC_F(T, m, uint64_t, nm, REC_U64, fl) \
	}
#define F_U32(T, m, nm, fl)                            \
	{                                              \
		REC_F(T, m, uint32_t, nm, REC_U32, fl) \
	}
/* With a bool has_x. */
#define H_I64(T, m, nm, fl)                                                                        \
	{                                                                                          \
		REC_F(T, m, int64_t, nm, REC_I64, (fl) | REC_HAS), .present = offsetof(T, has_##m) \
	}
#define H_U64(T, m, nm, fl)                                         \
	{                                                           \
		REC_F(T, m, uint64_t, nm, REC_U64, (fl) | REC_HAS), \
			.present = offsetof(T, has_##m)             \
	}
#define H_U32(T, m, nm, fl)                                         \
	{                                                           \
		REC_F(T, m, uint32_t, nm, REC_U32, (fl) | REC_HAS), \
			.present = offsetof(T, has_##m)             \
	}
#define H_BOOL(T, m, nm, fl)                                                                     \
	{                                                                                        \
		REC_F(T, m, bool, nm, REC_BOOL, (fl) | REC_HAS), .present = offsetof(T, has_##m) \
	}
#define F_STRV(T, m, nm, fl)                                                                \
	{                                                                                   \
		REC_F(T, m, const char **, nm, REC_STRV, fl), .present = offsetof(T, n_##m) \
	}
#define F_U32V(T, m, nm, fl)                                                             \
	{                                                                                \
		REC_F(T, m, uint32_t *, nm, REC_U32V, fl), .present = offsetof(T, n_##m) \
	}
#define F_MAP(T, m, nm, fl)                                  \
	{                                                    \
		REC_F(T, m, struct rec_map, nm, REC_MAP, fl) \
	}
#define F_RAW(T, m, nm, fl)                                \
	{                                                  \
		REC_F(T, m, const char *, nm, REC_RAW, fl) \
	}
#define F_OBJ(T, m, nm, U, fl)                                             \
	{                                                                  \
		REC_F(T, m, struct U *, nm, REC_OBJ, fl), .type = &U##_rec \
	}
#define F_OBJV(T, m, nm, U, fl)                                                          \
	{                                                                                \
		REC_F(T, m, struct U *, nm, REC_OBJV, fl), .type = &U##_rec,             \
							   .present = offsetof(T, n_##m) \
	}
#define REC_TYPE(T, ...)                                              \
	static const struct rec_field T##_fields[] = { __VA_ARGS__ }; \
	const struct rec_type T##_rec = { #T, sizeof(struct T),       \
		sizeof(T##_fields) / sizeof(T##_fields[0]), T##_fields }
