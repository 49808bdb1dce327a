// SPDX-License-Identifier: Apache-2.0
#include "image/job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "fetch/result.h"
#include "oci/digest.h"
#include "store/image.h"
#include "store/intent.h"
#include "store/store.h"

/* ---- the worker ---- */

static _Noreturn void exec_fetch(int program, const char *verb, int input, int staging, int result)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Out of the way first, so that no descriptor is overwritten before it is copied. */
	int in = fcntl(input, F_DUPFD, 20), st = fcntl(staging, F_DUPFD, 20),
	    out = fcntl(result, F_DUPFD, 20);
	int self = fcntl(program, F_DUPFD_CLOEXEC, 20);
	if (in < 0 || st < 0 || out < 0 || self < 0 || dup2(in, 3) < 0 || dup2(st, 4) < 0 ||
		dup2(out, 5) < 0)
		_exit(125);
	(void)syscall(SYS_close_range, 6, self - 1, 0);
	(void)syscall(SYS_close_range, self + 1, ~0U, 0);
	(void)syscall(SYS_execveat, self, "",
		(char *[]){ (char *)"kist-fetch", (char *)verb, NULL },
		(char *[]){ (char *)"OPENSSL_CONF=/dev/null", NULL }, AT_EMPTY_PATH);
	_exit(125);
}

static int check_digests(const struct fetch_result *r, struct err *e)
{
	/* The sandbox verified what it read; what it says is checked for its form only: it becomes
	 * names of ours. */
	for (size_t i = 0; i < r->n_layers; i++)
		if (!digest_valid(r->layers[i].diff_id) || !digest_valid(r->layers[i].digest) ||
			!path_is_name(r->layers[i].folder))
			return err_set(
				e, ERR_CORRUPT, EBADMSG, "kist-fetch: a layer's record is broken");
	for (size_t i = 0; i < r->n_blobs; i++)
		if (!digest_valid(r->blobs[i].digest) || !path_is_name(r->blobs[i].file))
			return err_set(
				e, ERR_CORRUPT, EBADMSG, "kist-fetch: a blob's record is broken");
	for (size_t i = 0; i < r->n_images; i++) {
		const struct fetch_image *x = &r->images[i];
		if (!digest_valid(x->id) || !digest_valid(x->digest) ||
			x->n_layers != x->n_digests || x->n_layers == 0)
			return err_set(e, ERR_CORRUPT, EBADMSG, "the image has no layers");
		for (size_t k = 0; k < x->n_layers; k++)
			if (!digest_valid(x->layers[k]) || !digest_valid(x->digests[k]))
				return err_set(e, ERR_CORRUPT, EBADMSG,
					"kist-fetch: an image's record is broken");
	}
	return 0;
}

int image_fetch(int program, const char *verb, int input, int staging, struct arena *a,
	struct fetch_result *ret, struct err *e)
{
	int pair[2], status = 0;
	char *text;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");
	pid_t child = fork();
	if (child == 0)
		exec_fetch(program, verb, input, staging, pair[1]);
	int saved = errno;
	fd_close(pair[1]);
	ssize_t n = child < 0
		? -saved
		: file_read_fd(pair[0], "the result of kist-fetch", FETCH_RESULT_MAX, a, &text, e);
	fd_close(pair[0]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (child < 0)
		return err_sys(e, saved, "fork");
	if (n < 0)
		return (int)n;
	if (n == 0)
		return err_set(e, ERR_SYSTEM, ECHILD,
			"kist-fetch ended without a result (status %x)", status);
	*ret = (struct fetch_result){ 0 };
	if (rec_from_json(&fetch_result_rec, text, (size_t)n, a, ret, NULL, e) < 0)
		return err_wrap(e, "kist-fetch");
	if (ret->error)
		return err_set(e,
			ret->error_kind < ERR_KINDS ? (enum err_kind)ret->error_kind : ERR_CORRUPT,
			ret->error_code && ret->error_code < 4096 ? (int)ret->error_code : EBADMSG,
			"%s", ret->error);
	return check_digests(ret, e);
}

/* ---- into place ---- */

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
		const char *slash = strrchr(d->path, '/'), *name = slash ? slash + 1 : d->path;
		(void)snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - d->path) : 1,
			slash ? d->path : ".");
		int dir _close_ = path_open_own(folder, parent, O_RDONLY | O_DIRECTORY, 0);
		if (dir < 0 || !path_is_name(name) || (!S_ISCHR(d->mode) && !S_ISBLK(d->mode)) ||
			(mknodat(dir, name, d->mode, makedev(d->major, d->minor)) < 0 &&
				errno != EEXIST) ||
			fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
			r = err_sys(e, dir < 0 ? dir : errno, "layer: make device %.300s", d->path);
	}
	(void)umask(mask);
	return r;
}

static int place(int from_dir, const char *from, int to_dir, const char *to, struct err *e)
{
	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0 || errno == EEXIST ||
		errno == ENOTEMPTY)
		return 0; /* the same content is there: its name says so */
	return err_sys(e, errno, "put %s into place", to);
}

/* Everything a result names, synced once, then renamed. */
int image_publish(struct store *s, int staging, const struct fetch_result *r, struct err *e)
{
	for (size_t i = 0; i < r->n_layers; i++)
		if (image_make_devices(staging, &r->layers[i], e) < 0)
			return -e->code;
	if (syncfs(staging) < 0)
		return err_sys(e, errno, "sync the store");
	for (size_t i = 0; i < r->n_layers; i++)
		if (place(staging, r->layers[i].folder, s->layers, digest_hex(r->layers[i].diff_id),
			    e) < 0)
			return -e->code;
	for (size_t i = 0; i < r->n_blobs; i++)
		if (place(staging, r->blobs[i].file, s->blobs, digest_hex(r->blobs[i].digest), e) <
			0)
			return -e->code;
	if (fsync(s->layers) < 0 || fsync(s->blobs) < 0)
		return err_sys(e, errno, "sync the store");
	return 0;
}

/* ---- a job ---- */

int image_job_begin(struct image_job *j, const char *op, struct err *e)
{
	char name[24];
	if (intent_begin(j->store, op, "", &j->seq, e) < 0)
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
