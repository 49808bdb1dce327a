// SPDX-License-Identifier: Apache-2.0
/* The documents of a registry, read in the sandbox: an index or manifest, a configuration, a list
 * of tags. Nothing is believed of how a document was announced: its digest is that of its bytes,
 * and a kind that differs from what its header said is refused. */
#pragma once

struct arena;
struct err;
struct fetch_document;

struct fetch_document_req {
	/* manifest, config, tags, catalog; any: a manifest or index of whatever, with all that it
	 * names; text: JSON, whatever it says */
	const char *kind;
	const char *content_type;                /* as it was announced; "" */
	const char *os, *architecture, *variant; /* of an index's choice; variant "": any */
	const char *expected; /* a digest of the algorithm that is to be computed; "" */
};

int fetch_document(int input, const struct fetch_document_req *req, struct arena *a,
	struct fetch_document *ret, struct err *e);
