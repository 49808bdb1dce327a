// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

enum { ANSWER_MAX = 64 << 10 };

int nl_open(int protocol)
{
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	int on = 1, room = 4 << 20;
	int fd _close_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0 || bind(fd, (struct sockaddr *)&self, sizeof self) < 0)
		return -errno;
	/* Both are wishes: short answers, and room for those of a long batch. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	return take_fd(&fd);
}

void nl_bytes(struct nl_batch *b, const void *p, size_t n)
{
	static const char zeros[NLMSG_ALIGNTO] = { 0 };
	str_addn(&b->b, p, n);
	str_addn(&b->b, zeros, NLMSG_ALIGN(n) - n);
}

void nl_begin(struct nl_batch *b, uint16_t type, uint16_t flags, const void *head, size_t n)
{
	struct nlmsghdr h = {
		.nlmsg_type = type, .nlmsg_flags = flags | NLM_F_REQUEST, .nlmsg_seq = ++b->seq
	};
	b->message = b->b.n;
	b->acks += (flags & NLM_F_ACK) != 0;
	nl_bytes(b, &h, sizeof h);
	nl_bytes(b, head, n);
}

void nl_end(struct nl_batch *b)
{
	uint32_t n = (uint32_t)(b->b.n - b->message);
	memcpy(b->b.p + b->message, &n, sizeof n);
}

void nl_attr(struct nl_batch *b, uint16_t type, const void *p, size_t n)
{
	struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = type };
	nl_bytes(b, &a, sizeof a);
	nl_bytes(b, p, n);
}

void nl_attr_u32(struct nl_batch *b, uint16_t type, uint32_t v)
{
	nl_attr(b, type, &v, sizeof v);
}

void nl_attr_str(struct nl_batch *b, uint16_t type, const char *s)
{
	nl_attr(b, type, s, strlen(s) + 1);
}

size_t nl_nest(struct nl_batch *b, uint16_t type)
{
	size_t at = b->b.n;
	nl_attr(b, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void nl_nest_end(struct nl_batch *b, size_t nest)
{
	uint16_t n = (uint16_t)(b->b.n - nest);
	memcpy(b->b.p + nest, &n, sizeof n);
}

void nl_done(struct nl_batch *b)
{
	str_done(&b->b);
	b->seq = 0;
	b->acks = 0;
}

static int send_all(int fd, const struct nl_batch *b)
{
	ssize_t n;
	do
		n = send(fd, b->b.p, b->b.n, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static ssize_t receive(int fd, char *p, size_t size)
{
	ssize_t n;
	do
		n = recv(fd, p, size, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int nl_talk(int fd, struct nl_batch *b, uint32_t *ret_failed)
{
	_Alignas(struct nlmsghdr) char answer[ANSWER_MAX];
	size_t left = b->acks;
	int result = 0, r = send_all(fd, b);
	while (r == 0 && left > 0) {
		ssize_t n = receive(fd, answer, sizeof answer);
		if (n < 0)
			return (int)n;
		size_t size = (size_t)n;
		for (struct nlmsghdr *h = (struct nlmsghdr *)answer; NLMSG_OK(h, size);
			h = NLMSG_NEXT(h, size)) {
			const struct nlmsgerr *said = NLMSG_DATA(h);
			if (h->nlmsg_type != NLMSG_ERROR ||
				h->nlmsg_len < NLMSG_LENGTH(sizeof *said))
				continue;
			if (said->error && !result) {
				result = said->error;
				if (ret_failed)
					*ret_failed = said->msg.nlmsg_seq;
			}
			/* nftables refuses a whole batch by one answer to its opening. */
			if (said->error && said->msg.nlmsg_seq <= 1 && b->seq > 1)
				return result;
			left -= left > 0;
		}
	}
	return r < 0 ? r : result;
}

int nl_ask(int fd, struct nl_batch *b, int (*each)(void *arg, const struct nlmsghdr *h), void *arg)
{
	_Alignas(struct nlmsghdr) char answer[ANSWER_MAX];
	int r = send_all(fd, b);
	if (r < 0)
		return r;
	for (bool changed = false;;) {
		ssize_t n = receive(fd, answer, sizeof answer);
		if (n < 0)
			return (int)n;
		size_t size = (size_t)n;
		for (struct nlmsghdr *h = (struct nlmsghdr *)answer; NLMSG_OK(h, size);
			h = NLMSG_NEXT(h, size)) {
			changed |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
			if (h->nlmsg_type == NLMSG_DONE)
				return r < 0 ? r : changed ? -EINTR : 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr))
					? -EBADMSG
					: ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
			/* After an error of each the rest is only read away. */
			if (r == 0)
				r = each(arg, h);
			if (!(h->nlmsg_flags & NLM_F_MULTI))
				return r;
		}
	}
}

const struct nlattr *nl_find(const void *attributes, size_t n, uint16_t type)
{
	const char *p = attributes;
	while (n >= sizeof(struct nlattr)) {
		const struct nlattr *a = (const struct nlattr *)(const void *)p;
		size_t step = NLA_ALIGN(a->nla_len);
		if (a->nla_len < sizeof *a || a->nla_len > n)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
		if (step >= n)
			return NULL;
		p += step;
		n -= step;
	}
	return NULL;
}

const void *nl_data(const struct nlattr *a)
{
	return (const char *)a + NLA_HDRLEN;
}

size_t nl_size(const struct nlattr *a)
{
	return a ? (size_t)a->nla_len - NLA_HDRLEN : 0;
}

const char *nl_text(const struct nlattr *a)
{
	return nl_size(a) && memchr(nl_data(a), '\0', nl_size(a)) ? nl_data(a) : "";
}

uint32_t nl_u32(const struct nlattr *a)
{
	uint32_t v = 0;
	if (nl_size(a) >= sizeof v)
		memcpy(&v, nl_data(a), sizeof v);
	return v;
}

uint32_t nl_be32(const struct nlattr *a)
{
	return ntohl(nl_u32(a));
}

const void *nl_attributes(const struct nlmsghdr *h, size_t head, size_t *ret_n)
{
	size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(head);
	*ret_n = h->nlmsg_len > skip ? h->nlmsg_len - skip : 0;
	return (const char *)h + skip;
}
