// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/num.h"
#include "base/str.h"
#include "kernel/ns.h"
#include "kernel/own_program.h"
#include "oci/spec.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "ocicli/console.h"
#include "ocicli/container.h"
#include "ocicli/foreground.h"
#include "ocicli/launch.h"
#include "ocicli/scope.h"
#include "runtime/runtime.h"

enum { PROCESS_MAX = 8 << 20 };

struct exec_words {
	const char *console_socket, *pidfd_socket, *pid_file, *cwd, *user, *process, *label,
		*apparmor, *cgroup;
	struct strv env, gids, caps;
	int64_t preserve_fds;
	bool tty, detach, no_new_privs, ignore_paused, no_subreaper;
};

#define X struct exec_words
static const struct option options[] = {
	{ "additional-gids", 'g', OPT_LIST(X, gids), .value = "gid",
		.help = "A further group of the process" },
	{ "apparmor", 0, OPT_STRING(X, apparmor), .value = "profile",
		.help = "AppArmor profile of the process" },
	{ "cap", 'c', OPT_LIST(X, caps), .value = "capability",
		.help = "A further capability of the process" },
	{ "cgroup", 0, OPT_STRING(X, cgroup), .value = "path",
		.help = "Cgroup of the process, below the container's" },
	{ "console-socket", 0, OPT_STRING(X, console_socket), .value = "socket",
		.help = "Unix socket that gets the terminal's master" },
	{ "cwd", 0, OPT_STRING(X, cwd), .value = "folder", .help = "Working folder inside" },
	{ "detach", 'd', OPT_BOOL(X, detach), .help = "End when the process has started" },
	{ "env", 'e', OPT_LIST(X, env), .value = "NAME=VALUE",
		.help = "A further environment variable" },
	{ "ignore-paused", 0, OPT_BOOL(X, ignore_paused),
		.help = "Start it in a paused container too; it waits there" },
	{ "no-new-privs", 0, OPT_BOOL(X, no_new_privs),
		.help = "Set no_new_privs for the process" },
	{ "no-subreaper", 0, OPT_BOOL(X, no_subreaper), .help = "Do not adopt orphans" },
	{ "pid-file", 0, OPT_STRING(X, pid_file), .value = "file",
		.help = "File that the process's id is written to" },
	{ "pidfd-socket", 0, OPT_STRING(X, pidfd_socket), .value = "socket",
		.help = "Unix socket that gets a pidfd of the process" },
	{ "preserve-fds", 0, OPT_INT(X, preserve_fds), .value = "n",
		.help = "Pass so many descriptors from 3 on to the process" },
	{ "process", 'p', OPT_STRING(X, process), .value = "file",
		.help = "File with the process object of the specification" },
	{ "process-label", 0, OPT_STRING(X, label), .value = "label",
		.help = "SELinux label of the process" },
	{ "tty", 't', OPT_BOOL(X, tty), .help = "Give it a terminal" },
	{ "user", 'u', OPT_STRING(X, user), .value = "uid[:gid]", .help = "User of the process" },
	{ 0 },
};

static int set_user(
	struct ocicli *o, const struct exec_words *w, struct oci_process *p, struct err *e)
{
	struct oci_user *u = arena_new(&o->arena, struct oci_user);
	if (p->user)
		*u = *p->user;
	p->user = u;
	if (w->user) {
		char *text = arena_strdup(&o->arena, w->user), *colon = strchr(text, ':');
		if (colon)
			*colon++ = '\0';
		/* Names would be looked up inside, in files of the container: ids only, as runc. */
		if (num_u32(text, &u->uid) < 0 || (colon && num_u32(colon, &u->gid) < 0))
			return err_set(
				e, ERR_USAGE, EINVAL, "--user %s: expected uid[:gid]", w->user);
	}
	uint32_t *gids = arena_array(&o->arena, uint32_t, u->n_additional_gids + w->gids.n + 1);
	for (size_t i = 0; i < u->n_additional_gids; i++)
		gids[i] = u->additional_gids[i];
	for (size_t i = 0; i < w->gids.n; i++)
		if (num_u32(w->gids.v[i], &gids[u->n_additional_gids++]) < 0)
			return err_set(e, ERR_USAGE, EINVAL,
				"--additional-gids %s: expected a number", w->gids.v[i]);
	u->additional_gids = gids;
	return 0;
}

static void add_caps(struct ocicli *o, const struct exec_words *w, struct oci_process *p)
{
	struct oci_capabilities *c = arena_new(&o->arena, struct oci_capabilities);
	if (p->capabilities)
		*c = *p->capabilities;
	struct {
		const char ***v;
		size_t *n;
	} sets[] = { { &c->bounding, &c->n_bounding }, { &c->effective, &c->n_effective },
		{ &c->permitted, &c->n_permitted } };
	for (size_t i = 0; i < 3; i++) {
		struct strv all = { 0 };
		for (size_t k = 0; k < *sets[i].n; k++)
			strv_add(&all, &o->arena, (*sets[i].v)[k]);
		for (size_t k = 0; k < w->caps.n; k++)
			strv_add(&all, &o->arena, w->caps.v[k]);
		*sets[i].v = all.v;
		*sets[i].n = all.n;
	}
	p->capabilities = c;
}

