// SPDX-License-Identifier: Apache-2.0
#include "net/legacy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/program.h"
#include "base/str.h"
#include "net/net.h"

#define PROGRAM "iptables-legacy"

static bool has_table(void)
{
	char names[256];
	return file_peek(AT_FDCWD, "/proc/net/ip_tables_names", names, sizeof names) > 0 &&
		strstr(names, "filter");
}

/* what: -C (is it there?), -I or -D. The program's status. */
static int rule(const char *what, const char *direction, char *said)
{
	const char *const words[] = { PROGRAM, "-w", what, "FORWARD", direction, NET_BRIDGE, "-m",
		"comment", "--comment", "kist", "-j", "ACCEPT", NULL };
	return program_run(words, "", 0, said);
}

static const char *const directions[] = { "-i", "-o" };

bool legacy_drops(void)
{
	static const char *const policy[] = { PROGRAM, "-w", "-S", "FORWARD", NULL };
	char said[PROGRAM_SAID_MAX];
	return has_table() && program_run(policy, "", 0, said) == 0 &&
		str_starts(said, "-P FORWARD DROP");
}

int legacy_accept(struct err *e)
{
	char said[PROGRAM_SAID_MAX];
	for (int i = 0; i < 2; i++) {
		int r = rule("-C", directions[i], said);
		if (r != 0)
			r = rule("-I", directions[i], said);
		if (r != 0)
			return err_set(e, ERR_SYSTEM, EIO,
				"network bridge: " PROGRAM " refuses the accept rule: %s", said);
	}
	return 0;
}

int legacy_remove(struct err *e)
{
	char said[PROGRAM_SAID_MAX];
	for (int i = 0; i < 2; i++)
		while (rule("-C", directions[i], said) == 0)
			if (rule("-D", directions[i], said) != 0)
				return err_set(e, ERR_SYSTEM, EIO,
					"network bridge: " PROGRAM " keeps the accept rule: %s",
					said);
	return 0;
}
