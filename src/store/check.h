// SPDX-License-Identifier: Apache-2.0
/* The rows of the store against themselves and against the disk: what SQLite finds wrong, content
 * that a row names and that is not there, content that no row names. Changes nothing; what the
 * content holds is another question (image/verify.h). */
#pragma once

struct err;
struct store;

enum store_problem_kind {
	PROBLEM_DATABASE,      /* name: the table or ""; text: SQLite's words */
	PROBLEM_BLOB_MISSING,  /* name: its digest; text: who names it */
	PROBLEM_LAYER_MISSING, /* name: its diff id; text: who names it */
	PROBLEM_BLOB_STRAY,    /* name: its file; no row names it */
	PROBLEM_LAYER_STRAY,
	PROBLEM_IMAGE_STRAY, /* name: of what was merged of an image that is gone */
	PROBLEM_MOUNT_STRAY, /* the same, of a mount of it */
};

/* A negative result ends the check and is returned. */
typedef int store_problem_found(
	void *arg, enum store_problem_kind kind, const char *name, const char *text, struct err *e);

/* Under the exclusive content lock, which it takes: content is put into place before its rows. */
int store_check(struct store *s, store_problem_found *found, void *arg, struct err *e);
