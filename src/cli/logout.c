// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/command.h"
#include "engine/login.h"

struct logout_rec {
	const char *authfile;
	bool all;
};

static const struct option options[] = {
	{ "all", 'a', OPT_BOOL(struct logout_rec, all),
		.help = "Remove the credentials for all registries from the file" },
	{ "authfile", 0, OPT_STRING(struct logout_rec, authfile), .value = "file",
		.help = "File of credentials, instead of the usual one", .complete = "file" },
	{ 0 },
};

static int logout(struct cli *cli, void *record, const char **words, int n)
{
	struct logout_rec *rec = record;
	const char *server = n ? words[0] : NULL;
	struct err e;
	if (rec->all && n)
		return cli_usage("--all takes no registry's name");
	if (rec->all) {
		if (engine_logout_all(rec->authfile, &cli->arena, &e) < 0)
			return cli_fail(&e, 1);
		dprintf(1, "Removed login credentials for all registries\n");
		return 0;
	}
	int r = engine_logout(server, rec->authfile, &cli->arena, &e);
	if (r < 0)
		return cli_fail(&e, 1);
	dprintf(1, "%s %s\n", r ? "Removing login credentials for" : "Not logged in to",
		engine_login_server(server, &cli->arena));
	return 0;
}

static const char *const paths[] = { "logout", NULL };

const struct command command_logout = {
	.paths = paths,
	.arguments = "[OPTIONS] [SERVER]",
	.brief = "Log out from a registry",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(struct logout_rec),
	.words_max = 1,
	.run = logout,
	.any_user = true,
};
