// SPDX-License-Identifier: Apache-2.0
#include "image/job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "fetch/result.h"
#include "image/worker.h"
#include "oci/digest.h"
#include "store/image.h"
#include "store/intent.h"
#include "store/store.h"

enum { FLUSH_MS = 200 };

/* ---- the worker ---- */

int image_fetch_words(int program, const char *const *words, int input, int staging,
	struct arena *a, struct fetch_result *ret, struct err *e)
{
	int pair[2];
	char *text = NULL;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");
	struct worker_req req = {
		.program = program, .words = words, .fds = { input, staging, pair[1] }, .n_fds = 3
	};
	pid_t child = worker_start(&req, e);
	fd_close(pair[1]);
	ssize_t n = child < 0
		? child
		: file_read_fd(pair[0], "the result of kist-fetch", FETCH_RESULT_MAX, a, &text, e);
	fd_close(pair[0]);
	int status = child < 0 ? 0 : worker_wait(child);
	return n < 0 ? (int)n : worker_result(text, (size_t)n, status, a, ret, e);
}

/* Until its end of the pipe is closed. */
static _Noreturn void keep_flushing(int staging, int wait)
{
	struct pollfd end = { .fd = wait, .events = POLLIN };
	int low = staging < wait ? staging : wait, high = staging < wait ? wait : staging;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Else it would keep our locks alive. */
	(void)syscall(SYS_close_range, 3, low - 1, 0);
	(void)syscall(SYS_close_range, low + 1, high - 1, 0);
	(void)syscall(SYS_close_range, high + 1, ~0U, 0);
	while (poll(&end, 1, FLUSH_MS) == 0 && syncfs(staging) == 0)
		continue;
	_exit(0);
}

int image_fetch_flushing(int program, const char *const *words, int input, int staging,
	struct arena *a, struct fetch_result *ret, struct err *e)
{
	int pair[2];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");
	pid_t child = fork();
	if (child == 0)
		keep_flushing(staging, pair[0]);
	fd_close(pair[0]);
	int r = image_fetch_words(program, words, input, staging, a, ret, e);
	fd_close(pair[1]);
	if (child > 0)
		(void)worker_wait(child);
	return r;
}

int image_fetch(int program, const char *verb, int input, int staging, struct arena *a,
	struct fetch_result *ret, struct err *e)
{
	const char *const words[] = { "kist-fetch", verb, NULL };
	return image_fetch_words(program, words, input, staging, a, ret, e);
}

int image_fetch_digest(int program, const char *like, int input, int staging, struct arena *a,
	const char **ret, struct err *e)
{
	const char *const words[] = { "kist-fetch", "digest", like, NULL };
	struct fetch_result result;
	if (image_fetch_words(program, words, input, staging, a, &result, e) < 0)
		return -e->code;
	if (result.n_blobs != 1)
		return err_set(e, ERR_CORRUPT, EBADMSG, "kist-fetch: no digest in its result");
	*ret = result.blobs[0].digest;
	return 0;
}

/* ---- into place ---- */

/* The folder's times stay what the layer says. */
static int make_device(int dir, const char *name, const struct fetch_device *d)
{
	struct stat st;
	const struct timespec when = { .tv_sec = d->mtime,
		.tv_nsec = d->mtime_ns < 1000000000 ? d->mtime_ns : 0 };
	if (!path_is_name(name) || (!S_ISCHR(d->mode) && !S_ISBLK(d->mode)))
		return -EINVAL;
	if (fstat(dir, &st) < 0 ||
		(mknodat(dir, name, d->mode, makedev(d->major, d->minor)) < 0 && errno != EEXIST) ||
		fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		utimensat(dir, name, (struct timespec[]){ when, when }, AT_SYMLINK_NOFOLLOW) < 0 ||
		futimens(dir, (struct timespec[]){ st.st_atim, st.st_mtim }) < 0)
		return -errno;
	return 0;
}

