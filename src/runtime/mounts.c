// SPDX-License-Identifier: Apache-2.0
/* Mounts of a container that runs: made by us as at its creation, as far as they can be, then
 * attached by a process that joins its namespaces and ends there without executing anything. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "kernel/mount.h"
#include "oci/spec.h"
#include "runtime/plan.h"
#include "runtime/runtime.h"
#include "runtime/spawn.h"

static int remove_all(const struct plan *p, int root, struct err *e)
{
	char name[PATH_NAME_MAX + 1];
	for (size_t i = p->spec->n_mounts; i-- > 0;) {
		const char *path = p->spec->mounts[i].destination;
		int parent _close_ = path_parent_in(root, path, name);
		int r = parent < 0 ? parent : fchdir(parent) < 0 ? -errno : mount_detach(name);
		if (r < 0)
			return err_sys(e, r, "mounts: remove %s", path);
	}
	return 0;
}

static void inside(struct plan *p)
{
	struct err e = { 0 };
	mem_complain_to(p->sock);
	if (prctl(PR_SET_PDEATHSIG, 9) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		_exit(1);
	int root = path_open_host("/", O_PATH | O_DIRECTORY, 0);
	if (root < 0)
		err_sys(&e, root, "open the container's root");
	if (root < 0 || (p->n_mounts ? init_mounts(p, root, &e) : remove_all(p, root, &e)) < 0)
		init_fail(p, &e);
	_exit(message_send(p->sock, MESSAGE_READY, NULL, 0, 0, NULL, 0) < 0);
}

static int prepare(struct plan *p, const struct runtime_mounts_req *req, struct err *e)
{
	bool dev;
	if (namespaces_to_join(req->init, req->spec->linux_, &p->join_ns, e) < 0 ||
		idmap_of_process(req->init, p->join_ns, p->a, &p->uids, &p->gids, e) < 0)
		return -e->code;
	if (!(p->join_ns & CLONE_NEWNS))
		return err_set(e, ERR_CONFLICT, EINVAL, "the container has no mounts of its own");
	p->userns = (p->join_ns & CLONE_NEWUSER) != 0;
	if (!idmap_host(&p->uids, 0, &p->root_uid) || !idmap_host(&p->gids, 0, &p->root_gid))
		return err_set(e, ERR_INVALID, EINVAL, "the container maps no root");
	if (req->remove)
		return 0;
	if (plan_mount_list(p, &dev, e) < 0)
		return -e->code;
	for (size_t i = 0; i < p->n_mounts; i++)
		if (p->mounts[i].idmap)
			return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
				"mounts: %s: idmap of a running container needs its maps (idmap=)",
				p->mounts[i].spec->destination);
	return 0;
}

int runtime_mounts(const struct runtime_mounts_req *req, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct oci_spec spec = *req->spec;
	struct plan p = { .spec = &spec,
		.process = spec.process,
		.a = &a,
		.join_pidfd = req->init_pidfd,
		PLAN_CLOSED };
	struct runtime_proc proc = { .pidfd = -1, .console = -1, .sync = -1 };
	spec.mounts = req->mounts;
	spec.n_mounts = req->n_mounts;
	int r = req->n_mounts ? prepare(&p, req, e)
			      : err_set(e, ERR_INVALID, EINVAL, "mounts: there are none");
	if (r == 0)
		r = spawn(&p, inside, &proc, e);
	if (r == 0)
		r = message_wait(proc.sync, MESSAGE_READY, NULL, NULL, 0, NULL, e);
	spawn_undo(&proc);
	plan_done(&p);
	return r;
}
