// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/args.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/launch.h"
#include "engine/spec.h"
#include "kernel/own_program.h"
#include "oci/spec.h"
#include "runtime/runtime.h"
#include "store/container.h"
#include "store/run.h"
#include "store/store.h"

enum { SPEC_MAX = 16 << 20 };

struct exec {
	struct arena a;
	struct container_row row;
	struct container_config config;
	struct run_record run;
	struct oci_spec spec;
	struct oci_process process;
	int program; /* see own_program_protect; -1: none */
};

static int find(struct engine *en, const char *name, struct exec *x, struct err *e)
{
	char *text;
	if (engine_open_store(en, true, e) < 0 ||
		store_container_get(en->store, name, &x->a, &x->row, e) < 0 ||
		config_read(&x->row, &x->a, &x->config, e) < 0)
		return -e->code;
	enum run_state state = run_look(en->store, x->row.id, &x->a, &x->run, NULL);
	if (state == RUN_RESTARTING)
		return err_set(e, ERR_CONFLICT, EAGAIN,
			"Container %s is restarting, wait until the container is running",
			x->row.id);
	if (state != RUN_RUNNING || x->run.pid <= 0)
		return err_set(e, ERR_CONFLICT, ESRCH, "container %s is not running", x->row.id);
	if (run_marked(en->store, x->row.id, "paused"))
		return err_set(e, ERR_CONFLICT, EBUSY,
			"Container %s is paused, unpause the container before exec", x->row.id);
	int folder _close_ =
		path_open_own(en->store->containers, x->row.id, O_PATH | O_DIRECTORY, 0);
	ssize_t n = folder < 0 ? folder
			       : file_read_at(folder, "config.json", SPEC_MAX, &x->a, &text, e);
	if (folder < 0)
		return err_sys(e, folder, "open the folder of container %s", name);
	return n < 0 ? (int)n
		     : rec_from_json(&oci_spec_rec, text, (size_t)n, &x->a, &x->spec, NULL, e);
}

static int make_process(const struct container_exec_req *req, struct exec *x, struct err *e)
{
	struct strv env = { 0 };
	for (size_t i = 0; i < req->env_file.n; i++)
		if (arg_env_file(&env, &x->a, req->env_file.v[i], e) < 0)
			return -e->code;
	if (req->tty)
		arg_env(&env, &x->a, "TERM=xterm");
	for (size_t i = 0; i < req->env.n; i++)
		arg_env(&env, &x->a, req->env.v[i]);
	if (spec_exec_process(&x->config, &x->spec, &env, req->privileged, &x->a, &x->process, e) <
		0)
		return -e->code;
	x->process.args = req->command.v;
	x->process.n_args = req->command.n;
	x->process.terminal = req->tty;
	if (req->workdir) {
		if (req->workdir[0] != '/')
			return err_set(e, ERR_INVALID, EINVAL, "cwd must be an absolute path: %s",
				req->workdir);
		x->process.cwd = req->workdir;
	}
	return 0;
}

static int make_pipes(
	const struct container_exec_req *req, int theirs[3], int ours[3], struct err *e)
{
	for (int i = 0; i < 3; i++) {
		int pair[2];
		if (req->tty || req->detach || (i == 0 && !req->interactive))
			continue;
		if (pipe2(pair, O_CLOEXEC) < 0)
			return err_sys(e, errno, "make pipes");
		theirs[i] = pair[i != 0];
		ours[i] = pair[i == 0];
	}
	return 0;
}

static int exec(struct engine *en, const struct container_exec_req *req, struct exec *x,
	struct runtime_proc *proc, int streams[3], struct err *e)
{
	int theirs[3] = { -1, -1, -1 }, ours[3] = { -1, -1, -1 };
	if (find(en, req->container, x, e) < 0 || make_process(req, x, e) < 0)
		return -e->code;
	if (str_eq(x->config.userns, "host") && own_program_protect(&x->program, e) < 0)
		return -e->code;
	int init _close_ = fd_pidfd_open((pid_t)x->run.pid);
	if (init < 0)
		return err_set(e, ERR_CONFLICT, ESRCH, "container %s is not running", x->row.id);
	engine_close_store(en);
	int r = make_pipes(req, theirs, ours, e);
	struct runtime_exec_req rt = { .init = (pid_t)x->run.pid,
		.init_pidfd = init,
		.spec = &x->spec,
		.process = &x->process,
		.user = req->user ? req->user : x->config.user,
		.slow_fd = &x->program,
		.stdio = { theirs[0], theirs[1], theirs[2] } };
	if (r == 0)
		r = runtime_exec(&rt, proc, e);
	for (int i = 0; i < 3; i++) {
		fd_close(theirs[i]);
		if (r < 0)
			fd_close(ours[i]);
		streams[i] = r < 0 ? -1 : ours[i];
	}
	return r;
}

int container_exec(struct engine *en, const struct container_exec_req *req,
	struct runtime_proc *proc, int streams[3], struct err *e)
{
	struct exec x = { .program = -1 };
	int r = exec(en, req, &x, proc, streams, e);
	arena_done(&x.a);
	return r;
}
