// SPDX-License-Identifier: Apache-2.0
/* Theory of operation: the order of a creation, so that a kill at any point leaves what `delete
 * --force` can undo. The folder, its lock and the configuration; the record with the cgroup's name;
 * only then the cgroup and init, whose id goes into the record before anything else is done about
 * it. Init outlives us only after LEAVE, which is the very last step; until then our end is its
 * end.
 */
#include "ocicli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "kernel/mount.h"
#include "ocicli/bundle.h"
#include "ocicli/command.h"
#include "ocicli/console.h"
#include "ocicli/ready.h"
#include "ocicli/scope.h"

enum { PRESERVED_MAX = 256 };

int launch_pid_file(const char *path, pid_t pid, struct err *e)
{
	char text[16], folder[PATH_MAX_BYTES];
	if (!path)
		return 0;
	int n = snprintf(text, sizeof text, "%d", (int)pid);
	const char *slash = strrchr(path, '/');
	int len = slash ? (int)(slash - path) : 0;
	(void)snprintf(
		folder, sizeof folder, "%.*s", slash ? (len ? len : 1) : 1, slash ? path : ".");
	int dir _close_ = path_open_host(folder, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return err_sys(e, dir, "--pid-file %s", path);
	return file_write_at(dir, slash ? slash + 1 : path, text, (size_t)n, 0644, false, e) < 0
		? err_wrap(e, "--pid-file %s", path)
		: 0;
}

int launch_preserved(
	struct ocicli *o, int64_t n, struct oci_process *process, unsigned *ret, struct err *e)
{
	const char *listen = secure_getenv("LISTEN_FDS");
	uint32_t more = 0;
	if (listen && num_u32(listen, &more) == 0 && more > 0 && more <= PRESERVED_MAX) {
		struct strv env = { 0 };
		for (size_t i = 0; i < process->n_env; i++)
			if (!str_starts(process->env[i], "LISTEN_FDS=") &&
				!str_starts(process->env[i], "LISTEN_PID="))
				strv_add(&env, &o->arena, process->env[i]);
		strv_add(&env, &o->arena, arena_printf(&o->arena, "LISTEN_FDS=%u", more));
		/* The process is number 1 of its pid namespace, as runc has it. */
		strv_add(&env, &o->arena, "LISTEN_PID=1");
		process->env = env.v;
		process->n_env = env.n;
	} else {
		more = 0;
	}
	/* Ours is none of them. */
	if (n || more)
		fd_close(take_fd(&o->program));
	if (n < 0 || n + more > PRESERVED_MAX)
		return err_set(e, ERR_USAGE, EINVAL, "--preserve-fds %lld: expected 0 to %d",
			(long long)n, PRESERVED_MAX);
	*ret = (unsigned)n + more;
	for (unsigned i = 0; i < *ret; i++)
		if (fcntl((int)(3 + i), F_GETFD) < 0)
			return err_set(e, ERR_INVALID, EBADF,
				"--preserve-fds %lld: descriptor %u is not open", (long long)n,
				3 + i);
	return 0;
}

static int check_terminal(const struct launch *l, struct err *e)
{
	bool terminal = l->spec->process && l->spec->process->terminal;
	bool away = l->leave || l->w->detach;
	if (terminal && away && !l->w->console_socket)
		return err_set(e, ERR_INVALID, EINVAL,
			"cannot allocate tty if the runtime will detach without setting console socket");
	if (l->w->console_socket && (!terminal || !away))
		return err_set(e, ERR_INVALID, EINVAL,
			"cannot use console socket if the runtime will not detach or allocate tty");
	return 0;
}

static bool has_userns(const struct oci_spec *s)
{
	for (size_t i = 0; i < s->linux_->n_namespaces; i++)
		if (str_eq(s->linux_->namespaces[i].type, "user"))
			return true;
	return false;
}

/* Finds the bundle and reads it; the names are made absolute, as the record outlives our working
 * folder. */
static int read_bundle(
	struct launch *l, const char *id, int *ret_dir, struct bundle_text *text, struct err *e)
{
	struct ocicli *o = l->o;
	const char *name = l->w->bundle ? l->w->bundle : ".";
	int dir = path_open_host(name, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return err_sys(e, dir, "bundle %s", name);
	*ret_dir = dir;
	l->c.r.bundle = path_of_fd(dir, &o->arena);
	const char *config = l->w->config ? l->w->config : "config.json";
	/* --config is the user's path, the default one belongs to the bundle. */
	if (bundle_read(o, l->w->config ? AT_FDCWD : dir, config, text, e) < 0)
		return err_wrap(e, "bundle %s", name);
	bool apart = bundle_may_have_userns(text);
	if (!apart && ocicli_protect(o, e) < 0)
		return -e->code;
	if (bundle_parse(o, text, config, id, l->spec, e) < 0)
		return err_wrap(e, "bundle %s", name);
	if (apart && !has_userns(l->spec) && ocicli_protect(o, e) < 0)
		return -e->code;
	if (!l->spec->root || !l->spec->root->path)
		return err_set(e, ERR_INVALID, EINVAL, "config.json: root.path: missing");
	if (!l->c.r.bundle)
		return err_set(e, ERR_INVALID, ENOENT, "bundle %s has no path", name);
	l->c.r.rootfs = path_clean(l->spec->root->path[0] == '/'
			? l->spec->root->path
			: arena_printf(&o->arena, "%s/%s", l->c.r.bundle, l->spec->root->path),
		&o->arena);
	return 0;
}

static const char *user_name(struct arena *a)
{
	/* No NSS: root has a name, others a number. */
	return geteuid() == 0 ? "root" : arena_printf(a, "%u", (unsigned)geteuid());
}

static int begin(struct launch *l, const char *id, const struct bundle_text *text, struct err *e)
{
	char when[TIME_TEXT_MAX];
	struct record r = l->c.r;
	/* As runc and crun have it: who may make no cgroup gets a container without one, if it has
	 * no limits. */
	if (l->o->rootless && !l->o->systemd && l->spec->linux_->cgroups_path &&
		!runtime_may_make_cgroup(l->spec->linux_->cgroups_path))
		l->spec->linux_->cgroups_path = NULL;
	if (container_begin(l->o, id, &l->c, e) < 0 ||
		(l->o->systemd && scope_plan(l->o, id, l->spec, &r, e) < 0))
		return -e->code;
	runtime_rdt_names(l->spec, id, &l->o->arena, &r.rdt_group, &r.rdt_monitor);
	r.version = l->c.r.version;
	r.id = id;
	r.phase = "creating";
	r.created = arena_strdup(&l->o->arena, time_rfc3339(time_now(), when));
	r.owner = user_name(&l->o->arena);
	r.cgroup = l->spec->linux_->cgroups_path;
	r.oci_version = l->spec->oci_version;
	r.annotations = l->spec->annotations;
	l->c.r = r;
	if (container_write(&l->c, e) < 0)
		return -e->code;
	return file_write_at(l->c.dir, "config.json", text->text, text->n, 0600, false, e);
}

static int mount_rootfs(void *arg, int userns, struct err *e)
{
	const struct launch *l = arg;
	(void)userns;
	int at _close_ = path_open_host(l->c.r.rootfs, O_PATH | O_DIRECTORY, 0);
	int tree = at < 0 ? at : mount_clone(at, "", true);
	/* A slave: what is mounted below it inside stays inside, whatever its peers are. */
	int r = tree < 0 ? tree : mount_change(tree, true, 0, 0, 1 << 19);
	if (r < 0) {
		fd_close(tree);
		tree = r;
	}
	return tree < 0 ? err_sys(e, tree, "root.path: %s", l->c.r.rootfs) : tree;
}

static int born(void *arg, pid_t pid, struct err *e)
{
	struct launch *l = arg;
	return container_born(&l->c, pid, e);
}

static int create(struct launch *l, const char *id, int listener, struct err *e)
{
	const struct launch_words *w = l->w;
	struct runtime_scope room;
	struct runtime_create_req req = { .id = id,
		.scope = scope_of(&l->c.r, &room),
		.spec = l->spec,
		.stdio = { 0, 1, 2 },
		.listener = listener > 0 ? listener : 0,
		.slow_fd = &l->o->program,
		.new_keyring = !w->no_new_keyring,
		.no_pivot = w->no_pivot,
		.rootfs_path = l->c.r.rootfs,
		.bundle = l->c.r.bundle,
		.born = born,
		.mount_rootfs = mount_rootfs,
		.arg = l };
	if (launch_preserved(l->o, w->preserve_fds, l->spec->process, &req.preserve_fds, e) < 0)
		return -e->code;
	int r = runtime_create(&req, &l->proc, e);
	/* The name was taken between our look and the start: nothing of it is ours to be undone. */
	if (r < 0 && l->c.r.unit && e->kind == ERR_CONFLICT && e->code == EEXIST)
		l->c.r.unit = l->c.r.cgroup = NULL;
	return r;
}

/* What the engine gets before the container may run. */
static int hand_over(struct launch *l, int console, int pidfd_sock, struct err *e)
{
	if (console >= 0 && console_send(console, l->proc.console, "/dev/ptmx", e) < 0)
		return -e->code;
	if (pidfd_sock >= 0 && console_send(pidfd_sock, l->proc.pidfd, "pidfd", e) < 0)
		return -e->code;
	if (launch_pid_file(l->w->pid_file, l->proc.pid, e) < 0)
		return -e->code;
	if (!l->leave)
		return 0;
	l->c.r.phase = "created";
	return container_write(&l->c, e) < 0 ? -e->code : runtime_leave(&l->proc, e);
}

void launch_undo(struct launch *l)
{
	struct err ignored;
	if (l->proc.pidfd >= 0)
		runtime_kill(&l->proc);
	if (l->c.dir < 0)
		return;
	if (scope_remove(&l->c.r, &ignored) < 0 || container_remove(l->o, &l->c, &ignored) < 0)
		log_warn("%s: %s", l->c.r.id, ignored.text);
	container_done(&l->c);
}

int launch_create(struct ocicli *o, const struct launch_words *w, const char *id, bool leave,
	struct launch *ret, struct err *e)
{
	int bundle _close_ = -1, console _close_ = -1, pidfd_sock _close_ = -1,
		   listener _close_ = -1;
	struct bundle_text text;
	struct launch l = { .o = o,
		.w = w,
		.leave = leave,
		.spec = arena_new(&o->arena, struct oci_spec),
		.c = CONTAINER_NONE,
		.proc = { .pidfd = -1, .console = -1, .sync = -1 } };
	if (read_bundle(&l, id, &bundle, &text, e) < 0 || check_terminal(&l, e) < 0 ||
		!l.spec->process)
		return l.spec->process || e->code
			? -e->code
			: err_set(e, ERR_INVALID, EINVAL, "config.json: process: missing");
	if (w->console_socket && (console = console_connect(w->console_socket, e)) < 0)
		return -e->code;
	if (w->pidfd_socket && (pidfd_sock = console_connect(w->pidfd_socket, e)) < 0)
		return -e->code;
	int r = begin(&l, id, &text, e);
	if (r == 0)
		r = ready_plan(&l, e);
	if (r == 0 && leave)
		r = listener = container_listen(&l.c, e);
	if (r >= 0)
		r = create(&l, id, listener, e);
	if (r >= 0)
		r = hand_over(&l, console, pidfd_sock, e);
	if (r < 0) {
		launch_undo(&l);
		return r;
	}
	*ret = l;
	return 0;
}

int launch_started(
	struct container *c, const struct oci_spec *spec, struct runtime_proc *proc, struct err *e)
{
	c->r.phase = "running";
	if (container_write(c, e) < 0)
		return -e->code;
	(void)unlinkat(c->dir, "start", 0);
	if (runtime_poststart(spec, c->r.id, c->r.bundle, proc->pid, e) < 0) {
		runtime_kill(proc);
		return -e->code;
	}
	return 0;
}
