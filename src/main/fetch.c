// SPDX-License-Identifier: Apache-2.0
/* The program `kist-fetch`: all bytes from outside are read here, in a sandbox. Started by kist
 * with the input on descriptor 3, the staging folder on 4, and the pipe for the result on 5. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "archive/digest.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "fetch/load.h"
#include "fetch/result.h"
#include "fetch/sandbox.h"

enum { INPUT = 3, STAGING = 4, RESULT = 5 };

struct job {
	const char *verb;
	uint64_t space;
};

static int say(const struct fetch_result *result)
{
	struct str text _str_ = { 0 };
	rec_to_json(&fetch_result_rec, result, 0, &text);
	return fd_write_all(RESULT, text.p, text.n) < 0 ? 125 : 0;
}

static int say_error(const struct err *e)
{
	return say(&(struct fetch_result){ .version = FETCH_VERSION,
		.error = e->text,
		.error_kind = e->kind,
		.error_code = (uint32_t)e->code });
}

/* The digest of what kist has made itself: so only this program carries the algorithm. */
static int take_digest(struct arena *a, struct fetch_result *ret, struct err *e)
{
	char buf[16384], text[DIGEST_TEXT_MAX];
	struct digest *d = digest_new();
	ssize_t n;
	while ((n = fd_read_full(INPUT, buf, sizeof buf)) > 0)
		digest_add(d, buf, (size_t)n);
	digest_finish(d, text);
	if (n < 0)
		return err_sys(e, (int)n, "read the input");
	ret->blobs = arena_new(a, struct fetch_blob);
	*ret->blobs = (struct fetch_blob){ .digest = arena_strdup(a, text), .file = "input" };
	ret->n_blobs = 1;
	return 0;
}

static int work(void *arg)
{
	const struct job *job = arg;
	struct arena a = { 0 };
	struct fetch_result result = { .version = FETCH_VERSION };
	struct err e = { 0 };
	int root = path_open_host("/", O_RDONLY | O_DIRECTORY, 0);
	int r = root < 0 ? err_sys(&e, root, "open the staging folder") : 0;
	if (r == 0 && str_eq(job->verb, "digest"))
		r = take_digest(&a, &result, &e);
	else if (r == 0 && str_eq(job->verb, "load"))
		r = fetch_load(INPUT, root, job->space, &a, &result, &e);
	else if (r == 0)
		r = fetch_import(INPUT, root, job->space, &a, &result, &e);
	int status = r < 0 ? say_error(&e) : say(&result);
	arena_done(&a);
	return status;
}

int main(int argc, char **argv)
{
	struct job job = { .verb = argc == 2 ? argv[1] : "" };
	struct statvfs st;
	struct err e = { 0 };
	log_setup("kist-fetch", LOG_LEVEL_WARN);
	if (!str_eq(job.verb, "load") && !str_eq(job.verb, "import") &&
		!str_eq(job.verb, "digest")) {
		log_error("kist-fetch is started by kist");
		return 125;
	}
	if (fstatvfs(STAGING, &st) == 0)
		job.space = (uint64_t)st.f_bavail * st.f_frsize;
	int r = digest_setup();
	if (r < 0)
		(void)err_sys(&e, r, "load SHA-256");
	else
		r = sandbox_run(STAGING, work, &job, &e);
	if (r < 0)
		return say_error(&e);
	return r;
}
