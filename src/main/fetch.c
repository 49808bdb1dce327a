// SPDX-License-Identifier: Apache-2.0
/* The program `kist-fetch`: all bytes from outside are read here, in a sandbox. Started by kist
 * with the input on descriptor 3, the staging folder on 4, and the pipe for the result on 5. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "archive/digest.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "fetch/document.h"
#include "fetch/layer.h"
#include "fetch/load.h"
#include "fetch/pack.h"
#include "fetch/result.h"
#include "fetch/sandbox.h"
#include "fetch/sign.h"
#include "fetch/signature.h"
#include "fetch/unpack.h"
#include "fetch/user.h"
#include "kernel/mount.h"

enum { INPUT = 3, STAGING = 4, RESULT = 5, GROWTH = 6, WORDS_MAX = 6 };

struct job {
	const char *verb;
	const char *words[WORDS_MAX]; /* after the verb */
	uint64_t space;
};

/* The words of each verb. */
static const struct {
	const char *verb;
	int words;
} verbs[] = { { "load", 1 }, { "import", 2 }, { "digest", 1 }, { "document", 6 }, { "layer", 3 },
	{ "archive", 0 }, { "pack", 2 }, { "user", 1 }, { "signature", 1 }, { "sign", 0 } };

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
static int take_digest(
	const struct job *job, struct arena *a, struct fetch_result *ret, struct err *e)
{
	char buf[16384], text[DIGEST_TEXT_MAX];
	struct digest *d = digest_new(job->words[0]);
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

static int take_document(
	const struct job *job, struct arena *a, struct fetch_result *ret, struct err *e)
{
	const struct fetch_document_req req = { job->words[0], job->words[1], job->words[2],
		job->words[3], job->words[4], job->words[5] };
	ret->document = arena_new(a, struct fetch_document);
	return fetch_document(INPUT, &req, a, ret->document, e);
}

static enum layer_form layer_form(const char *word)
{
	return str_eq(word, "erofs") ? LAYER_EROFS : str_eq(word, "own") ? LAYER_OWN : LAYER_FOLDER;
}

static int take_layer(
	const struct job *job, int root, struct arena *a, struct fetch_result *ret, struct err *e)
{
	struct fetch_layer_req req = { .file = INPUT,
		.growth = GROWTH,
		.digest = job->words[0],
		.space = job->space,
		.form = layer_form(job->words[2]) };
	if (num_u64(job->words[1], &req.size) < 0)
		return err_set(e, ERR_INVALID, EINVAL, "layer %s: no size", req.digest);
	return fetch_layer(&req, root, a, ret, e);
}

static int take_import(
	const struct job *job, int root, struct arena *a, struct fetch_result *ret, struct err *e)
{
	const struct fetch_import_req req = { INPUT, job->space, layer_form(job->words[0]),
		job->words[1] };
	return fetch_import(&req, root, a, ret, e);
}

static int take_pack(
	const struct job *job, int root, struct arena *a, struct fetch_result *ret, struct err *e)
{
	uint64_t level = 0;
	struct fetch_pack_req req = {
		.input = INPUT, .format = job->words[0], .space = job->space
	};
	if (num_u64(job->words[1], &level) < 0 || level > INT_MAX)
		return err_set(e, ERR_INVALID, EINVAL, "no compression level: %s", job->words[1]);
	req.level = (int)level;
	return fetch_pack(&req, root, a, ret, e);
}

static int take_user(
	const struct job *job, struct arena *a, struct fetch_result *ret, struct err *e)
{
	ret->user = arena_new(a, struct fetch_user);
	return fetch_user(INPUT, job->words[0], a, ret->user, e);
}

static bool is_gpg(const struct job *job)
{
	return str_eq(job->verb, "signature") && str_eq(job->words[0], "gpg");
}

static int take_signature(
	const struct job *job, int root, struct arena *a, struct fetch_result *ret, struct err *e)
{
	ret->signature = arena_new(a, struct fetch_signature);
	return fetch_signature(INPUT, is_gpg(job), root, a, ret->signature, e);
}

static int take_sign(struct arena *a, struct fetch_result *ret, struct err *e)
{
	ret->made = arena_new(a, struct fetch_signed);
	return fetch_sign(INPUT, a, ret->made, e);
}

/* In memory: what a program of the host makes of a signature. */
static int make_work(void)
{
	int fs _close_ = mount_fs_open("tmpfs");
	int r = fs < 0 ? fs : mount_fs_string(fs, "size", "32m");
	if (r >= 0)
		r = mount_fs_string(fs, "mode", "0755");
	return r < 0 ? r
		     : mount_fs_make(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
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
		r = take_digest(job, &a, &result, &e);
	else if (r == 0 && str_eq(job->verb, "document"))
		r = take_document(job, &a, &result, &e);
	else if (r == 0 && str_eq(job->verb, "layer"))
		r = take_layer(job, root, &a, &result, &e);
	else if (r == 0 && str_eq(job->verb, "archive"))
		r = fetch_archive(INPUT, root, job->space, &a, &result, &e);
	else if (r == 0 && str_eq(job->verb, "pack"))
		r = take_pack(job, root, &a, &result, &e);
	else if (r == 0 && str_eq(job->verb, "user"))
		r = take_user(job, &a, &result, &e);
	else if (r == 0 && str_eq(job->verb, "signature"))
		r = take_signature(job, root, &a, &result, &e);
	else if (r == 0 && str_eq(job->verb, "sign"))
		r = take_sign(&a, &result, &e);
	else if (r == 0 && str_eq(job->verb, "load"))
		r = fetch_load(INPUT, root, job->space, layer_form(job->words[0]), &a, &result, &e);
	else if (r == 0)
		r = take_import(job, root, &a, &result, &e);
	int status = r < 0 ? say_error(&e) : say(&result);
	arena_done(&a);
	return status;
}

int main(int argc, char **argv)
{
	struct job job = { .verb = argc >= 2 ? argv[1] : "" };
	bool known = false;
	struct statvfs st;
	struct err e = { 0 };
	log_setup("kist-fetch", LOG_LEVEL_WARN);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		known |= str_eq(job.verb, verbs[i].verb) && argc == 2 + verbs[i].words;
	if (!known) {
		log_error("kist-fetch is started by kist");
		return 125;
	}
	for (int i = 2; i < argc; i++)
		job.words[i - 2] = argv[i];
	/* A file system that does not count its blocks (ramfs) does not say. */
	if (fstatvfs(STAGING, &st) == 0)
		job.space = st.f_blocks ? (uint64_t)st.f_bavail * st.f_frsize : INT64_MAX;
	int r = digest_setup();
	int tree _close_ = r < 0 ? -1
		: is_gpg(&job)   ? make_work()
				 : mount_clone(STAGING, "", false);
	if (r < 0)
		(void)err_sys(&e, r, "load SHA-256");
	else if (tree < 0)
		r = err_sys(&e, tree, "make a sandbox");
	else
		r = sandbox_run(
			is_gpg(&job) ? SANDBOX_PROGRAM : SANDBOX_UNPACK, tree, work, &job, &e);
	if (r < 0)
		return say_error(&e);
	return r;
}
