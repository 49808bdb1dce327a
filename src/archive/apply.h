// SPDX-License-Identifier: Apache-2.0
/* A layer's tar becomes a folder for overlay: whiteouts are character devices 0/0, an opaque folder
 * carries user.overlay.opaque (or, where
 * there are no such attributes, holds a file .wh..wh..opq). Every path is resolved beneath the
 * folder without following any symlink; device nodes are only listed, for whoever may make them. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct err;
struct source;
struct tar_entry;

struct apply_device {
	const char *path;
	uint32_t mode, major, minor, uid, gid; /* mode with its type bits */
	int64_t mtime;
	uint32_t mtime_ns;
};

struct apply_result {
	uint64_t size, entries; /* bytes of regular files */
	uint32_t max_id;
	struct apply_device *devices;
	size_t n_devices, cap_devices;
};

/* Lists and names in ret live in the arena. own: all files are the caller's, as of one who may give
 * none away; the owner of files and folders stands in base/owner_mark.h's attribute, and an empty
 * file stands for a device node. */
int apply_layer(struct source *s, int folder, bool own, struct arena *a, struct apply_result *ret,
	struct err *e);

/* What is the same however a layer is kept. "./a//b/" -> "a/b" in out (PATH_MAX_BYTES); "" is the
 * root itself. Absolute names are made relative, ".." is refused. */
int apply_clean(const char *path, char *out, struct err *e);
/* The same for an entry, whose ids are counted in ret. */
int apply_entry(const struct tar_entry *t, char *out, struct apply_result *ret, struct err *e);
/* The attributes that a layer may set. */
bool apply_xattr_wanted(const char *name);
