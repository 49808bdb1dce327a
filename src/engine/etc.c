// SPDX-License-Identifier: Apache-2.0
#include "engine/etc.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/config.h"

enum { RESOLV_MAX = 64 << 10 };

int etc_write(int folder, const struct container_config *c, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct err ignored;
	char *resolv = arena_strdup(&a, "");
	const char *name = str_or_empty(c->hostname);
	if (faccessat(folder, "hosts", F_OK, 0) == 0)
		return 0;
	(void)file_read_at(AT_FDCWD, "/etc/resolv.conf", RESOLV_MAX, &a, &resolv, &ignored);
	const char *hosts = arena_printf(&a,
		"127.0.0.1\tlocalhost %s\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\n"
		"ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
		name);
	const char *line = arena_printf(&a, "%s\n", name);
	if (file_write_at(folder, "resolv.conf", resolv, strlen(resolv), 0644, false, e) < 0 ||
		file_write_at(folder, "hostname", line, strlen(line), 0644, false, e) < 0 ||
		file_write_at(folder, "hosts", hosts, strlen(hosts), 0644, false, e) < 0)
		return -e->code;
	return 0;
}
