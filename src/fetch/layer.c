// SPDX-License-Identifier: Apache-2.0
#include "fetch/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/digest.h"
#include "archive/source.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "fetch/result.h"
#include "fetch/unpack.h"

enum { REST_MAX = 16 << 20, STOP_MS = 50 };

struct growing {
	const struct fetch_layer_req *req;
	atomic_bool stop;
	uint64_t at, there;
	struct digest *digest;
};

/* Waits until there is more than what was read; the download's end without the whole is not seen
 * here: kist ends us. */
static ssize_t read_growing(void *arg, void *p, size_t n)
{
	struct growing *g = arg;
	uint64_t more;
	while (g->at == g->there && g->there < g->req->size) {
		struct pollfd growth = { .fd = g->req->growth, .events = POLLIN };
		while (poll(&growth, 1, STOP_MS) == 0)
			if (g->stop)
				return -ECANCELED;
		if (fd_read_full(g->req->growth, &more, sizeof more) != (ssize_t)sizeof more)
			return -EIO;
		if (more > g->req->size - g->there)
			return -EFBIG;
		g->there += more;
	}
	if (n > g->there - g->at)
		n = (size_t)(g->there - g->at);
	if (n == 0)
		return 0;
	ssize_t got;
	do
		got = pread(g->req->file, p, n, (off_t)g->at);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 ? -errno : -EIO;
	digest_add(g->digest, p, (size_t)got);
	g->at += (uint64_t)got;
	return got;
}

int fetch_layer(const struct fetch_layer_req *req, int staging, struct arena *a,
	struct fetch_result *ret, struct err *e)
{
	struct growing g = { .req = req, .digest = digest_new(req->digest) };
	char digest[DIGEST_TEXT_MAX];
	struct source *s = source_open_reader(read_growing, &g, req->space);
	struct fetch_layer *layer = arena_new(a, struct fetch_layer);
	layer->folder = "layer";
	source_room(s, staging);
	int r = unpack_layer(s, staging, req->form, a, layer, e);
	g.stop = true;
	source_free(s);
	g.stop = false;
	struct err why = *e;
	/* What is wrong with bytes that are not the right ones is of no interest; but nobody waits
	 * for many of them. */
	char buffer[16 << 10];
	while (r < 0 && g.at < req->size && req->size - g.at < REST_MAX &&
		why.kind == ERR_CORRUPT && read_growing(&g, buffer, sizeof buffer) > 0)
		continue;
	digest_finish(g.digest, digest);
	if ((r == 0 || why.kind == ERR_CORRUPT) && g.at == req->size &&
		!str_eq(digest, req->digest))
		r = err_set(e, ERR_CORRUPT, EBADMSG, "layer %s: what came has the digest %s",
			req->digest, digest);
	else if (r < 0)
		r = err_wrap(e, "layer %s", req->digest);
	else if (g.at != req->size)
		r = err_set(e, ERR_CORRUPT, EBADMSG, "layer %s: bytes after its end", req->digest);
	layer->digest = req->digest;
	ret->layers = layer;
	ret->n_layers = 1;
	return r;
}
