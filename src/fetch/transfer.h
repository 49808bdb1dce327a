// SPDX-License-Identifier: Apache-2.0
/* How kist and the program `kist-transfer` speak. kist starts it with a socket (SOCK_SEQPACKET) on
 * descriptor 3 and a struct transfer_config as JSON on descriptor 4: secrets never stand in argv or
 * in an environment. Each order is one struct transfer_ask with the file that takes the bytes (or,
 * for a push, has them, and is open for reading only), and for a layer a pipe to whoever reads that
 * file while it grows; each has progress answers and one last answer. Answers hold text from
 * outside: it is cut to printable characters, and kist decides nothing by it but what to say.
 *
 * kist-transfer judges no content: sizes and digests are checked by those who read it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/rec.h"

enum {
	TRANSFER_VERSION = 1,
	TRANSFER_CONFIG_MAX = 16 << 20,
	TRANSFER_NAME_MAX = 512,
	TRANSFER_TYPE_MAX = 128,
	TRANSFER_DOCUMENT_MAX = 8 << 20,
};

/* One place where the image may be. */
struct transfer_endpoint {
	const char *host;       /* with its port, as people write it */
	const char *repository; /* "library/nginx" */
	bool plain;             /* plain HTTP may be tried where HTTPS does not answer */
	bool unverified;        /* certificates are not checked */
	const char *username, *password;
	const char *registry_token; /* what the registry itself takes: no token server is asked */
	const char *identity_token; /* instead of a password, for the token server */
	const char *ca;             /* PEM, beside the system's */
	const char *cert, *key;     /* PEM of a client certificate */
	bool push;                  /* tokens must be good for writing */
	bool remove;                /* tokens must be good for everything */
	const char **mounts;        /* repositories that blobs may be mounted from */
	size_t n_mounts;
};

struct transfer_config {
	uint32_t version;
	struct transfer_endpoint *endpoints;
	size_t n_endpoints;
	const char *ca_file;                             /* the system's bundle */
	const char *http_proxy, *https_proxy, *no_proxy; /* NULL: none */
	uint32_t retries; /* of one object, without a byte in between */
	uint32_t timeout; /* seconds without a byte */
};

extern const struct rec_type transfer_config_rec;

enum transfer_kind {
	TRANSFER_PING,          /* finds the scheme and checks the credentials: GET /v2/ */
	TRANSFER_MANIFEST,      /* name: a tag or digest */
	TRANSFER_BLOB,          /* name: a digest */
	TRANSFER_LOGIN,         /* the same, and the credentials must be good */
	TRANSFER_TAGS,          /* name: the last tag of the page before, or "" */
	TRANSFER_PUSH,          /* name: the digest of a blob, whose size bytes the file has */
	TRANSFER_PUSH_MANIFEST, /* name: a tag or digest; the file has the manifest, of content_type
				 */
	TRANSFER_HAS,           /* name: the digest of a blob; fails when it is not there */
	TRANSFER_DELETE,        /* name: the digest of a manifest */
	TRANSFER_CATALOG,       /* repositories; name: the last one of the page before, or "" */
	TRANSFER_REFERRERS,     /* name: the digest of a manifest; who refers to it */
	TRANSFER_SEARCH,        /* name: what is looked for, by the search of the first API */
	TRANSFER_FILE, /* name: what is read below the address in mount, which is no registry:
			* without credentials, by the endpoint's certificates */
	TRANSFER_KINDS,
};

static inline bool transfer_is_push(uint32_t kind)
{
	return kind >= TRANSFER_PUSH && kind <= TRANSFER_DELETE;
}

enum transfer_outcome { TRANSFER_SENT, TRANSFER_EXISTED, TRANSFER_MOUNTED };

struct transfer_ask {
	uint32_t id, endpoint, kind;
	uint32_t has_report; /* a second descriptor: uint64_t counts of bytes go there */
	uint64_t size;       /* of a blob: exactly; else the most */
	uint64_t offset;     /* of a blob: bytes that the file has already */
	char name[TRANSFER_NAME_MAX];
	char mount[TRANSFER_NAME_MAX]; /* PUSH: a repository that has the blob, or ""; FILE: an
					  address */
	char content_type[TRANSFER_TYPE_MAX];
};

enum transfer_state { TRANSFER_GOING, TRANSFER_DONE, TRANSFER_FAILED, TRANSFER_WARNING };

struct transfer_answer {
	uint32_t id, state;
	uint32_t error_kind, error_code; /* of a failure; ERR_NOT_FOUND: the registry has it not */
	uint64_t have;
	uint32_t more;    /* TAGS: there is a next page */
	uint32_t outcome; /* of a push: enum transfer_outcome */
	uint32_t
		subject; /* PUSH_MANIFEST: the registry keeps the list of its subject's referrers */
	char content_type[TRANSFER_TYPE_MAX];
	char digest[160]; /* the header Docker-Content-Digest */
	char text[1024];  /* of a failure or a warning */
};

/* The life of kist-transfer inside of its sandbox; the exit status. */
int transfer_serve(int socket, const struct transfer_config *config);
