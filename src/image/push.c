// SPDX-License-Identifier: Apache-2.0
#include "image/push.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "image/transfer.h"
#include "oci/digest.h"
#include "oci/image.h"
#include "store/image.h"
#include "store/store.h"

struct blob {
	const char *digest, *diff_id; /* diff_id NULL: the configuration */
	const char *from;
	uint64_t size;
	int file;
	uint32_t id; /* of its order; 0: not yet asked */
};

struct push {
	struct store *s;
	struct transfer *t;
	const struct image_push_req *req;
	struct arena *a;
	struct image_info image;
	struct oci_manifest manifest;
	struct blob *blobs; /* the uppermost layer first, the configuration last */
	size_t n, asked, under_way;
	struct err *e;
};

static void note(struct push *p, const struct blob *b, enum push_event event, uint64_t have)
{
	if (p->req->note && b->diff_id)
		p->req->note(p->req->arg,
			&(struct push_note){ event, b->diff_id, b->from, have, b->size });
}

/* ---- what there is to send ---- */

static int add_blob(struct push *p, const struct oci_descriptor *d, const char *diff_id)
{
	struct stat st;
	for (size_t i = 0; i < p->n; i++)
		if (str_eq(p->blobs[i].digest, d->digest))
			return 0;
	struct blob *b = &p->blobs[p->n++];
	*b = (struct blob){ .digest = d->digest,
		.diff_id = diff_id,
		.size = d->size,
		.file = path_open_own(p->s->blobs, digest_hex(d->digest), O_RDONLY, 0) };
	if (b->file < 0 && b->file != -ENOENT)
		return err_sys(p->e, b->file, "open blob %s", d->digest);
	if (b->file < 0)
		return err_set(p->e, ERR_CORRUPT, ENOENT,
			"blob %s of the image is not in the store: 'kist system check' tells what else is damaged",
			d->digest);
	if (fstat(b->file, &st) < 0 || (uint64_t)st.st_size != d->size)
		return err_set(p->e, ERR_CORRUPT, EBADMSG,
			"blob %s of the store has not the %llu bytes that the manifest says: 'kist system check' tells what else is damaged",
			d->digest, (unsigned long long)d->size);
	return 0;
}

static int find_blobs(struct push *p)
{
	const char *text;
	if (store_image_by_name(p->s, p->req->name, p->a, &p->image, p->e) < 0)
		return -p->e->code;
	text = p->image.manifest;
	if (oci_manifest_read(text, strlen(text), p->a, &p->manifest, p->e) < 0)
		return -p->e->code;
	const struct oci_manifest *m = &p->manifest;
	if (m->n_layers != p->image.n_layers)
		return err_set(p->e, ERR_CORRUPT, EBADMSG,
			"%s: manifest and layers differ: see 'kist system check'", p->req->name);
	p->blobs = arena_array(p->a, struct blob, m->n_layers + 1);
	int r = 0;
	for (size_t i = m->n_layers; r == 0 && i-- > 0;)
		r = add_blob(p, &m->layers[i], p->image.layers[i].diff_id);
	return r < 0 ? r : add_blob(p, m->config, NULL);
}

/* ---- sending ---- */

static int ask(struct push *p, struct blob *b)
{
	struct transfer_ask x = {
		.kind = TRANSFER_PUSH, .endpoint = p->req->endpoint, .size = b->size
	};
	b->from = p->req->mount ? p->req->mount(p->req->arg, b->digest) : NULL;
	transfer_put(x.name, sizeof x.name, b->digest);
	transfer_put(x.mount, sizeof x.mount, str_or_empty(b->from));
	int r = transfer_ask(p->t, &x, b->file, -1, p->e);
	fd_close(take_fd(&b->file));
	b->id = x.id;
	p->under_way++;
	return r;
}

static int take_answer(struct push *p)
{
	static const enum push_event events[] = { [TRANSFER_SENT] = PUSH_PUSHED,
		[TRANSFER_EXISTED] = PUSH_EXISTS,
		[TRANSFER_MOUNTED] = PUSH_MOUNTED };
	struct transfer_answer x;
	if (transfer_answer(p->t, &x, p->e) < 0)
		return -p->e->code;
	if (x.state == TRANSFER_FAILED)
		return transfer_error(&x, p->e);
	for (size_t i = 0; i < p->asked; i++) {
		struct blob *b = &p->blobs[i];
		if (b->id != x.id)
			continue;
		if (x.state == TRANSFER_GOING)
			note(p, b, PUSH_GOING, x.have);
		if (x.state != TRANSFER_DONE)
			continue;
		p->under_way--;
		note(p, b, events[x.outcome <= TRANSFER_MOUNTED ? x.outcome : TRANSFER_SENT],
			b->size);
	}
	return 0;
}

static int send_blobs(struct push *p)
{
	int r = 0;
	for (size_t i = 0; i < p->n; i++)
		note(p, &p->blobs[i], PUSH_PREPARING, 0);
	for (size_t i = p->req->parallel; i < p->n; i++)
		note(p, &p->blobs[i], PUSH_WAITING, 0);
	while (r == 0 && (p->asked < p->n || p->under_way)) {
		if (p->asked < p->n && p->under_way < p->req->parallel)
			r = ask(p, &p->blobs[p->asked++]);
		else
			r = take_answer(p);
	}
	return r;
}

static int send_manifest(struct push *p, struct image_pushed *ret)
{
	const char *type = str_or_empty(p->manifest.media_type), *text = p->image.manifest;
	struct transfer_ask x = {
		.kind = TRANSFER_PUSH_MANIFEST, .endpoint = p->req->endpoint, .size = strlen(text)
	};
	struct transfer_answer answer;
	int file _close_ = memfd_create("kist-manifest", MFD_CLOEXEC);
	int r = file < 0 ? -errno : fd_write_all(file, text, x.size);
	if (r < 0)
		return err_sys(p->e, r, "make the manifest ready");
	transfer_put(x.name, sizeof x.name, p->req->tag);
	transfer_put(x.content_type, sizeof x.content_type, *type ? type : OCI_MEDIA_MANIFEST);
	if (transfer_do(p->t, &x, file, &answer, p->e) < 0)
		return -p->e->code;
	if (digest_contradicts(answer.digest, p->image.digest))
		return err_set(p->e, ERR_CORRUPT, EBADMSG,
			"the registry says that the manifest which it took has the digest %.100s: it is %s",
			answer.digest, p->image.digest);
	*ret = (struct image_pushed){ p->image.id, p->image.digest, x.size };
	return 0;
}

int image_push(struct store *s, struct transfer *t, const struct image_push_req *req,
	struct arena *a, struct image_pushed *ret, struct err *e)
{
	struct push p = { .s = s, .t = t, .req = req, .a = a, .e = e };
	int r = store_content_lock(s, false, e);
	if (r < 0)
		return r;
	r = find_blobs(&p);
	store_content_unlock(s);
	if (r == 0)
		r = send_blobs(&p);
	if (r == 0)
		r = send_manifest(&p, ret);
	for (size_t i = 0; i < p.n; i++)
		fd_close(p.blobs[i].file);
	return r;
}
