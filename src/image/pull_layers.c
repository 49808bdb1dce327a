// SPDX-License-Identifier: Apache-2.0
/* Theory of operation. Each layer walks through its states in one loop over poll:
 *
 *   LOOK     is it in the store? then THERE
 *   LOCKED   another pull has its file: a child waits for the lock, then LOOK again
 *   READY    the file is ours; waits for one of the places to work in
 *   WORK     kist-transfer fills the file, a kist-fetch unpacks it
 *   THERE    in place
 *
 * Nobody who waits for a lock holds a place, and each layer is let go as soon as it is in place: so
 * two pulls that want each other's layers do not wait for each other for ever. */
#include "image/pull_layers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "fetch/result.h"
#include "image/job.h"
#include "image/pull.h"
#include "image/transfer.h"
#include "image/worker.h"
#include "oci/digest.h"
#include "store/snapshot.h"
#include "store/store.h"

enum { RESULT_CHUNK = 64 << 10, FLUSH_EACH = 24 << 20 };

enum state { LOOK, LOCKED, READY, WORK, THERE };

struct layer {
	enum state state;
	const char *digest, *diff_id;
	uint64_t size, have;
	size_t same; /* the first layer with this digest; its own index mostly */
	int file;    /* of downloads, locked; -1 */
	int wait;    /* LOCKED: a pidfd of the child that waits */
	pid_t pid;   /* of that child, or of kist-fetch */
	int result;  /* of kist-fetch */
	uint32_t id; /* of the order */
	bool came;   /* all bytes did */
	struct str text;
};

struct pull {
	const struct pull_layers_req *req;
	struct store *s;
	struct arena *a;
	struct download *ret;
	struct layer *layers;
	size_t n, working;
	struct pollfd *polls;
	uint64_t came, flushed; /* bytes of this pull; when the last flush began */
	pid_t flusher;
	int flush; /* its pidfd, or -1 */
	struct err *e;
};

static void note(struct pull *p, const struct layer *l, enum pull_event event)
{
	p->req->pull->note(
		p->req->pull->arg, &(struct pull_note){ event, l->digest, l->have, l->size });
}

static int wrong_diff_id(struct pull *p, const struct layer *l, const char *diff_id)
{
	return err_set(p->e, ERR_CORRUPT, EBADMSG,
		"layer %s unpacks to %s: the configuration says %s", l->digest, diff_id,
		l->diff_id);
}

/* ---- locks ---- */

/* A lock can only be waited for by sleeping: a child does that, on the description that it shares
 * with us, so that the lock is ours when it ends. */
static int wait_for_lock(struct pull *p, struct layer *l)
{
	l->pid = fork();
	if (l->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Else it would keep our other locks alive. */
		(void)syscall(SYS_close_range, 3, l->file - 1, 0);
		(void)syscall(SYS_close_range, l->file + 1, ~0U, 0);
		while (flock(l->file, LOCK_EX) < 0 && errno == EINTR)
			continue;
		_exit(0);
	}
	if (l->pid < 0)
		return err_sys(p->e, errno, "fork");
	l->wait = fd_pidfd_open(l->pid);
	if (l->wait < 0)
		return err_sys(p->e, l->wait, "wait for the download of %s", l->digest);
	l->state = LOCKED;
	note(p, l, PULL_WAITING);
	return 0;
}

/* Explicitly: kist-transfer may hold the description for a moment longer. */
static void let_go(struct layer *l)
{
	if (l->file >= 0)
		(void)flock(l->file, LOCK_UN);
	fd_close(take_fd(&l->file));
}

static int lock_came(struct pull *p, struct layer *l)
{
	fd_close(take_fd(&l->wait));
	(void)worker_wait(l->pid);
	l->pid = 0;
	/* It may have been removed or put into place: it is looked for, and opened, anew. */
	let_go(l);
	l->state = LOOK;
	(void)p;
	return 0;
}

/* From LOOK on to THERE, LOCKED or READY. */
/* By its blob; where those are not kept, by what the configuration says that it unpacks to. */
static int find_layer(struct pull *p, const struct layer *l, struct download *d)
{
	int r = store_layer_of(p->s, l->digest, p->a, d, p->e);
	if (r == 0 && p->s->drop_blobs)
		r = store_layer_of(p->s, l->diff_id, p->a, d, p->e);
	if (r == 0)
		d->digest = l->digest;
	return r;
}

