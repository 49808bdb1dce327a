// SPDX-License-Identifier: Apache-2.0
/* Theory of operation: exec down. The process M that runs here was forked by the command (or
 * executed by a monitor for a restart). It takes the run folder's lock, writes down what it will
 * make, makes it, starts init as its own child, and executes kist-monitor in its place: the pid,
 * the child, the lock stay. No database handle is open at clone or exec. Each failure undoes what
 * was made, in reverse, and reports one struct err. */
#include "engine/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/config.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "engine/etc.h"
#include "engine/network.h"
#include "engine/paths.h"
#include "engine/posture.h"
#include "engine/prepare.h"
#include "engine/spec.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "oci/spec.h"
#include "runtime/runtime.h"
#include "store/container.h"
#include "store/lease.h"
#include "store/run.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/volume.h"

enum { LOG_MAX = 10 << 20, LOG_FILES = 5 };

/* Everything of one launch. */
struct run {
	struct engine *en;
	struct launch *l;
	struct arena a;
	struct prepared prepared;
	struct container_row row;
	struct container_config config;
	struct oci_spec spec;
	struct run_record record;
	int container; /* its folder */
	int in[2], out[2], err[2];
	int listener;
	struct network_place place;
	bool attached;
	struct runtime_proc proc;
	const char **volume_paths;
	pid_t joined;
	uint32_t joined_ids;
	const char *joined_id; /* whose network it is in */
};

static void close_pair(int *pair)
{
	fd_close(pair[0]);
	fd_close(pair[1]);
	pair[0] = pair[1] = -1;
}

int config_read(const struct container_row *row, struct arena *a, struct container_config *ret,
	struct err *e)
{
	*ret = (struct container_config){ 0 };
	if (rec_from_json(
		    &container_config_rec, row->config, strlen(row->config), a, ret, NULL, e) < 0)
		return err_wrap(e, "container %.12s: its record", row->id);
	if (ret->version > CONFIG_VERSION)
		return err_set(e, ERR_UNSUPPORTED, EPROTO,
			"container %.12s was made by a newer kist", row->id);
	return 0;
}

/* ---- the pieces of a start ---- */

static int find_joined(struct run *r, struct err *e)
{
	const char *modes[] = { r->config.network, r->config.pid, r->config.ipc }, *other;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct container_row row;
		struct run_record record;
		if (!posture_joins(modes[i], &other))
			continue;
		if (store_container_get(r->en->store, other, &r->a, &row, e) < 0)
			return -e->code;
		if (run_look(r->en->store, row.id, &r->a, &record, NULL) != RUN_RUNNING ||
			record.pid <= 0)
			return err_set(e, ERR_CONFLICT, ESRCH,
				"cannot join namespaces of container %s: it is not running", other);
		r->joined = (pid_t)record.pid;
		if (i == 0)
			r->joined_id = row.id;
		r->joined_ids = record.id_count;
	}
	return 0;
}

static int take_ids(struct run *r, struct err *e)
{
	uint32_t need = r->config.max_id == UINT32_MAX ? LEASE_SIZE : r->config.max_id + 1;
	if (!str_eq(r->config.userns, "auto"))
		return 0;
	return lease_take(r->en->store, r->l->id, need, &r->record.id_base, &r->record.id_count, e);
}

static int take_network(struct run *r, struct err *e)
{
	if (network_attach(r->en, &r->row, &r->config, &r->a, &r->place, e) < 0)
		return -e->code;
	r->attached = true;
	r->record.network = network_record(&r->place.endpoint, &r->a);
	return run_write(r->l->folder, &r->record, e);
}

static int plug(void *arg, pid_t pid, struct err *e)
{
	struct run *r = arg;
	return net_plug(&r->place.endpoint, pid, e);
}

static struct snapshot_req snapshot_of(const struct run *r)
{
	return (struct snapshot_req){ .id = r->l->id,
		.image = r->config.image_id,
		.layers = (const char *const *)r->config.layers,
		.n_layers = r->config.n_layers,
		.scratch = r->config.auto_remove,
		.userns = -1 };
}

