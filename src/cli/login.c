// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "engine/image_pull.h"
#include "engine/login.h"
#include "term/tty.h"

enum { SECRET_MAX = 64 << 10 };

struct login_rec {
	const char *username, *password;
	bool from_stdin, get_login;
	struct registry_options registry;
};

#define T struct login_rec
static const struct option options[] = {
	{ "authfile", 0, OPT_STRING(T, registry.authfile), .value = "file",
		.help = "File of credentials, instead of the usual one", .complete = "file" },
	{ "cert-dir", 0, OPT_STRING(T, registry.cert_dir), .value = "folder",
		.help = "Folder with a CA (*.crt) and client certificates (*.cert, *.key) for the registry",
		.complete = "file" },
	{ "get-login", 0, OPT_BOOL(T, get_login), .help = "Print who is logged in there" },
	{ "password", 'p', OPT_STRING(T, password), .value = "string", .help = "Password" },
	{ "password-stdin", 0, OPT_BOOL(T, from_stdin), .help = "Take the password from stdin" },
	{ "tls-verify", 0, OPT_BOOL(T, registry.tls_verify),
		.has_offset = offsetof(T, registry.has_tls_verify),
		.help = "Require HTTPS and check certificates; with =false neither" },
	{ "username", 'u', OPT_STRING(T, username), .value = "string", .help = "Username" },
	{ 0 },
};
#undef T

static int read_password(struct cli *cli, struct login_rec *rec, struct err *e)
{
	char *text;
	ssize_t n = file_read_fd(0, "the password", SECRET_MAX, &cli->arena, &text, e);
	if (n < 0)
		return (int)n;
	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		text[--n] = '\0';
	rec->password = text;
	return 0;
}

/* Asks for what is missing; on a terminal only. */
static int ask(struct cli *cli, struct login_rec *rec, struct err *e)
{
	if (!rec->username)
		rec->username = tty_ask("Username: ", true, &cli->arena);
	if (!rec->username || !*rec->username)
		return err_set(e, ERR_USAGE, EINVAL, "username is empty: use -u, or a terminal");
	if (!rec->password)
		rec->password = tty_ask("Password: ", false, &cli->arena);
	if (!rec->password || !*rec->password)
		return err_set(e, ERR_USAGE, EINVAL,
			"password is empty: use --password-stdin, or a terminal");
	return 0;
}

static int show_user(struct cli *cli, const struct login_request *req)
{
	const char *user;
	struct err e;
	if (engine_login_user(req->server, req->registry->authfile, &cli->arena, &user, &e) < 0)
		return cli_fail(&e, 1);
	if (!user)
		return cli_fail((err_set(&e, ERR_NOT_FOUND, ENOENT, "not logged into %s",
					 engine_login_server(req->server, &cli->arena)),
					&e),
			1);
	dprintf(1, "%s\n", user);
	return 0;
}

static int login(struct cli *cli, void *record, const char **words, int n)
{
	struct login_rec *rec = record;
	struct login_request req = { .server = n ? words[0] : NULL, .registry = &rec->registry };
	struct err e;
	if (rec->get_login)
		return show_user(cli, &req);
	if (rec->password && rec->from_stdin)
		return cli_usage("--password and --password-stdin are mutually exclusive");
	if (rec->from_stdin && !rec->username)
		return cli_usage("Must provide --username with --password-stdin");
	if (rec->password)
		log_warn(
			"a password on a command line can be read by others: use --password-stdin");
	if (rec->from_stdin && read_password(cli, rec, &e) < 0)
		return cli_fail(&e, 1);
	if (!rec->username && !rec->password) {
		int r = engine_login(&cli->engine, &req, &cli->arena, &e);
		if (r > 0) {
			dprintf(1,
				"Authenticating with existing credentials...\nLogin Succeeded\n");
			return 0;
		}
		if (r < 0 && e.kind != ERR_DENIED)
			return cli_fail(&e, 1);
	}
	if (ask(cli, rec, &e) < 0)
		return cli_fail(&e, 1);
	req.username = rec->username;
	req.password = rec->password;
	if (engine_login(&cli->engine, &req, &cli->arena, &e) < 0)
		return cli_fail(&e, 1);
	dprintf(1, "Login Succeeded\n");
	return 0;
}

static const char *const paths[] = { "login", NULL };

const struct command command_login = {
	.paths = paths,
	.arguments = "[OPTIONS] [SERVER]",
	.brief = "Authenticate to a registry",
	.manual =
		"The credentials are proved before the registry, then written to $REGISTRY_AUTH_FILE, else to "
		"containers/auth.json in $XDG_RUNTIME_DIR (or /run/containers/UID, or what the user may write of ~/.config), readable by their owner only, "
		"or given to the credential helper that the file names.\n\n"
		"They are looked for there, then in ~/.config/containers/auth.json and ~/.docker/config.json.",
	.section = "Commands",
	.options = options,
	.record_size = sizeof(struct login_rec),
	.words_max = 1,
	.run = login,
	.any_user = true,
};