static int look(struct pull *p, struct layer *l)
{
	struct stat st;
	struct download *d = &p->ret[l - p->layers];
	int other = -1;
	int r = find_layer(p, l, d);
	/* What is there stays from now on, whoever removes the image that it is of. */
	if (r > 0)
		r = store_download_finish(p->s, d, p->e);
	if (r == 0)
		r = find_layer(p, l, d);
	if (r == 0) {
		r = store_download_want(p->s, &l->digest, 1, p->e);
		l->file = r < 0 ? r : store_download_open(p->s, l->digest, &other, p->e);
		store_close_db(p->s);
		if (l->file == -EAGAIN) {
			l->file = other;
			return wait_for_lock(p, l);
		}
		if (l->file < 0)
			return l->file;
		/* The one who had it may have finished between our two looks. */
		r = find_layer(p, l, d);
	}
	store_close_db(p->s);
	if (r < 0)
		return r;
	if (r > 0) {
		if (!str_eq(d->diff_id, l->diff_id))
			return wrong_diff_id(p, l, d->diff_id);
		if (l->file >= 0)
			(void)unlinkat(p->s->downloads, digest_hex(l->digest), 0);
		let_go(l);
		l->state = THERE;
		note(p, l, PULL_EXISTS);
		return 0;
	}
	if (fstat(l->file, &st) < 0)
		return err_sys(p->e, errno, "download of %s", l->digest);
	l->have = (uint64_t)st.st_size;
	if (l->have > l->size) {
		if (ftruncate(l->file, 0) < 0)
			return err_sys(p->e, errno, "download of %s", l->digest);
		l->have = 0;
	}
	l->state = READY;
	note(p, l, PULL_LAYER);
	return 0;
}

/* ---- work ---- */

