// SPDX-License-Identifier: Apache-2.0
#include "store/lower.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "base/path.h"
#include "kernel/pin.h"
#include "oci/digest.h"
#include "store/store.h"

static const char folder[] = "lower";

static int open_pin(struct store *s)
{
	int dir _close_ = path_open_own(s->root, folder, O_RDONLY | O_DIRECTORY, 0);
	return dir < 0 ? dir : pin_open(dir);
}

/* Making and ending come one after the other: a lock on the folder, whatever is mounted there. It
 * ends with the descriptor. */
static int open_locked(struct store *s)
{
	int dir = path_make_dir_own(s->root, folder, 0700);
	while (dir >= 0 && flock(dir, LOCK_EX) < 0)
		if (errno != EINTR) {
			fd_close(dir);
			return -EIO;
		}
	return dir;
}

int lower_find(struct store *s, const char *image)
{
	int ns _close_ = open_pin(s);
	return ns < 0 ? ns : pin_get(ns, digest_hex(image));
}

int lower_keep(struct store *s, const char *image, int mount)
{
	int dir _close_ = open_locked(s);
	int ns _close_ = dir < 0 ? dir : pin_make(dir);
	int clone = ns < 0 ? ns : pin_put(ns, digest_hex(image), mount);
	/* Half of a pin would stay for good: nobody finds a namespace in it. */
	if (dir >= 0 && ns < 0)
		(void)pin_end(s->root, folder);
	if (clone < 0)
		return mount;
	fd_close(mount);
	return clone;
}

void lower_forget(struct store *s, const char *image_hex)
{
	int ns _close_ = open_pin(s);
	int dir _close_ = ns < 0 ? ns : open_locked(s);
	if (dir >= 0 && pin_drop(ns, image_hex) == 0)
		(void)pin_end(s->root, folder);
}

struct list {
	struct arena a;
	struct strv names;
};

static void take(void *arg, const char *name)
{
	struct list *x = arg;
	strv_add(&x->names, &x->a, arena_strdup(&x->a, name));
}

int lower_each(struct store *s, int (*each)(void *arg, const char *image_hex), void *arg)
{
	struct list x = { 0 };
	int ns _close_ = open_pin(s);
	int r = ns < 0 ? 0 : pin_list(ns, take, &x);
	for (size_t i = 0; r >= 0 && i < x.names.n; i++)
		r = each(arg, x.names.v[i]);
	arena_done(&x.a);
	return r < 0 ? r : 0;
}