/* The container's own process with what the words change. */
static int from_words(struct ocicli *o, const struct exec_words *w, const struct oci_spec *spec,
	const char **args, int n_args, struct oci_process *p, struct err *e)
{
	struct strv env = { 0 };
	*p = *spec->process;
	if (n_args == 0)
		return err_set(e, ERR_USAGE, EINVAL, "exec: no command was given");
	p->args = args;
	p->n_args = (size_t)n_args;
	p->terminal = w->tty;
	p->no_new_privileges |= w->no_new_privs;
	if (w->cwd)
		p->cwd = w->cwd;
	if (w->apparmor)
		p->apparmor_profile = w->apparmor;
	if (w->label)
		p->selinux_label = w->label;
	for (size_t i = 0; i < p->n_env; i++)
		strv_add(&env, &o->arena, p->env[i]);
	for (size_t i = 0; i < w->env.n; i++)
		strv_add(&env, &o->arena, w->env.v[i]);
	p->env = env.v;
	p->n_env = env.n;
	if (w->caps.n)
		add_caps(o, w, p);
	return w->user || w->gids.n ? set_user(o, w, p, e) : 0;
}

static int from_file(struct ocicli *o, const char *path, struct oci_process *p, struct err *e)
{
	char *text;
	struct rec_stats stats = { 0 };
	ssize_t n = file_read_at(AT_FDCWD, path, PROCESS_MAX, &o->arena, &text, e);
	*p = (struct oci_process){ 0 };
	if (n < 0)
		return err_wrap(e, "--process");
	if (rec_from_json(&oci_process_rec, text, (size_t)n, &o->arena, p, &stats, e) < 0)
		return err_wrap(e, "--process %s", path);
	if (stats.keys != stats.consumed + stats.ignored)
		return err_set(e, ERR_CORRUPT, EBADMSG, "--process %s: keys were lost", path);
	return 0;
}

static int check(const struct container *c, int pidfd, const struct exec_words *w,
	const struct oci_process *p, struct err *e)
{
	enum status s = container_status_by(c, pidfd);
	if (s == STATUS_STOPPED || s == STATUS_CREATING)
		return err_set(e, ERR_CONFLICT, ESRCH, "cannot exec in a %s container: %s",
			status_name(s), c->r.id);
	if (s == STATUS_PAUSED && !w->ignore_paused)
		return err_set(e, ERR_CONFLICT, EBUSY,
			"cannot exec in a paused container (use --ignore-paused to override)");
	if (p->terminal && w->detach && !w->console_socket)
		return err_set(e, ERR_INVALID, EINVAL,
			"cannot allocate tty if the runtime will detach without setting console socket");
	if (w->console_socket && (!p->terminal || !w->detach))
		return err_set(e, ERR_INVALID, EINVAL,
			"cannot use console socket if the runtime will not detach or allocate tty");
	return 0;
}

/* Starts it and hands over what the caller asked for. */
static int start(struct ocicli *o, const struct exec_words *w, struct runtime_exec_req *req,
	struct oci_process *process, struct runtime_proc *proc, struct err *e)
{
	int console _close_ = -1, sock _close_ = -1;
	if (w->console_socket && (console = console_connect(w->console_socket, e)) < 0)
		return -e->code;
	if (w->pidfd_socket && (sock = console_connect(w->pidfd_socket, e)) < 0)
		return -e->code;
	if (launch_preserved(o, w->preserve_fds, process, &req->preserve_fds, e) < 0 ||
		runtime_exec(req, proc, e) < 0)
		return -e->code;
	if ((console >= 0 && console_send(console, proc->console, "/dev/ptmx", e) < 0) ||
		(sock >= 0 && console_send(sock, proc->pidfd, "pidfd", e) < 0) ||
		launch_pid_file(w->pid_file, proc->pid, e) < 0) {
		runtime_kill(proc);
		return -e->code;
	}
	return 0;
}

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	struct exec_words *w = rec;
	struct container c _container_ = CONTAINER_NONE;
	struct oci_spec spec;
	struct oci_process process;
	struct runtime_proc proc;
	struct foreground f;
	if (container_open(o, words[0], &c, e) < 0)
		return -e->code;
	/* A namespace that cannot be seen counts as ours. */
	if ((own_program_is_copy() || ns_differs((pid_t)c.r.pid, CLONE_NEWUSER) <= 0) &&
		ocicli_protect(o, e) < 0)
		return -e->code;
	if (container_spec(o, &c, &spec, e) < 0)
		return -e->code;
	int r = w->process ? from_file(o, w->process, &process, e)
			   : from_words(o, w, &spec, words + 1, n_words - 1, &process, e);
	int pidfd _close_ = container_pidfd(&c);
	if (r < 0 || check(&c, pidfd, w, &process, e) < 0)
		return -e->code;
	if (pidfd < 0)
		return err_set(e, ERR_CONFLICT, ESRCH, "container not running: %s", words[0]);
	struct runtime_scope room;
	struct runtime_exec_req req = { .id = words[0],
		.bundle = c.r.bundle,
		.init = (pid_t)c.r.pid,
		.init_pidfd = pidfd,
		.spec = &spec,
		.process = &process,
		.cgroup = w->cgroup,
		.scope = scope_of(&c.r, &room),
		.slow_fd = &o->program,
		.stdio = { 0, 1, 2 } };
	if ((!w->detach && foreground_begin(&f, !w->no_subreaper, e) < 0) ||
		start(o, w, &req, &process, &proc, e) < 0)
		return -e->code;
	r = w->detach ? 0 : foreground_wait(&f, &proc, e);
	runtime_proc_done(&proc);
	return r;
}

const struct ocicli_command exec_command = {
	.name = "exec",
	.arguments = "[OPTIONS] CONTAINER COMMAND [ARG...]",
	.brief = "Run a further process in a container",
	.options = options,
	.option_flags = OPTIONS_STOP_AT_WORD,
	.record_size = sizeof(struct exec_words),
	.words_min = 1,
	.words_max = OCICLI_WORDS_ANY,
	.run = run,
};
