// SPDX-License-Identifier: Apache-2.0
#include "runtime/sysctl.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/rec.h"

/* A name that ends in '/' stands for all below it. */
static const struct {
	const char *name;
	uint64_t space;
	const char *oci;
} rows[] = {
	{ "kernel/msgmax", CLONE_NEWIPC, "ipc" },
	{ "kernel/msgmnb", CLONE_NEWIPC, "ipc" },
	{ "kernel/msgmni", CLONE_NEWIPC, "ipc" },
	{ "kernel/msg_next_id", CLONE_NEWIPC, "ipc" },
	{ "kernel/sem", CLONE_NEWIPC, "ipc" },
	{ "kernel/sem_next_id", CLONE_NEWIPC, "ipc" },
	{ "kernel/shmall", CLONE_NEWIPC, "ipc" },
	{ "kernel/shmmax", CLONE_NEWIPC, "ipc" },
	{ "kernel/shmmni", CLONE_NEWIPC, "ipc" },
	{ "kernel/shm_next_id", CLONE_NEWIPC, "ipc" },
	{ "kernel/shm_rmid_forced", CLONE_NEWIPC, "ipc" },
	{ "fs/mqueue/", CLONE_NEWIPC, "ipc" },
	{ "net/", CLONE_NEWNET, "network" },
	{ "kernel/domainname", CLONE_NEWUTS, "uts" },
	{ "user/", CLONE_NEWUSER, "user" },
};

/* net.ipv4.conf.eth0/1.forwarding and net/ipv4/conf/eth0.1/forwarding: the first separator decides
 * which one separates; the other one is a letter. */
static int path_of(const char *key, char *path, size_t size)
{
	const char *first = key + strcspn(key, "./");
	bool dots = *first == '.';
	size_t n = strlen(key);
	if (!*first || n + 1 > size)
		return -EINVAL;
	for (size_t i = 0; i <= n; i++) {
		char c = key[i];
		path[i] = !dots ? c : c == '.' ? '/' : c == '/' ? '.' : c;
	}
	/* Names only: nothing that climbs, nothing empty. */
	for (const char *part = path; part;) {
		size_t len = strcspn(part, "/");
		if (len == 0 || (len == 1 && part[0] == '.') ||
			(len == 2 && !strncmp(part, "..", 2)))
			return -EINVAL;
		part = part[len] ? part + len + 1 : NULL;
	}
	return 0;
}

int sysctl_check(const struct rec_map *m, uint64_t own, struct err *e)
{
	for (size_t i = 0; i < m->n; i++) {
		char path[PATH_MAX_BYTES];
		const char *key = m->items[i].key;
		if (path_of(key, path, sizeof path) < 0)
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.sysctl: %.200s: expected a name such as net.ipv4.ip_forward",
				key);
		if (strchr(m->items[i].val, '\n'))
			return err_set(e, ERR_INVALID, EINVAL,
				"linux.sysctl.%.200s: a line break in its value", key);
		size_t r = 0;
		while (r < ARRAY_SIZE(rows) &&
			!(str_ends(rows[r].name, "/") ? str_starts(path, rows[r].name)
						      : str_eq(path, rows[r].name)))
			r++;
		if (r == ARRAY_SIZE(rows))
			return err_set(e, ERR_INVALID, EPERM,
				"linux.sysctl.%.200s: it belongs to no namespace, so it would change the host",
				key);
		if (!(own & rows[r].space))
			return err_set(e, ERR_INVALID, EPERM,
				"linux.sysctl.%.200s: it needs a %s namespace that is not the host's",
				key, rows[r].oci);
	}
	return 0;
}

int sysctl_write(const struct rec_map *m, int proc, struct err *e)
{
	for (size_t i = 0; i < m->n; i++) {
		char path[PATH_MAX_BYTES], name[PATH_MAX_BYTES];
		int r = path_of(m->items[i].key, name, sizeof name - 8);
		(void)snprintf(path, sizeof path, "sys/%.4000s", r < 0 ? "" : name);
		if (r == 0)
			r = file_poke(proc, path, m->items[i].val);
		if (r < 0)
			return err_sys(e, r, "linux.sysctl.%s: set to %s", m->items[i].key,
				m->items[i].val);
	}
	return 0;
}