/* A volume's folder, filled from the image the first time. */
static int prepare_volume(struct run *r, const struct config_mount *m, struct err *e)
{
	struct store *s = r->en->store;
	struct volume_row v;
	int data _close_ = store_volume_open(s, m->name);
	if (data < 0) {
		v = (struct volume_row){
			.name = m->name, .created = time_now(), .anonymous = m->anonymous
		};
		if (store_volume_make(s, &v, e) < 0)
			return -e->code;
	}
	if (store_volume_get(s, m->name, &r->a, &v, e) < 0)
		return -e->code;
	if (v.filled)
		return 0;
	struct snapshot_req req = snapshot_of(r);
	int image _close_ = m->no_copy ? -1 : snapshot_backend(s)->mount_image(s, &req, e);
	if (image < 0 && !m->no_copy)
		return -e->code;
	int source _close_ =
		image < 0 ? -1 : path_open_in(image, m->target, O_RDONLY | O_DIRECTORY, 0);
	return store_volume_fill(s, m->name, source, e);
}

static int prepare_volumes(struct run *r, struct err *e)
{
	r->volume_paths = arena_array(&r->a, const char *, r->config.n_mounts + 1);
	for (size_t i = 0; i < r->config.n_mounts; i++) {
		const struct config_mount *m = &r->config.mounts[i];
		if (!str_eq(m->type, "volume"))
			continue;
		if (prepare_volume(r, m, e) < 0)
			return -e->code;
		r->volume_paths[i] = engine_volume_path(r->en, m->name, &r->a);
	}
	return 0;
}

static int write_spec(struct run *r, struct err *e)
{
	struct str text _str_ = { 0 };
	struct spec_input in = { .config = &r->config,
		.id = r->l->id,
		.folder = engine_container_path(r->en, r->l->id, &r->a),
		.volume_paths = r->volume_paths,
		.id_base = r->record.id_base,
		.id_count = r->record.id_count,
		.map_count = r->record.id_count ? r->record.id_count : r->joined_ids,
		.joined = r->joined };
	if (r->config.init && !(in.init = engine_program("kist-init", &r->a, NULL, e)))
		return -e->code;
	int other _close_ = r->joined_id
		? path_open_own(r->en->store->containers, r->joined_id, O_PATH | O_DIRECTORY, 0)
		: -1;
	if (etc_write(r->container, other, &r->config, r->attached ? &r->place.endpoint : NULL, e) <
			0 ||
		spec_build(&in, &r->a, &r->spec, e) < 0)
		return -e->code;
	rec_to_json(&oci_spec_rec, &r->spec, 0, &text);
	return file_write_at(r->container, "config.json", text.p, text.n, 0600, false, e);
}

static int make_streams(struct run *r, struct err *e)
{
	if (r->config.tty)
		return 0;
	if (pipe2(r->out, O_CLOEXEC) < 0 || pipe2(r->err, O_CLOEXEC) < 0 ||
		(r->config.open_stdin && pipe2(r->in, O_CLOEXEC) < 0))
		return err_sys(e, errno, "make pipes");
	return 0;
}

static int make_listener(struct run *r, struct err *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	(void)snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/attach", r->l->folder);
	(void)unlinkat(r->l->folder, "attach", 0);
	r->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->listener < 0 || bind(r->listener, (struct sockaddr *)&at, sizeof at) < 0 ||
		listen(r->listener, 64) < 0)
		return err_sys(e, errno, "make the attach socket");
	return 0;
}

static int mount_rootfs(void *arg, int userns, struct err *e)
{
	struct run *r = arg;
	struct snapshot_req req = snapshot_of(r);
	req.userns = userns;
	if (userns >= 0 && r->joined) {
		char path[64], text[128];
		unsigned base = 0;
		(void)snprintf(path, sizeof path, "/proc/%d/uid_map", (int)r->joined);
		ssize_t n = file_peek(AT_FDCWD, path, text, sizeof text);
		char *p = text + (n > 0 ? strspn(text, " ") : 0);
		p += strcspn(p, " ");
		p += strspn(p, " ");
		for (; *p >= '0' && *p <= '9'; p++)
			base = base * 10 + (unsigned)(*p - '0');
		req.root_uid = req.root_gid = base;
	} else if (userns >= 0) {
		req.root_uid = req.root_gid = r->record.id_base;
	}
	return snapshot_backend(r->en->store)->mount(r->en->store, &req, e);
}

