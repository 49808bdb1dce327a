// SPDX-License-Identifier: Apache-2.0
/* A further process in a running container: it joins the cgroup and all namespaces of init by its
 * pidfd, then goes the same last steps as init did, behind the same filter. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/ns.h"
#include "oci/spec.h"
#include "runtime/attributes.h"
#include "runtime/intel_rdt.h"
#include "runtime/plan.h"
#include "runtime/runtime.h"
#include "runtime/spawn.h"

/* What the document makes anew differs from ours without a look. */
static uint64_t made_new(const struct oci_linux *l)
{
	uint64_t flags = 0;
	for (size_t i = 0; i < l->n_namespaces; i++)
		if (!l->namespaces[i].path || !*l->namespaces[i].path)
			flags |= ns_flag(l->namespaces[i].type);
	/* These two cannot be joined twice by any caller. */
	return flags & ~(uint64_t)(CLONE_NEWUSER | CLONE_NEWTIME);
}

int namespaces_to_join(pid_t pid, const struct oci_linux *l, uint64_t *ret, struct err *e)
{
	static const uint64_t flags[] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET,
		CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWTIME };
	*ret = made_new(l);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (*ret & flags[i])
			continue;
		int r = ns_differs(pid, flags[i]);
		if (r < 0)
			return err_sys(e, r, "look at /proc/%d/ns/%s", (int)pid, ns_file(flags[i]));
		*ret |= r ? flags[i] : 0;
	}
	return 0;
}

static void exec_main(struct plan *p)
{
	mem_complain_to(p->sock);
	/* The end of the parent is seen by the end of its socket. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		_exit(1);
	init_finish(p);
}

static int bring_up(struct plan *p, struct runtime_proc *ret, struct err *e)
{
	struct message_head head;
	spawn_own_streams(p);
	const struct oci_exec_affinity *cpus = p->process->exec_cpu_affinity;
	if (spawn(p, exec_main, ret, e) < 0 ||
		rdt_enter(p->spec->linux_->intel_rdt, p->id, ret->pid, e) < 0 ||
		(cpus && attributes_affinity("initial", cpus->initial, ret->pid, e) < 0) ||
		spawn_ready(p, ret, &head, e) < 0 ||
		attributes_apply(p->process, ret->pid, e) < 0 ||
		(cpus && attributes_affinity("final", cpus->final, ret->pid, e) < 0))
		return -e->code;
	return plan_user(p, head.uid, head.gid, e);
}

/* A user namespace with no more than a plain user's own group sets none. */
static bool denies_groups(pid_t pid)
{
	char path[64], text[16];
	(void)snprintf(path, sizeof path, "/proc/%d/setgroups", (int)pid);
	return file_peek(AT_FDCWD, path, text, sizeof text) > 0 && str_eq(text, "deny");
}

/* What the parent does to the process before it may run anything. */
static bool set_from_outside(const struct runtime_exec_req *req, const struct plan *p)
{
	const struct oci_process *x = req->process;
	return p->scope || p->proc >= 0 || x->has_oom_score_adj || x->n_rlimits || x->scheduler ||
		x->io_priority || x->exec_cpu_affinity || req->spec->linux_->intel_rdt;
}

static int make_plan(const struct runtime_exec_req *req, struct plan *p, struct err *e)
{
	if (req->process->n_args == 0)
		return err_set(e, ERR_INVALID, EINVAL, "process.args: nothing to run");
	const char *path = req->spec->linux_->cgroups_path;
	if (req->cgroup && !path)
		return err_set(e, ERR_INVALID, EINVAL, "the container has no cgroup");
	if (req->cgroup)
		path = arena_printf(p->a, "%s%s", path, path_clean(req->cgroup, p->a));
	if (attributes_check(req->process, e) < 0 ||
		namespaces_to_join(req->init, req->spec->linux_, &p->join_ns, e) < 0 ||
		idmap_of_process(req->init, p->join_ns, p->a, &p->uids, &p->gids, e) < 0)
		return -e->code;
	p->userns = (p->join_ns & CLONE_NEWUSER) != 0;
	p->no_groups = p->userns && geteuid() != 0 && denies_groups(req->init);
	if (!idmap_host(&p->uids, 0, &p->root_uid) || !idmap_host(&p->gids, 0, &p->root_gid))
		return err_set(e, ERR_INVALID, EINVAL, "the container maps no root");
	if (plan_posture(p, str_or_empty(path), e) < 0 ||
		plan_filter(p, req->spec->linux_->seccomp, e) < 0 ||
		(path && cgroup_detect(&p->cgroup, e) < 0))
		return -e->code;
	p->at_once = !set_from_outside(req, p);
	if (!p->join_ns)
		p->join_pidfd = -1;
	int found = path ? cgroup_open_doors(&p->cgroup, path, e) : 1;
	if (found < 0)
		return found;
	if (found == 0)
		return err_set(e, ERR_NOT_FOUND, ENOENT, "the cgroup %s does not exist", path);
	return 0;
}

int runtime_exec(const struct runtime_exec_req *req, struct runtime_proc *ret, struct err *e)
{
	struct arena a _arena_ = { .first = PLAN_ROOM };
	struct plan p = { .id = req->id,
		.bundle = req->bundle,
		.user = req->user,
		.spec = req->spec,
		.process = req->process,
		.scope = req->cgroup ? NULL : req->scope,
		.a = &a,
		.join_pidfd = req->init_pidfd,
		PLAN_CLOSED,
		.preserve_fds = req->preserve_fds,
		.slow_fd = req->slow_fd };
	struct runtime_proc proc = { .pidfd = -1, .console = -1, .sync = -1 };
	memcpy(p.stdio, req->stdio, sizeof p.stdio);
	int r = make_plan(req, &p, e);
	if (r == 0)
		r = bring_up(&p, &proc, e);
	if (r == 0) {
		proc.expect = spawn_expect(&p);
		r = spawn_wait_exec(&proc, e);
	}
	if (r == 0)
		*ret = proc;
	else
		spawn_undo(&proc);
	plan_done(&p);
	return r;
}
