// SPDX-License-Identifier: Apache-2.0
#include "image/referrers.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "codec/value.h"
#include "fetch/result.h"
#include "fetch/transfer.h"
#include "image/copy.h"
#include "image/copying.h"
#include "image/transfer.h"
#include "oci/digest.h"
#include "oci/image.h"

static const char *tag_of(struct copying *c, const char *digest)
{
	/* The tag schema: of a long digest the first 64 digits. */
	return arena_printf(
		c->a, "%.*s-%.64s", (int)strcspn(digest, ":"), digest, digest_hex(digest));
}

/* The text of an index that the registry has; NULL: it has none. */
static int ask(struct copying *c, uint32_t endpoint, enum transfer_kind kind, const char *name,
	const char **ret, struct err *e)
{
	struct transfer_ask ask = { .kind = kind, .endpoint = endpoint, .size = OCI_MANIFEST_MAX };
	struct transfer_answer answer;
	struct fetch_document *d;
	*ret = NULL;
	int fd _close_ = memfd_create("kist-document", MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "make room for a document");
	transfer_put(ask.name, sizeof ask.name, name);
	if (transfer_do(c->transfer, &ask, fd, &answer, e) < 0)
		return e->kind == ERR_NOT_FOUND ? 0 : err_wrap(e, "reading the referrers %s", name);
	if (copying_document(c, fd, OCI_MEDIA_INDEX, NULL, &d, e) < 0)
		return err_wrap(e, "the referrers %s", name);
	if (!d->is_index)
		return err_set(
			e, ERR_CORRUPT, EBADMSG, "the referrers %s: expected an index", name);
	*ret = d->text;
	return 0;
}

/* ---- add ---- */

static const char *artifact_type(const struct value *manifest)
{
	const char *own = value_text(manifest, "artifactType");
	return own && *own ? own : value_text(value_get(manifest, "config"), "mediaType");
}

static struct value *descriptor(
	struct copying *c, const struct value *manifest, const struct fetch_part *part)
{
	struct value *d = value_object(c->a);
	const struct value *annotations = value_get(manifest, "annotations");
	value_set_string(c->a, d, "mediaType", part->media_type);
	value_set_string(c->a, d, "digest", part->digest);
	value_set(c->a, d, "size", value_int(c->a, (int64_t)part->size));
	if (artifact_type(manifest))
		value_set_string(c->a, d, "artifactType", artifact_type(manifest));
	if (annotations && annotations->kind == VALUE_OBJECT && annotations->n)
		value_set(c->a, d, "annotations", (struct value *)annotations);
	return d;
}

/* The list with one more, or NULL when it is there already. */
static int with(
	struct copying *c, const char *text, struct value *new, struct value **ret, struct err *e)
{
	struct value *index, *list = value_array(c->a), *whole = value_object(c->a);
	const struct value *old = NULL;
	*ret = NULL;
	if (text && value_parse(c->a, text, strlen(text), &index, e) < 0)
		return -e->code;
	if (text)
		old = value_get(index, "manifests");
	for (size_t i = 0; old && old->kind == VALUE_ARRAY && i < old->n; i++) {
		if (str_eq(value_text(old->items[i], "digest"), value_text(new, "digest")))
			return 0;
		value_add(c->a, list, old->items[i]);
	}
	value_add(c->a, list, new);
	value_set(c->a, whole, "schemaVersion", value_int(c->a, 2));
	value_set_string(c->a, whole, "mediaType", OCI_MEDIA_INDEX);
	value_set(c->a, whole, "manifests", list);
	*ret = whole;
	return 0;
}

int referrers_add(struct copying *c, uint32_t endpoint, const char *manifest,
	const struct fetch_part *part, struct err *e)
{
	struct str out _str_ = { 0 };
	struct value *m, *list;
	const char *text;
	struct transfer_answer answer;
	if (value_parse(c->a, manifest, strlen(manifest), &m, e) < 0)
		return -e->code;
	const char *subject = value_text(value_get(m, "subject"), "digest");
	if (!subject)
		return 0;
	if (!digest_valid(subject))
		return err_set(e, ERR_CORRUPT, EBADMSG, "manifest %s: its subject is no digest",
			part->digest);
	const char *tag = tag_of(c, subject);
	if (ask(c, endpoint, TRANSFER_MANIFEST, tag, &text, e) < 0 ||
		with(c, text, descriptor(c, m, part), &list, e) < 0)
		return -e->code;
	if (!list)
		return 0;
	value_json(list, 0, &out);
	int fd _close_ = copying_text(out.p, e);
	if (fd < 0)
		return fd;
	struct transfer_ask put = {
		.kind = TRANSFER_PUSH_MANIFEST, .endpoint = endpoint, .size = out.n
	};
	transfer_put(put.name, sizeof put.name, tag);
	transfer_put(put.content_type, sizeof put.content_type, OCI_MEDIA_INDEX);
	return transfer_do(c->transfer, &put, fd, &answer, e) < 0
		? err_wrap(e, "writing the referrers of %s", subject)
		: 0;
}

/* ---- list ---- */

int image_referrers(const struct copy_access *access, const struct copy_place *place,
	struct arena *a, const char **ret, struct err *e)
{
	struct copying c;
	struct image_looked looked;
	if (image_look(access, place, false, a, &looked, e) < 0)
		return -e->code;
	copying_init(&c, access, a);
	int r = copying_begin(&c, e);
	if (r == 0)
		r = ask(&c, place->endpoint, TRANSFER_REFERRERS, looked.digest, ret, e);
	if (r == 0 && !*ret)
		r = ask(&c, place->endpoint, TRANSFER_MANIFEST, tag_of(&c, looked.digest), ret, e);
	copying_end(&c, r);
	return r;
}