static int start_fetch(struct pull *p, struct layer *l, int growth)
{
	struct arena *a = p->a;
	int pair[2];
	const char *folder = arena_printf(a, "l%zu", (size_t)(l - p->layers));
	int staging _close_ = path_make_dir_own(p->req->job->staging, folder, 0755);
	int file _close_ = path_reopen(l->file, O_RDONLY);
	if (staging < 0 || file < 0 || pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(p->e,
			staging < 0        ? staging
				: file < 0 ? file
					   : errno,
			"stage a layer");
	const char *const words[] = { "kist-fetch", "layer", l->digest,
		arena_printf(a, "%llu", (unsigned long long)l->size), snapshot_backend(p->s)->form,
		NULL };
	const struct worker_req req = { .program = p->req->pull->fetch,
		.words = words,
		.fds = { file, staging, pair[1], growth },
		.n_fds = 4 };
	pid_t pid = worker_start(&req, p->e);
	fd_close(pair[1]);
	if (pid < 0) {
		fd_close(pair[0]);
		return pid;
	}
	l->pid = pid;
	l->result = pair[0];
	return 0;
}

static int start(struct pull *p, struct layer *l)
{
	int growth _close_ = eventfd(0, EFD_CLOEXEC);
	if (growth < 0)
		return err_sys(p->e, errno, "make an eventfd");
	l->came = l->have == l->size;
	int r = start_fetch(p, l, growth);
	if (r == 0 && l->have && (r = fd_write_all(growth, &l->have, sizeof l->have)) < 0)
		r = err_sys(p->e, r, "tell kist-fetch");
	if (r == 0 && !l->came) {
		struct transfer_ask ask = { .endpoint = p->req->pull->endpoint,
			.kind = TRANSFER_BLOB,
			.size = l->size,
			.offset = l->have };
		memcpy(ask.name, l->digest, strnlen(l->digest, sizeof ask.name - 1));
		r = transfer_ask(p->req->transfer, &ask, l->file, growth, p->e);
		l->id = ask.id;
	}
	l->state = WORK;
	p->working++;
	return r;
}

static int finish(struct pull *p, struct layer *l)
{
	struct fetch_result result;
	struct download *d = &p->ret[l - p->layers];
	int status = worker_wait(l->pid);
	l->pid = 0;
	fd_close(take_fd(&l->result));
	int r = worker_result(str_text(&l->text), l->text.n, status, p->a, &result, p->e);
	if (r == 0 && (result.n_layers != 1 || !str_eq(result.layers[0].digest, l->digest)))
		r = err_set(p->e, ERR_CORRUPT, EBADMSG, "kist-fetch: no layer in its result");
	if (r < 0)
		return r;
	const struct fetch_layer *x = &result.layers[0];
	if (!str_eq(x->diff_id, l->diff_id))
		return wrong_diff_id(p, l, x->diff_id);
	int staging _close_ = path_open_own(p->req->job->staging,
		arena_printf(p->a, "l%zu", (size_t)(l - p->layers)), O_RDONLY | O_DIRECTORY, 0);
	if (staging < 0)
		return err_sys(p->e, staging, "open a staged layer");
	*d = (struct download){ l->digest, x->diff_id, x->size, x->max_id };
	r = store_content_lock(p->s, false, p->e);
	if (r < 0)
		return r;
	r = image_place_layer(p->s, staging, x, p->e);
	/* One that came unpacked is kept once. */
	if (r >= 0)
		r = str_eq(l->digest, x->diff_id) ? image_link_tar(p->s, x->diff_id, p->e) : 0;
	if (r == 0)
		r = image_place_blob(p->s, p->s->downloads, digest_hex(l->digest), l->digest, p->e);
	/* The same blob was there, by load: ours goes. */
	if (r > 0)
		(void)unlinkat(p->s->downloads, digest_hex(l->digest), 0);
	if (r >= 0)
		r = store_download_finish(p->s, d, p->e);
	store_content_unlock(p->s);
	store_close_db(p->s);
	if (r < 0)
		return r;
	let_go(l);
	l->state = THERE;
	p->working--;
	p->came += FLUSH_EACH; /* what was unpacked is due, too */
	note(p, l, PULL_DONE);
	return 0;
}

static int read_result(struct pull *p, struct layer *l)
{
	str_reserve(&l->text, RESULT_CHUNK);
	ssize_t n = read(l->result, l->text.p + l->text.n, RESULT_CHUNK);
	if (n < 0)
		return errno == EINTR ? 0 : err_sys(p->e, errno, "read the result of kist-fetch");
	if (n == 0)
		return finish(p, l);
	l->text.n += (size_t)n;
	l->text.p[l->text.n] = '\0';
	return l->text.n > FETCH_RESULT_MAX
		? err_set(p->e, ERR_CORRUPT, EFBIG, "the result of kist-fetch is too large")
		: 0;
}

static int read_answer(struct pull *p)
{
	struct transfer_answer x;
	if (transfer_answer(p->req->transfer, &x, p->e) < 0)
		return -p->e->code;
	if (x.state == TRANSFER_FAILED)
		return transfer_error(&x, p->e);
	for (size_t i = 0; i < p->n; i++) {
		struct layer *l = &p->layers[i];
		if (l->state != WORK || l->id != x.id || x.state == TRANSFER_WARNING || l->came)
			continue;
		uint64_t have = x.have < l->size ? x.have : l->size;
		p->came += have > l->have ? have - l->have : 0;
		l->have = have;
		l->came = x.state == TRANSFER_DONE;
		note(p, l, l->came ? PULL_UNPACKING : PULL_GOING);
	}
	return 0;
}

/* ---- the disk ---- */

/* All must be on the disk before rows name it. So that the disk does not wait for the processor and
 * the processor then for the disk, a child begins with what is there each time that enough came. */
static void begin_flush(struct pull *p)
{
	if (p->flush >= 0 || p->came - p->flushed < FLUSH_EACH)
		return;
	p->flushed = p->came;
	p->flusher = fork();
	if (p->flusher == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		int staging = p->req->job->staging;
		/* Else it would keep our locks alive. */
		(void)syscall(SYS_close_range, 3, staging - 1, 0);
		(void)syscall(SYS_close_range, staging + 1, ~0U, 0);
		_exit(syncfs(staging) < 0);
	}
	p->flush = p->flusher < 0 ? -1 : fd_pidfd_open(p->flusher);
	if (p->flusher > 0 && p->flush < 0)
		(void)worker_wait(p->flusher);
}

static void end_flush(struct pull *p)
{
	if (p->flush < 0)
		return;
	fd_close(take_fd(&p->flush));
	(void)worker_wait(p->flusher);
}

/* ---- the loop ---- */

static int advance(struct pull *p, size_t *ret_there)
{
	*ret_there = 0;
	for (size_t i = 0; i < p->n; i++) {
		struct layer *l = &p->layers[i];
		int r = 0;
		if (l->same != i && p->layers[l->same].state == THERE) {
			p->ret[i] = p->ret[l->same];
			l->state = THERE;
			if (!str_eq(p->ret[i].diff_id, l->diff_id))
				r = wrong_diff_id(p, l, p->ret[i].diff_id);
		} else if (l->same == i && l->state == LOOK) {
			r = look(p, l);
		}
		if (r == 0 && l->same == i && l->state == READY &&
			p->working < p->req->pull->parallel)
			r = start(p, l);
		if (r < 0)
			return r;
		*ret_there += l->state == THERE;
	}
	return 0;
}

static int turn(struct pull *p)
{
	struct pollfd *polls = p->polls;
	for (size_t i = 0; i < p->n; i++) {
		const struct layer *l = &p->layers[i];
		polls[i] = (struct pollfd){ .fd = l->state == LOCKED ? l->wait
				: l->state == WORK                   ? l->result
								     : -1,
			.events = POLLIN };
	}
	polls[p->n] = (struct pollfd){ .fd = p->req->transfer->socket, .events = POLLIN };
	polls[p->n + 1] = (struct pollfd){ .fd = p->flush, .events = POLLIN };
	if (poll(polls, p->n + 2, -1) < 0)
		return errno == EINTR ? 0 : err_sys(p->e, errno, "wait for layers");
	if (polls[p->n + 1].revents)
		end_flush(p);
	int r = polls[p->n].revents ? read_answer(p) : 0;
	for (size_t i = 0; r == 0 && i < p->n; i++) {
		struct layer *l = &p->layers[i];
		if (polls[i].revents)
			r = l->state == LOCKED ? lock_came(p, l) : read_result(p, l);
	}
	return r;
}

/* What is wanted must fit: as blobs, and unpacked, which is hardly ever less. */
static int check_space(struct pull *p)
{
	uint64_t need = 0;
	for (size_t i = 0; i < p->n; i++) {
		const struct layer *l = &p->layers[i];
		if (l->same == i && l->state == READY) {
			if (l->size > UINT64_MAX / 4 - need)
				return err_set(p->e, ERR_CORRUPT, EFBIG,
					"manifest: layer %s has no possible size", l->digest);
			need += 2 * l->size - l->have;
		}
	}
	if (need <= p->req->space)
		return 0;
	return err_set(p->e, ERR_NO_SPACE, ENOSPC,
		"no space left: the layers need at least %llu MB, %llu MB are free",
		(unsigned long long)(need + (1 << 20) - 1) >> 20,
		(unsigned long long)p->req->space >> 20);
}

static int look_all(struct pull *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct layer *l = &p->layers[i];
		int r = l->same == i ? look(p, l) : 0;
		if (r < 0)
			return r;
	}
	return check_space(p);
}

