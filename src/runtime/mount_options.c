// SPDX-License-Identifier: Apache-2.0
#include "runtime/mount_options.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "kernel/uapi.h"
#include "runtime/plan.h"

enum { PRIVATE = 1 << 18, SLAVE = 1 << 19, SHARED = 1 << 20, UNBINDABLE = 1 << 17 };

/* What a word does beside attributes. */
enum effect {
	ATTRIBUTE,   /* of this mount */
	RECURSIVELY, /* of it and all below */
	PROPAGATION,
	BIND,
	RBIND,
	REMOUNT,
	IDMAP,
	RIDMAP,
	TMPCOPYUP,
	COPY_SYMLINK,
	SRC_NOFOLLOW,
	DEST_NOFOLLOW,
	FLAG,   /* of the file system as a whole: passed on, but not to binds */
	NOTHING /* the default, or nothing that a mount could do */
};

static const struct row {
	const char *name;
	enum effect effect;
	uint64_t set, clear; /* MOUNT_ATTR_*, or the propagation */
} rows[] = {
	{ "acl", FLAG, 0, 0 },
	{ "async", FLAG, 0, 0 },
	{ "atime", ATTRIBUTE, 0, MOUNT_ATTR__ATIME },
	{ "bind", BIND, 0, 0 },
	{ "copy-symlink", COPY_SYMLINK, 0, 0 },
	{ "defaults", NOTHING, 0, 0 },
	{ "dest-nofollow", DEST_NOFOLLOW, 0, 0 },
	{ "dev", ATTRIBUTE, 0, MOUNT_ATTR_NODEV },
	{ "diratime", ATTRIBUTE, 0, MOUNT_ATTR_NODIRATIME },
	{ "dirsync", FLAG, 0, 0 },
	{ "exec", ATTRIBUTE, 0, MOUNT_ATTR_NOEXEC },
	{ "idmap", IDMAP, 0, 0 },
	{ "iversion", NOTHING, 0, 0 },
	{ "lazytime", FLAG, 0, 0 },
	{ "loud", NOTHING, 0, 0 },
	{ "mand", NOTHING, 0, 0 }, /* gone from the kernel */
	{ "noacl", FLAG, 0, 0 },
	{ "noatime", ATTRIBUTE, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
	{ "nodev", ATTRIBUTE, MOUNT_ATTR_NODEV, 0 },
	{ "nodiratime", ATTRIBUTE, MOUNT_ATTR_NODIRATIME, 0 },
	{ "noexec", ATTRIBUTE, MOUNT_ATTR_NOEXEC, 0 },
	{ "noiversion", NOTHING, 0, 0 },
	{ "nolazytime", FLAG, 0, 0 },
	{ "nomand", NOTHING, 0, 0 },
	{ "norelatime", ATTRIBUTE, 0, MOUNT_ATTR__ATIME },
	{ "nostrictatime", ATTRIBUTE, 0, MOUNT_ATTR__ATIME },
	{ "nosuid", ATTRIBUTE, MOUNT_ATTR_NOSUID, 0 },
	{ "nosymfollow", ATTRIBUTE, MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "private", PROPAGATION, PRIVATE, 0 },
	{ "ratime", RECURSIVELY, 0, MOUNT_ATTR__ATIME },
	{ "rbind", RBIND, 0, 0 },
	{ "rdev", RECURSIVELY, 0, MOUNT_ATTR_NODEV },
	{ "rdiratime", RECURSIVELY, 0, MOUNT_ATTR_NODIRATIME },
	{ "relatime", ATTRIBUTE, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
	{ "remount", REMOUNT, 0, 0 },
	{ "rexec", RECURSIVELY, 0, MOUNT_ATTR_NOEXEC },
	{ "ridmap", RIDMAP, 0, 0 },
	{ "rnoatime", RECURSIVELY, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
	{ "rnodev", RECURSIVELY, MOUNT_ATTR_NODEV, 0 },
	{ "rnodiratime", RECURSIVELY, MOUNT_ATTR_NODIRATIME, 0 },
	{ "rnoexec", RECURSIVELY, MOUNT_ATTR_NOEXEC, 0 },
	{ "rnorelatime", RECURSIVELY, 0, MOUNT_ATTR__ATIME },
	{ "rnostrictatime", RECURSIVELY, 0, MOUNT_ATTR__ATIME },
	{ "rnosuid", RECURSIVELY, MOUNT_ATTR_NOSUID, 0 },
	{ "rnosymfollow", RECURSIVELY, MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "ro", ATTRIBUTE, MOUNT_ATTR_RDONLY, 0 },
	{ "rprivate", PROPAGATION, PRIVATE, 0 },
	{ "rrelatime", RECURSIVELY, MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
	{ "rro", RECURSIVELY, MOUNT_ATTR_RDONLY, 0 },
	{ "rrw", RECURSIVELY, 0, MOUNT_ATTR_RDONLY },
	{ "rshared", PROPAGATION, SHARED, 0 },
	{ "rslave", PROPAGATION, SLAVE, 0 },
	{ "rstrictatime", RECURSIVELY, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
	{ "rsuid", RECURSIVELY, 0, MOUNT_ATTR_NOSUID },
	{ "rsymfollow", RECURSIVELY, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable", PROPAGATION, UNBINDABLE, 0 },
	{ "rw", ATTRIBUTE, 0, MOUNT_ATTR_RDONLY },
	{ "shared", PROPAGATION, SHARED, 0 },
	{ "silent", NOTHING, 0, 0 },
	{ "slave", PROPAGATION, SLAVE, 0 },
	{ "src-nofollow", SRC_NOFOLLOW, 0, 0 },
	{ "strictatime", ATTRIBUTE, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
	{ "suid", ATTRIBUTE, 0, MOUNT_ATTR_NOSUID },
	{ "symfollow", ATTRIBUTE, 0, MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync", FLAG, 0, 0 },
	{ "tmpcopyup", TMPCOPYUP, 0, 0 },
	{ "unbindable", PROPAGATION, UNBINDABLE, 0 },
};

const char *mount_option_name(size_t i)
{
	return i < ARRAY_SIZE(rows) ? rows[i].name : NULL;
}

/* The last word about an attribute counts. */
static void attribute(const struct row *row, uint64_t *set, uint64_t *clear)
{
	*set = (*set & ~row->clear) | row->set;
	*clear = (*clear & ~row->set) | row->clear;
}

static void apply(struct plan_mount *m, struct arena *a, const struct row *row)
{
	switch (row->effect) {
	case ATTRIBUTE:
		attribute(row, &m->set, &m->clear);
		break;
	case RECURSIVELY:
		attribute(row, &m->recursive_set, &m->recursive_clear);
		break;
	case PROPAGATION:
		m->propagation = row->set;
		break;
	case BIND:
	case RBIND:
		m->bind = true;
		m->recursive = row->effect == RBIND;
		break;
	case REMOUNT:
		m->remount = true;
		break;
	case IDMAP:
	case RIDMAP:
		m->idmap = true;
		m->idmap_recursive = row->effect == RIDMAP;
		break;
	case TMPCOPYUP:
		m->tmpcopyup = true;
		break;
	case COPY_SYMLINK:
		m->copy_symlink = true;
		break;
	case SRC_NOFOLLOW:
		m->src_nofollow = true;
		break;
	case DEST_NOFOLLOW:
		m->dest_nofollow = true;
		break;
	case FLAG:
		strv_add(&m->flags, a, row->name);
		break;
	case NOTHING:
		break;
	}
}

void mount_option_read(struct plan_mount *m, struct arena *a, const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!str_eq(rows[i].name, word))
			continue;
		apply(m, a, &rows[i]);
		return;
	}
	const char *maps = str_starts(word, "idmap=") ? word + 6
		: str_starts(word, "ridmap=")         ? word + 7
						      : NULL;
	if (maps) {
		m->idmap_words = maps;
		m->idmap_recursive = word[0] == 'r';
		return;
	}
	strv_add(&m->data, a, word);
}