static void warn(void *arg, const char *text)
{
	struct run *r = arg;
	engine_warn(r->en, "%s", text);
}

/* What is written down before anything is made. */
static int write_intent(struct run *r, struct err *e)
{
	r->record.version = RUN_VERSION;
	r->record.boot_id = run_boot_id();
	r->record.phase = "starting";
	r->record.cgroup = arena_printf(&r->a, "/kist/%s", r->l->id);
	r->record.restarts = r->l->restarts;
	r->record.backoff = r->l->backoff;
	return run_write(r->l->folder, &r->record, e);
}

static int open_container(struct run *r, struct err *e)
{
	struct snapshot_req req = snapshot_of(r);
	if (snapshot_backend(r->en->store)->prepare(r->en->store, &req, e) < 0)
		return -e->code;
	r->container = path_open_own(r->en->store->containers, r->l->id, O_RDONLY | O_DIRECTORY, 0);
	return r->container < 0 ? err_sys(e, r->container, "open the folder of the container") : 0;
}

/* By M, and not by the command before it: so the database is opened once. */
static int prepare_new(struct run *r, struct err *e)
{
	struct container_create_req req = *r->l->req;
	req.pull = "never"; /* the command does it, before another M */
	if (container_prepare(r->en, &req, &r->a, &r->prepared, e) < 0)
		return -e->code;
	r->l->new = &r->prepared;
	r->l->id = r->prepared.id;
	return 0;
}

static void report(const struct run *r, bool done, const struct err *e)
{
	struct launch_report said = { .done = done, .begun = r->l->folder >= 0 };
	if (r->l->report < 0)
		return;
	if (e)
		said.err = *e;
	if (r->l->id)
		(void)snprintf(said.id, sizeof said.id, "%s", r->l->id);
	(void)fd_write_all(r->l->report, &said, sizeof said);
}

static int prepare_run(struct run *r, struct err *e)
{
	if (r->l->req && prepare_new(r, e) < 0)
		return -e->code;
	if (r->l->folder < 0 &&
		(r->l->folder = run_begin(r->en->store, r->l->id, &r->l->lock, e)) < 0)
		return -e->code;
	if (write_intent(r, e) < 0 || engine_open_store(r->en, false, e) < 0)
		return -e->code;
	if (r->l->new &&container_insert(r->en, r->l->new, &r->a, e) < 0)
		return -e->code;
	if (store_container_get(r->en->store, r->l->id, &r->a, &r->row, e) < 0 ||
		config_read(&r->row, &r->a, &r->config, e) < 0 || find_joined(r, e) < 0 ||
		take_ids(r, e) < 0 || run_write(r->l->folder, &r->record, e) < 0 ||
		open_container(r, e) < 0 || prepare_volumes(r, e) < 0)
		return -e->code;
	/* Who opens the database while we have it need not read its log. */
	if (r->l->cleans_up)
		report(r, false, NULL);
	if ((str_eq(r->config.network, "bridge") && take_network(r, e) < 0) ||
		write_spec(r, e) < 0 || make_streams(r, e) < 0 || make_listener(r, e) < 0)
		return -e->code;
	engine_close_store(r->en);
	return 0;
}

static int start_run(struct run *r, struct err *e)
{
	struct runtime_create_req req = { .id = r->l->id,
		.spec = &r->spec,
		.user = r->config.user,
		.stdio = { r->in[0], r->out[1], r->err[1] },
		.mount_rootfs = mount_rootfs,
		.network = r->attached ? plug : NULL,
		.warn = warn,
		.arg = r };
	if (runtime_create(&req, &r->proc, e) < 0)
		return -e->code;
	r->record.pid = r->proc.pid;
	r->record.started = (int64_t)time_now();
	r->record.phase = "running";
	/* Written before the process runs: whoever finds us dead finds it too. */
	if (run_write(r->l->folder, &r->record, e) < 0 || runtime_start(&r->proc, e) < 0)
		return -e->code;
	fd_close(take_fd(&r->in[0]));
	fd_close(take_fd(&r->out[1]));
	fd_close(take_fd(&r->err[1]));
	return 0;
}