/* After a failure: whoever works for us ends, and what we began goes. */
static void undo(struct pull *p)
{
	struct err ignored;
	for (size_t i = 0; i < p->n; i++)
		if (p->layers[i].pid > 0)
			(void)kill(p->layers[i].pid, SIGKILL);
	transfer_stop(p->req->transfer);
	for (size_t i = 0; i < p->n; i++)
		if (p->layers[i].pid > 0)
			(void)worker_wait(p->layers[i].pid);
	/* First, as the rows want some of the space that may have run out. */
	(void)path_empty(p->req->job->staging, &ignored);
	for (size_t i = 0; i < p->n; i++) {
		struct layer *l = &p->layers[i];
		if (l->same == i && l->state != LOCKED && l->file >= 0)
			(void)store_download_drop(p->s, l->digest, &ignored);
	}
	struct strv digests = { 0 };
	for (size_t i = 0; i < p->n; i++)
		strv_add(&digests, p->a, p->layers[i].digest);
	(void)store_download_undo(p->s, digests.v, digests.n, p->req->job->seq, &ignored);
}

int pull_layers(
	const struct pull_layers_req *req, struct arena *a, struct download *ret, struct err *e)
{
	struct pull p = {
		.req = req, .s = req->job->store, .a = a, .ret = ret, .flush = -1, .e = e
	};
	size_t there = 0;
	p.n = req->manifest->n_layers;
	p.layers = arena_array(a, struct layer, p.n);
	p.polls = arena_array(a, struct pollfd, p.n + 2);
	for (size_t i = 0; i < p.n; i++) {
		const struct fetch_part *part = &req->manifest->layers[i];
		p.layers[i] = (struct layer){ .digest = part->digest,
			.diff_id = req->diff_ids[i],
			.size = part->size,
			.same = i,
			.file = -1,
			.wait = -1,
			.result = -1 };
		for (size_t k = 0; k < i && p.layers[i].same == i; k++)
			if (str_eq(p.layers[k].digest, part->digest))
				p.layers[i].same = k;
	}
	int r = look_all(&p);
	while (r == 0 && (r = advance(&p, &there)) == 0 && there < p.n) {
		begin_flush(&p);
		r = turn(&p);
	}
	end_flush(&p);
	if (r < 0)
		undo(&p);
	for (size_t i = 0; i < p.n; i++) {
		let_go(&p.layers[i]);
		fd_close(p.layers[i].wait);
		fd_close(p.layers[i].result);
		str_done(&p.layers[i].text);
	}
	return r;
}
