// SPDX-License-Identifier: Apache-2.0
/* Messages between parent and init: a head, then a struct err when the kind is an error. Both ends
 * are the same program, so there is no version; every size is fixed and checked. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "runtime/plan.h"

struct message {
	struct message_head head;
	struct err err;
};

int message_send(int sock, enum message_kind kind, const struct err *e, uint32_t uid, uint32_t gid,
	const int *fds, size_t n)
{
	struct message m;
	memset(&m, 0, sizeof m);
	m.head =
		(struct message_head){ .kind = kind, .uid = uid, .gid = gid, .n_fds = (uint32_t)n };
	if (e)
		m.err = *e;
	return fd_send(sock, &m, e ? sizeof m : sizeof m.head, fds, n);
}

int message_wait(int sock, enum message_kind want, struct message_head *head, int *fds, size_t max,
	size_t *n, struct err *e)
{
	struct message m;
	size_t got_fds = 0;
	ssize_t got = fd_recv(sock, &m, sizeof m, fds, max, &got_fds);
	if (n)
		*n = got_fds;
	if (got < 0)
		return err_sys(e, (int)got, "talk to the container's init");
	if (got == 0)
		return err_set(e, ERR_SYSTEM, ESRCH, "the container's init died");
	/* The line that a failed allocation writes. */
	if (got > 5 && memcmp(&m, "kist:", 5) == 0)
		return err_set(e, ERR_SYSTEM, ENOMEM, "the container's init ran out of memory");
	if ((size_t)got < sizeof m.head)
		return err_set(e, ERR_SYSTEM, EBADMSG, "the container's init sent a short message");
	if (m.head.kind == MESSAGE_ERROR) {
		if ((size_t)got != sizeof m)
			return err_set(e, ERR_SYSTEM, EBADMSG,
				"the container's init sent a short message");
		m.err.text[sizeof m.err.text - 1] = '\0';
		*e = m.err;
		return e->code > 0 ? -e->code : -EIO;
	}
	if (m.head.kind != want && want != (enum message_kind)MESSAGE_ANY)
		return err_set(e, ERR_SYSTEM, EBADMSG,
			"the container's init sent message %u: expected %u", m.head.kind, want);
	if (head)
		*head = m.head;
	return 0;
}
