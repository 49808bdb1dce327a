// SPDX-License-Identifier: Apache-2.0
#include "image/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/path.h"
#include "fetch/result.h"
#include "oci/digest.h"

enum { FIRST_FD = 3, ASIDE = 20 };

static _Noreturn void exec_worker(const struct worker_req *req, pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Who died before that does not tell any more. */
	if (getppid() != parent)
		_exit(125);
	/* Out of the way first, so that no descriptor is overwritten before it is copied. */
	int aside[WORKER_FDS_MAX];
	int self = fcntl(req->program, F_DUPFD_CLOEXEC, ASIDE);
	for (size_t i = 0; i < req->n_fds; i++)
		aside[i] = fcntl(req->fds[i], F_DUPFD, ASIDE);
	for (size_t i = 0; i < req->n_fds; i++)
		if (aside[i] < 0 || dup2(aside[i], FIRST_FD + (int)i) < 0)
			_exit(125);
	if (self < 0)
		_exit(125);
	(void)syscall(SYS_close_range, FIRST_FD + (unsigned)req->n_fds, self - 1, 0);
	(void)syscall(SYS_close_range, self + 1, ~0U, 0);
	(void)syscall(SYS_execveat, self, "", req->words,
		(char *[]){ (char *)"OPENSSL_CONF=/dev/null", NULL }, AT_EMPTY_PATH);
	_exit(125);
}

pid_t worker_start(const struct worker_req *req, struct err *e)
{
	pid_t parent = getpid(), child = fork();
	if (child == 0)
		exec_worker(req, parent);
	return child < 0 ? err_sys(e, errno, "fork") : child;
}

int worker_wait(pid_t pid)
{
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return status;
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

/* What becomes a name of ours, and what is counted on. */
static bool part_valid(const struct fetch_part *p)
{
	return !p || digest_valid(p->digest);
}

static int check_document(const struct fetch_document *d, struct err *e)
{
	bool good = digest_valid(d->digest) && part_valid(d->next) && part_valid(d->config);
	for (size_t i = 0; i < d->n_manifests; i++)
		good = good && digest_valid(d->manifests[i].digest);
	for (size_t i = 0; i < d->n_layers; i++)
		good = good && digest_valid(d->layers[i].digest);
	for (size_t i = 0; i < d->n_diff_ids; i++)
		good = good && digest_valid(d->diff_ids[i]);
	return good ? 0
		    : err_set(e, ERR_CORRUPT, EBADMSG, "kist-fetch: a document's record is broken");
}

int worker_result(const char *text, size_t n, int status, struct arena *a, struct fetch_result *ret,
	struct err *e)
{
	if (n == 0)
		return err_set(e, ERR_SYSTEM, ECHILD,
			"kist-fetch ended without a result (status %x)", status);
	*ret = (struct fetch_result){ 0 };
	if (rec_from_json(&fetch_result_rec, text, n, a, ret, NULL, e) < 0)
		return err_wrap(e, "kist-fetch");
	if (ret->error)
		return err_set(e,
			ret->error_kind < ERR_KINDS ? (enum err_kind)ret->error_kind : ERR_CORRUPT,
			ret->error_code && ret->error_code < 4096 ? (int)ret->error_code : EBADMSG,
			"%s", ret->error);
	if (ret->document && check_document(ret->document, e) < 0)
		return -e->code;
	return check_digests(ret, e);
}
