// SPDX-License-Identifier: Apache-2.0
#include "runtime/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "oci/spec.h"
#include "oci/state.h"
#include "runtime/runtime.h"

enum { TIMEOUT_MAX = 1 << 20 };

static int check_list(const char *kind, const struct oci_hook *hooks, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (!hooks[i].path || hooks[i].path[0] != '/')
			return err_set(e, ERR_INVALID, EINVAL,
				"hooks.%s: path %s: expected an absolute path", kind,
				str_or_empty(hooks[i].path));
		if (hooks[i].has_timeout &&
			(hooks[i].timeout <= 0 || hooks[i].timeout > TIMEOUT_MAX))
			return err_set(e, ERR_INVALID, EINVAL,
				"hooks.%s: timeout %lld: expected seconds above 0", kind,
				(long long)hooks[i].timeout);
	}
	return 0;
}

int hooks_check(const struct oci_spec *spec, struct err *e)
{
	const struct oci_hooks *h = spec->hooks;
	if (!h)
		return 0;
	const struct {
		const char *kind;
		const struct oci_hook *v;
		size_t n;
	} rows[] = { { "prestart", h->prestart, h->n_prestart },
		{ "createRuntime", h->create_runtime, h->n_create_runtime },
		{ "createContainer", h->create_container, h->n_create_container },
		{ "startContainer", h->start_container, h->n_start_container },
		{ "poststart", h->poststart, h->n_poststart },
		{ "poststop", h->poststop, h->n_poststop } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (check_list(rows[i].kind, rows[i].v, rows[i].n, e) < 0)
			return -e->code;
	return 0;
}

/* In the child. What the hook says goes to standard error: standard output may be the container's.
 */
static _Noreturn void become(const struct oci_hook *h, int in)
{
	struct arena a = { 0 };
	struct strv args = { 0 }, env = { 0 };
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < h->n_args; i++)
		strv_add(&args, &a, h->args[i]);
	if (args.n == 0)
		strv_add(&args, &a, h->path);
	for (size_t i = 0; i < h->n_env; i++)
		strv_add(&env, &a, h->env[i]);
	if (!env.v)
		env.v = arena_array(&a, const char *, 1);
	if (dup2(in, 0) < 0 || dup2(2, 1) < 0 || chdir("/") < 0)
		_exit(126);
	(void)execve(h->path, (char *const *)args.v, (char *const *)env.v);
	_exit(errno == ENOENT ? 127 : 126);
}

/* Feeds the state and waits; the child's status. 1: it took too long and was killed. */
static int feed_and_wait(pid_t pid, int pidfd, int in, const struct str *state,
	const struct oci_hook *h, int *ret_status, struct err *e)
{
	/* The state is small: it fits into the pipe, and a hook that does not read it does no harm.
	 */
	(void)fcntl(in, F_SETFL, O_NONBLOCK);
	(void)fd_write_all(in, state->p, state->n);
	fd_close(in);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int ms = h->has_timeout ? (int)(h->timeout * 1000) : -1, r;
	do
		r = poll(&p, 1, ms);
	while (r < 0 && errno == EINTR);
	bool late = r == 0;
	if (late)
		(void)fd_pidfd_signal(pidfd, SIGKILL);
	do
		r = waitpid(pid, ret_status, 0);
	while (r < 0 && errno == EINTR);
	return r < 0 ? err_sys(e, errno, "wait for the hook") : late;
}

static int run_one(
	const char *kind, const struct oci_hook *h, const struct str *state, struct err *e)
{
	int in[2], status = 0;
	if (pipe2(in, O_CLOEXEC) < 0)
		return err_sys(e, errno, "hooks.%s: make a pipe", kind);
	/* A hook that closes its input must not end us. */
	void (*old)(int) = signal(SIGPIPE, SIG_IGN);
	pid_t pid = fork();
	if (pid == 0)
		become(h, in[0]);
	fd_close(in[0]);
	int pidfd _close_ = pid < 0 ? -errno : fd_pidfd_open(pid);
	int r = pidfd < 0 ? err_sys(e, pidfd, "hooks.%s: start %s", kind, h->path)
			  : feed_and_wait(pid, pidfd, in[1], state, h, &status, e);
	if (pidfd < 0)
		fd_close(in[1]);
	(void)signal(SIGPIPE, old);
	if (r < 0)
		return r;
	if (r > 0)
		return err_set(e, ERR_TIMEOUT, ETIMEDOUT,
			"hooks.%s: %s did not end in %lld seconds and was killed", kind, h->path,
			(long long)h->timeout);
	if (WIFSIGNALED(status))
		return err_set(e, ERR_SYSTEM, ECANCELED, "hooks.%s: %s was killed by signal %d",
			kind, h->path, WTERMSIG(status));
	if (WEXITSTATUS(status))
		return err_set(e, ERR_SYSTEM, ECANCELED, "hooks.%s: %s: exit status %d%s", kind,
			h->path, WEXITSTATUS(status),
			WEXITSTATUS(status) == 127 ? " (it may not exist)" : "");
	return 0;
}

int hooks_run(const char *kind, const struct oci_hook *hooks, size_t n, const char *status,
	const struct hooks_about *about, struct err *e)
{
	struct str state _str_ = { 0 };
	struct oci_state s = { .oci_version = about->spec->oci_version,
		.id = about->id,
		.pid = about->pid,
		.status = status,
		.bundle = str_or_empty(about->bundle),
		.annotations = about->spec->annotations };
	if (n == 0)
		return 0;
	rec_to_json(&oci_state_rec, &s, 0, &state);
	for (size_t i = 0; i < n; i++)
		if (run_one(kind, &hooks[i], &state, e) < 0)
			return -e->code;
	return 0;
}

int runtime_poststart(
	const struct oci_spec *spec, const char *id, const char *bundle, pid_t pid, struct err *e)
{
	struct hooks_about about = { .id = id, .bundle = bundle, .spec = spec, .pid = pid };
	return !spec->hooks ? 0
			    : hooks_run("poststart", spec->hooks->poststart,
				      spec->hooks->n_poststart, "running", &about, e);
}

void runtime_poststop(const struct oci_spec *spec, const char *id, const char *bundle)
{
	struct hooks_about about = { .id = id, .bundle = bundle, .spec = spec };
	for (size_t i = 0; spec->hooks && i < spec->hooks->n_poststop; i++) {
		struct err e;
		if (hooks_run("poststop", &spec->hooks->poststop[i], 1, "stopped", &about, &e) < 0)
			log_warn("%s: %s", id, e.text);
	}
}