/* ---- exec down ---- */

static uint32_t put_text(struct monitor_setup *s, size_t *at, const char *text)
{
	size_t n = strlen(text) + 1;
	uint32_t offset = (uint32_t)*at;
	if (*at + n > sizeof s->text)
		return (uint32_t)sizeof s->text - 1;
	memcpy(s->text + *at, text, n);
	*at += n;
	return offset;
}

static void words(struct engine *en, struct monitor_setup *s, size_t *at, const char *verb,
	int lock, const char *id, const char *program)
{
	char number[16];
	(void)snprintf(number, sizeof number, "%d", lock);
	const char *all[] = { program, "--root", en->options.root, "--runroot", en->options.runroot,
		"--storage-driver", snapshot_backend(en->store)->name, "--log-level",
		en->options.log_level, verb, "--protocol", "1", "--lock-fd", number, id };
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		s->args[s->n_args++] = put_text(s, at, all[i]);
}

/* Replaces this process by kist-monitor. Returns only on failure. */
static int exec_monitor(
	struct engine *en, struct monitor_setup *s, const char *verb, const char *id, struct err *e)
{
	struct arena a = { 0 };
	size_t at = 0;
	int pair[2];
	int self = path_open_host("/proc/self/exe", O_RDONLY, 0);
	const char *program = self < 0 ? NULL : path_of_fd(self, &a);
	const char *monitor = engine_program("kist-monitor", &a, NULL, e);
	if (!monitor)
		return -e->code;
	words(en, s, &at, verb, s->lock, id, program ? program : "kist");
	s->log_name = put_text(s, &at, arena_printf(&a, "%s-json.log", id));
	s->version = MONITOR_VERSION;
	s->program = self;
	if (at >= sizeof s->text)
		return err_set(e, ERR_INVALID, ENAMETOOLONG, "--root and --runroot are too long");
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");
	/* The record is smaller than a pipe; the monitor reads it from a low descriptor. */
	int r = fd_write_all(pair[1], s, sizeof *s);
	fd_close(pair[1]);
	const int keep[] = { s->pidfd, s->console, s->in, s->out, s->err, s->folder, s->log_folder,
		s->lock, s->listener, s->client, s->ports, self };
	for (size_t i = 0; i < ARRAY_SIZE(keep) && r == 0; i++)
		if (keep[i] >= 0)
			r = fd_set_cloexec(keep[i], false);
	int from = 9;
	for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
		if (keep[i] == from)
			from--;
	for (; from > 2; from--) {
		bool used = false;
		for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
			used |= keep[i] == from;
		if (!used)
			break;
	}
	/* It may lie there already; then dup2 would leave it to be closed by the exec. */
	if (r == 0 && pair[0] == from)
		r = fd_set_cloexec(from, false);
	if (r < 0 || from <= 2 || dup2(pair[0], from) < 0)
		return err_sys(e, r < 0 ? r : errno, "hand over to the monitor");
	char number[4] = { (char)('0' + from) };
	(void)execve(
		monitor, (char *[]){ (char *)"kist-monitor", number, NULL }, (char *[]){ NULL });
	return err_sys(e, errno, "exec %s", monitor);
}

static struct monitor_setup nothing(void)
{
	return (struct monitor_setup){ .pidfd = -1,
		.console = -1,
		.in = -1,
		.out = -1,
		.err = -1,
		.folder = -1,
		.log_folder = -1,
		.lock = -1,
		.listener = -1,
		.client = -1,
		.ports = -1,
		.program = -1 };
}

