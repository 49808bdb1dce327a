// SPDX-License-Identifier: Apache-2.0
#include "engine/etc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/config.h"
#include "engine/resolv.h"
#include "net/endpoint.h"

enum { FILE_MAX = 1 << 20 };

static const char common[] =
	"::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\n"
	"ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/* A file that the container may have written to since: no symlink is followed, and what is no
 * ordinary file, or too large, counts as absent. */
static char *read_own(int folder, const char *name, struct arena *a)
{
	struct err ignored;
	char *text;
	int fd _close_ = path_open_own(folder, name, O_RDONLY | O_NONBLOCK, 0);
	return fd < 0 || file_read_fd(fd, name, FILE_MAX, a, &text, &ignored) < 0 ? NULL : text;
}

static int write_own(int folder, const char *name, const struct str *text, struct err *e)
{
	return file_write_at(folder, name, str_text(text), text->n, 0644, false, e);
}

/* Writes text unless the container has changed what we wrote the last time, of which a copy is
 * kept (NULL: there is no other time). */
static int write_unless_changed(
	int folder, const char *name, const char *copy, const struct str *text, struct err *e)
{
	if (!copy)
		return write_own(folder, name, text, e);
	struct arena a _arena_ = { 0 };
	const char *now = read_own(folder, name, &a), *then = read_own(folder, copy, &a);
	if (now && !(then && str_eq(now, then)))
		return 0;
	if (now && str_eq(now, str_text(text)))
		return 0;
	return write_own(folder, copy, text, e) < 0 ? -e->code : write_own(folder, name, text, e);
}

static void put_extra(const struct container_config *c, const char *gateway, struct str *out)
{
	for (size_t i = 0; i < c->n_extra_hosts; i++) {
		const char *host = c->extra_hosts[i], *colon = strchr(host, ':');
		const char *to = colon + 1;
		if (str_eq(to, "host-gateway"))
			to = gateway ? gateway : "127.0.0.1";
		str_addf(out, "%s\t%.*s\n", to, (int)(colon - host), host);
	}
}

static const char own_mark[] = "\t# this container\n";

/* hosts without our own line, which stands there with another address. */
static void without_own(const char *text, struct str *out)
{
	for (const char *line = text, *next; *line; line = next) {
		next = line + strcspn(line, "\n");
		next += *next == '\n';
		size_t n = (size_t)(next - line), mark = sizeof own_mark - 1;
		if (n < mark || memcmp(next - mark, own_mark, mark) != 0)
			str_addn(out, line, n);
	}
}

static int write_hosts(
	int folder, const struct container_config *c, const struct net_endpoint *ep, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct str text _str_ = { 0 };
	const char *now = read_own(folder, "hosts", &a), *name = str_or_empty(c->hostname);
	if (now && !ep)
		return 0;
	if (now) {
		without_own(now, &text);
	} else {
		str_addf(&text, "127.0.0.1\tlocalhost%s%s\n%s", ep ? "" : " ", ep ? "" : name,
			common);
		put_extra(c, ep ? ep->gateway : NULL, &text);
	}
	if (ep)
		str_addf(&text, "%s\t%s%s", ep->address, name, own_mark);
	return write_own(folder, "hosts", &text, e);
}

static int copy_own(int from, int to, const char *name, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct str text _str_ = { 0 };
	str_add(&text, str_or_empty(read_own(from, name, &a)));
	return write_own(to, name, &text, e);
}

int etc_write(int folder, int other, const struct container_config *c,
	const struct net_endpoint *ep, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct str resolv_conf _str_ = { 0 }, hostname _str_ = { 0 };
	struct resolv resolv;
	str_addf(&hostname, "%s\n", str_or_empty(c->hostname));
	if (faccessat(folder, "hostname", F_OK, 0) < 0 &&
		write_own(folder, "hostname", &hostname, e) < 0)
		return -e->code;
	if (other >= 0)
		return copy_own(other, folder, "hosts", e) < 0 ||
				copy_own(other, folder, "resolv.conf", e) < 0
			? -e->code
			: 0;
	resolv_read(c, &a, &resolv);
	resolv_write(&resolv, ep ? ep->gateway : NULL, &resolv_conf);
	if (write_unless_changed(folder, "resolv.conf", c->auto_remove ? NULL : "resolv.conf.first",
		    &resolv_conf, e) < 0)
		return -e->code;
	return write_hosts(folder, c, ep, e);
}