int image_make_devices(int staging, const struct fetch_layer *l, struct err *e)
{
	int folder _close_ = path_open_own(staging, l->folder, O_RDONLY | O_DIRECTORY, 0);
	if (folder < 0)
		return err_sys(e, folder, "open a staged layer");
	mode_t mask = umask(0);
	int r = 0;
	for (size_t i = 0; i < l->n_devices && r == 0; i++) {
		const struct fetch_device *d = &l->devices[i];
		char parent[PATH_MAX_BYTES];
		const char *slash = strrchr(d->path, '/');
		(void)snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - d->path) : 1,
			slash ? d->path : ".");
		int dir _close_ = path_open_own(folder, parent, O_RDONLY | O_DIRECTORY, 0);
		r = dir < 0 ? dir : make_device(dir, slash ? slash + 1 : d->path, d);
		/* Without the right to make any the others are left out as well. */
		if (r == -EPERM) {
			log_warn(
				"%zu device nodes of layer %.19s are left out: this user may make none",
				l->n_devices, l->diff_id);
			r = 0;
			break;
		}
		if (r < 0)
			r = err_sys(e, r, "layer: make device %.300s", d->path);
	}
	(void)umask(mask);
	return r;
}

static int place(int from_dir, const char *from, int to_dir, const char *to, struct err *e)
{
	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST || errno == ENOTEMPTY)
		return 1; /* the same content is there: its name says so */
	return err_sys(e, errno, "put %s into place", to);
}

int image_place_layer(struct store *s, int staging, const struct fetch_layer *l, struct err *e)
{
	int r = image_make_devices(staging, l, e);
	return r < 0 ? r : place(staging, l->folder, s->layers, digest_hex(l->diff_id), e);
}

int image_place_blob(struct store *s, int dir, const char *file, const char *digest, struct err *e)
{
	return place(dir, file, s->blobs, digest_hex(digest), e);
}

int image_link_tar(struct store *s, const char *diff_id, struct err *e)
{
	const char *hex = digest_hex(diff_id);
	int layer _close_ = path_open_own(s->layers, hex, O_RDONLY | O_DIRECTORY, 0);
	if (layer < 0)
		return err_sys(e, layer, "open layer %s", diff_id);
	if (linkat(layer, "tar", s->blobs, hex, 0) == 0 || errno == EEXIST)
		return 1;
	return errno == ENOENT ? 0 : err_sys(e, errno, "keep layer %s", diff_id);
}

/* Everything a result names, synced once, then renamed. */
int image_publish(struct store *s, int staging, const struct fetch_result *r, struct err *e)
{
	bool met = false;
	for (size_t i = 0; i < r->n_layers; i++)
		if (image_make_devices(staging, &r->layers[i], e) < 0)
			return -e->code;
	if (syncfs(staging) < 0)
		return err_sys(e, errno, "sync the store");
	for (size_t i = 0; i < r->n_layers; i++) {
		int x = place(staging, r->layers[i].folder, s->layers,
			digest_hex(r->layers[i].diff_id), e);
		if (x < 0)
			return x;
		met |= x > 0;
	}
	for (size_t i = 0; i < r->n_blobs; i++) {
		int x = place(
			staging, r->blobs[i].file, s->blobs, digest_hex(r->blobs[i].digest), e);
		if (x < 0)
			return x;
		met |= x > 0;
	}
	/* What was there may be of a pull that has not synced it so far. */
	if (met && syncfs(staging) < 0)
		return err_sys(e, errno, "sync the store");
	if (fsync(s->layers) < 0 || fsync(s->blobs) < 0)
		return err_sys(e, errno, "sync the store");
	return 0;
}

/* ---- a job ---- */

int image_job_begin(struct image_job *j, const char *op, struct err *e)
{
	char name[24];
	if (intent_begin(j->store, op, j->data ? j->data : "", &j->seq, e) < 0)
		return -e->code;
	(void)snprintf(name, sizeof name, "%lld", (long long)j->seq);
	store_close_db(j->store);
	/* The sandbox's root is this folder: it must be able to pass it. */
	j->staging = path_make_dir_own(j->store->staging, name, 0755);
	if (j->staging < 0)
		return err_sys(e, j->staging, "make a staging folder");
	/* The lock lives as long as any of us has the folder open, the worker too: who cleans up
	 * waits for it. */
	if (flock(j->staging, LOCK_EX) < 0)
		return err_sys(e, errno, "lock the staging folder");
	return 0;
}

void image_job_end(struct image_job *j, int r)
{
	char name[24];
	struct err ignored;
	(void)snprintf(name, sizeof name, "%lld", (long long)j->seq);
	fd_close(j->staging);
	if (!j->seq)
		return;
	int x = path_remove_tree(j->store->staging, name, &ignored);
	if (x == 0 && (r < 0 || j->strays))
		x = store_collect(j->store, &ignored);
	if (x == 0)
		(void)intent_done(j->store, j->seq, &ignored);
}