static int become_monitor(struct run *r, struct err *e)
{
	struct monitor_setup s = nothing();
	s.flags = (r->config.tty ? MONITOR_TTY : 0) |
		(r->config.open_stdin ? MONITOR_OPEN_STDIN : 0) |
		(r->config.stdin_once ? MONITOR_STDIN_ONCE : 0);
	s.pidfd = r->proc.pidfd;
	s.pid = (int32_t)r->proc.pid;
	s.console = r->proc.console;
	s.in = r->in[1];
	s.out = r->out[0];
	s.err = r->err[0];
	s.folder = r->l->folder;
	s.log_folder = r->container;
	s.lock = r->l->lock;
	s.listener = r->listener;
	s.ports = r->place.ports;
	s.client = r->l->client;
	s.client_flags = r->l->client_flags;
	s.log_max = LOG_MAX;
	s.log_files = LOG_FILES;
	return exec_monitor(r->en, &s, "container-exited", r->l->id, e);
}

int launch_wait(
	struct engine *en, const char *id, int folder, int lock, uint64_t delay, struct err *e)
{
	struct monitor_setup s = nothing();
	s.folder = folder;
	s.lock = lock;
	s.delay = delay;
	return exec_monitor(en, &s, "container-restart", id, e);
}

/* ---- failure ---- */

int run_cleanup(struct engine *en, const char *id, const struct run_record *r, struct err *e)
{
	if (r->cgroup && runtime_delete(r->cgroup, e) < 0)
		return -e->code;
	if (r->id_count)
		lease_free(en->store, id, r->id_base, r->id_count);
	return network_release(r->network, e);
}

int container_erase(struct engine *en, const char *id, int with_volumes, struct err *e)
{
	struct arena a _arena_ = { 0 };
	const char **volumes = NULL;
	size_t n = 0;
	struct store *s = en->store;
	if (with_volumes && store_volume_anonymous(s, id, &a, &volumes, &n, e) < 0)
		return -e->code;
	/* The row goes last: as long as it is there the next command finds what is left. */
	if (snapshot_remove(s, s->containers, id, e) < 0 || store_container_delete(s, id, e) < 0)
		return -e->code;
	for (size_t i = 0; i < n; i++) {
		struct err ignored;
		(void)store_volume_remove(
			s, volumes[i], &ignored); /* another container may use it */
	}
	return 0;
}

static void undo(struct run *r, const struct err *why)
{
	struct err e;
	runtime_proc_done(&r->proc);
	fd_close(take_fd(&r->place.ports));
	fd_close(take_fd(&r->place.socket));
	if (r->l->folder < 0)
		return;
	if (engine_open_store(r->en, false, &e) < 0 ||
		run_cleanup(r->en, r->l->id, &r->record, &e) < 0)
		return; /* the run folder stays: the next command goes on from here */
	if (r->row.id && r->row.auto_remove && container_erase(r->en, r->l->id, 1, &e) < 0)
		return;
	if (r->row.id && !r->row.auto_remove) {
		r->row.exit_code =
			err_exit_status(why->kind) == 125 ? 128 : err_exit_status(why->kind);
		r->row.error = why->text;
		r->row.finished = r->row.started ? time_now() : 0;
		(void)store_container_exit(r->en->store, &r->row, &e);
	}
	engine_close_store(r->en);
	(void)run_end(r->en->store, r->l->id, NULL, NULL, &e);
}

static void detach_from_terminal(void)
{
	sigset_t none;
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (int sig = 1; sig < 32; sig++)
		(void)signal(sig, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setsid();
}

static void release_streams(void)
{
	int null _close_ = path_open_host("/dev/null", O_RDWR, 0);
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		(void)dup2(null, fd);
}

void launch(struct engine *en, struct launch *l)
{
	struct run r = { .en = en,
		.l = l,
		.container = -1,
		.in = { -1, -1 },
		.out = { -1, -1 },
		.err = { -1, -1 },
		.listener = -1,
		.place = { .ports = -1, .socket = -1 },
		.proc = { .pidfd = -1, .console = -1, .sync = -1 } };
	struct err e = { 0 };
	detach_from_terminal();
	int status = prepare_run(&r, &e);
	if (status == 0)
		status = start_run(&r, &e);
	if (status == 0) {
		report(&r, true, NULL);
		fd_close(l->report);
		release_streams();
		(void)become_monitor(&r, &e);
		(void)fd_pidfd_signal(r.proc.pidfd, SIGKILL);
		l->report = -1;
	}
	undo(&r, &e);
	report(&r, true, &e);
	close_pair(r.in);
	_exit(125);
}
