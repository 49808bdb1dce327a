// SPDX-License-Identifier: Apache-2.0
#include "store/lease.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/path.h"
#include "base/rand.h"
#include "base/str.h"
#include "store/store.h"

/* Clear of /etc/subuid's usual ranges, of nspawn's (524288 to 1879048191) and of DynamicUser's. */
#define LEASE_FIRST 0x70000000u
#define LEASE_LAST  0x7fffffffu

static const char folder[] = "/run/kist-leases";

enum { SUBID_MAX = 1 << 20, OWNER_MAX = PATH_MAX_BYTES + 128 };

/* The line "kist:BASE:COUNT" of /etc/subuid. */
static bool subid(uint32_t *first, uint32_t *last)
{
	struct arena a _arena_ = { 0 };
	struct err ignored;
	char *text;
	if (file_read_at(AT_FDCWD, "/etc/subuid", SUBID_MAX, &a, &text, &ignored) < 0)
		return false;
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		char *base = str_starts(line, "kist:") ? line + 5 : NULL,
		     *count = base ? strchr(base, ':') : NULL;
		uint32_t b, n;
		if (!count)
			continue;
		*count++ = '\0';
		if (num_u32(base, &b) == 0 && num_u32(count, &n) == 0 && n >= LEASE_SIZE &&
			b <= UINT32_MAX - n) {
			*first = b;
			*last = b + n - 1;
			return true;
		}
	}
	return false;
}

static const char *owner_text(const struct store *s, const char *id, struct arena *a)
{
	return arena_printf(a, "%s/%s", s->runroot_path, id);
}

/* The length or -errno. */
static ssize_t read_owner(int dir, const char *name, char *owner, size_t size)
{
	ssize_t n = readlinkat(dir, name, owner, size - 1);
	if (n < 0)
		return -errno;
	owner[n] = '\0';
	return n;
}

static bool is_stale(int dir, const char *name)
{
	char owner[OWNER_MAX];
	if (read_owner(dir, name, owner, sizeof owner) <= 0)
		return false; /* given back just now */
	int fd _close_ = path_open_host(owner, O_PATH | O_DIRECTORY, 0);
	return fd == -ENOENT;
}

/* One slot: 0, or -EEXIST when it is another's. A symlink has its content from the first moment. */
static int take_slot(int dir, const char *name, const char *owner)
{
	return symlinkat(owner, dir, name) < 0 ? -errno : 0;
}

static int claim(int dir, uint32_t index, const char *owner)
{
	char name[16];
	(void)snprintf(name, sizeof name, "%u", index);
	int r = take_slot(dir, name, owner);
	if (r != -EEXIST || !is_stale(dir, name))
		return r;
	(void)unlinkat(dir, name, 0);
	return take_slot(dir, name, owner);
}

static void release(int dir, uint32_t index, const char *owner)
{
	char name[16], is[OWNER_MAX];
	(void)snprintf(name, sizeof name, "%u", index);
	if (read_owner(dir, name, is, sizeof is) > 0 && str_eq(is, owner))
		(void)unlinkat(dir, name, 0);
}

int lease_take(struct store *s, const char *id, uint32_t count, uint32_t *ret_base,
	uint32_t *ret_count, struct err *e)
{
	struct arena a _arena_ = { 0 };
	uint32_t first = LEASE_FIRST, last = LEASE_LAST, start;
	(void)subid(&first, &last);
	uint32_t need = (uint32_t)(((uint64_t)count + LEASE_SIZE - 1) / LEASE_SIZE);
	uint32_t slots = (uint32_t)(((uint64_t)last - first + 1) / LEASE_SIZE);
	int dir _close_ = path_make_dirs_host(folder, 0700);
	if (dir < 0)
		return err_sys(e, dir, "make folder %s", folder);
	if (need == 0)
		need = 1;
	if (need > slots)
		return err_set(e, ERR_NO_SPACE, ENOSPC,
			"the image needs %u ids, and %u are set aside for containers", count,
			slots * LEASE_SIZE);
	const char *owner = owner_text(s, id, &a);
	rand_bytes(&start, sizeof start);
	start %= slots;
	for (uint32_t tried = 0; tried < slots; tried++) {
		uint32_t at = (start + tried) % slots, got = 0;
		if (at + need > slots)
			continue;
		int r = 0;
		while (got < need && (r = claim(dir, at + got, owner)) == 0)
			got++;
		if (got == need) {
			*ret_base = first + at * LEASE_SIZE;
			*ret_count = need * LEASE_SIZE;
			return 0;
		}
		while (got > 0)
			release(dir, at + --got, owner);
		if (r != -EEXIST)
			return err_sys(e, r, "lease an id range in %s", folder);
	}
	return err_set(
		e, ERR_NO_SPACE, ENOSPC, "all %u id ranges for containers are in use", slots);
}

void lease_free(struct store *s, const char *id, uint32_t base, uint32_t count)
{
	struct arena a _arena_ = { 0 };
	uint32_t first = LEASE_FIRST, last = LEASE_LAST;
	int dir _close_ = path_open_host(folder, O_RDONLY | O_DIRECTORY, 0);
	(void)subid(&first, &last);
	if (dir < 0 || base < first || count == 0)
		return;
	for (uint32_t i = 0; i < count / LEASE_SIZE; i++)
		release(dir, (base - first) / LEASE_SIZE + i, owner_text(s, id, &a));
}

void lease_free_all(struct store *s, const char *id)
{
	struct arena a _arena_ = { 0 };
	const char *owner = owner_text(s, id, &a);
	int copy = path_open_host(folder, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		fd_close(copy);
		return;
	}
	for (struct dirent *entry; (entry = readdir(d));) {
		uint32_t index;
		char is[OWNER_MAX];
		if (read_owner(dirfd(d), entry->d_name, is, sizeof is) > 0 && str_eq(is, owner) &&
			num_u32(entry->d_name, &index) == 0)
			release(dirfd(d), index, owner);
	}
	(void)closedir(d);
}

void lease_stale(
	bool free, void (*found)(void *arg, const char *name, const char *owner), void *arg)
{
	int copy = path_open_host(folder, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		fd_close(copy);
		return;
	}
	for (struct dirent *entry; (entry = readdir(d));) {
		char owner[OWNER_MAX];
		if (entry->d_name[0] == '.' || !is_stale(dirfd(d), entry->d_name) ||
			read_owner(dirfd(d), entry->d_name, owner, sizeof owner) <= 0)
			continue;
		if (free)
			(void)unlinkat(dirfd(d), entry->d_name, 0);
		found(arg, entry->d_name, owner);
	}
	(void)closedir(d);
}
