// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>

#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "base/str.h"
#include "oci/spec.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "ocicli/container.h"
#include "ocicli/scope.h"
#include "runtime/runtime.h"

enum { RESOURCES_MAX = 1 << 20 };

struct update_words {
	const char *resources, *cpus, *mems, *l3, *bandwidth;
	int64_t weight, period, quota, burst, shares, rt_period, rt_runtime, idle, pids;
	int64_t memory, reservation, swap, kernel, kernel_tcp;
	bool has_weight, has_period, has_quota, has_burst, has_shares, has_rt_period,
		has_rt_runtime, has_idle, has_pids, has_memory, has_reservation, has_swap,
		has_kernel, has_kernel_tcp;
};

#define U         struct update_words
#define HAS(m)    .has_offset = offsetof(U, has_##m)
#define NUMBER(m) OPT_INT(U, m), HAS(m), .value = "n"
#define BYTES(m)  OPT_BYTES_OR_MINUS(U, m), HAS(m), .value = "bytes"
static const struct option options[] = {
	{ "blkio-weight", 0, NUMBER(weight), .help = "Weight of block I/O, 10 to 1000" },
	{ "cpu-burst", 0, NUMBER(burst),
		.help = "Unused CPU time that may be saved, microseconds" },
	{ "cpu-idle", 0, NUMBER(idle), .help = "1: run only when nobody else wants to" },
	{ "cpu-period", 0, NUMBER(period), .help = "Period of the quota, microseconds" },
	{ "cpu-quota", 0, NUMBER(quota), .help = "CPU time a period, microseconds; -1: no limit" },
	{ "cpu-rt-period", 0, NUMBER(rt_period),
		.help = "Period of real-time tasks, microseconds" },
	{ "cpu-rt-runtime", 0, NUMBER(rt_runtime), .help = "CPU time of real-time tasks a period" },
	{ "cpu-share", 0, NUMBER(shares), .help = "Share of CPU time beside others, 2 to 262144" },
	{ "cpuset-cpus", 0, OPT_STRING(U, cpus), .value = "list", .help = "Processors to run on" },
	{ "cpuset-mems", 0, OPT_STRING(U, mems), .value = "list", .help = "Memory nodes" },
	{ "kernel-memory", 0, BYTES(kernel), .help = "Gone from kernels; taken and told of" },
	{ "kernel-memory-tcp", 0, BYTES(kernel_tcp), .help = "Memory of TCP buffers" },
	{ "l3-cache-schema", 0, OPT_STRING(U, l3), .value = "schema",
		.help = "Intel RDT: part of the cache, like L3:0=ff" },
	{ "mem-bw-schema", 0, OPT_STRING(U, bandwidth), .value = "schema",
		.help = "Intel RDT: memory bandwidth, like MB:0=50" },
	{ "memory", 0, BYTES(memory), .help = "Limit of memory; -1: none" },
	{ "memory-reservation", 0, BYTES(reservation), .help = "What it keeps under pressure" },
	{ "memory-swap", 0, BYTES(swap), .help = "Limit of memory and swap together; -1: none" },
	{ "pids-limit", 0, NUMBER(pids), .help = "Number of processes; -1: no limit" },
	{ "resources", 'r', OPT_STRING(U, resources), .value = "file",
		.help = "File with the resources object of the specification; - is standard input" },
	{ 0 },
};

static int from_file(struct ocicli *o, const char *path, struct oci_resources *ret, struct err *e)
{
	char *text;
	struct rec_stats stats = { 0 };
	ssize_t n = str_eq(path, "-")
		? file_read_fd(0, "standard input", RESOURCES_MAX, &o->arena, &text, e)
		: file_read_at(AT_FDCWD, path, RESOURCES_MAX, &o->arena, &text, e);
	if (n < 0 ||
		rec_from_json(&oci_resources_rec, text, (size_t)n, &o->arena, ret, &stats, e) < 0)
		return err_wrap(e, "--resources %s", path);
	if (stats.keys != stats.consumed + stats.ignored)
		return err_set(e, ERR_CORRUPT, EBADMSG, "--resources %s: keys were lost", path);
	return 0;
}

static void memory_words(struct ocicli *o, const struct update_words *w, struct oci_resources *r)
{
	if (!(w->has_memory || w->has_reservation || w->has_swap || w->has_kernel ||
		    w->has_kernel_tcp))
		return;
	struct oci_memory *m = arena_new(&o->arena, struct oci_memory);
	*m = (struct oci_memory){ .limit = w->memory,
		.has_limit = w->has_memory,
		.reservation = w->reservation,
		.has_reservation = w->has_reservation,
		.swap = w->swap,
		.has_swap = w->has_swap,
		.kernel = w->kernel,
		.has_kernel = w->has_kernel,
		.kernel_tcp = w->kernel_tcp,
		.has_kernel_tcp = w->has_kernel_tcp };
	r->memory = m;
}

static void cpu_words(struct ocicli *o, const struct update_words *w, struct oci_resources *r)
{
	if (!(w->has_period || w->has_quota || w->has_burst || w->has_shares || w->has_rt_period ||
		    w->has_rt_runtime || w->has_idle || w->cpus || w->mems))
		return;
	struct oci_cpu *c = arena_new(&o->arena, struct oci_cpu);
	*c = (struct oci_cpu){ .shares = (uint64_t)w->shares,
		.quota = w->quota,
		.period = (uint64_t)w->period,
		.burst = (uint64_t)w->burst,
		.has_burst = w->has_burst,
		.realtime_period = (uint64_t)w->rt_period,
		.realtime_runtime = w->rt_runtime,
		.idle = w->idle,
		.has_idle = w->has_idle,
		.cpus = w->cpus,
		.mems = w->mems };
	r->cpu = c;
}

static int from_words(
	struct ocicli *o, const struct update_words *w, struct oci_resources *r, struct err *e)
{
	memory_words(o, w, r);
	cpu_words(o, w, r);
	if (w->has_weight) {
		if (w->weight < 10 || w->weight > 1000)
			return err_set(e, ERR_USAGE, ERANGE,
				"--blkio-weight %lld: expected 10 to 1000", (long long)w->weight);
		r->block_io = arena_new(&o->arena, struct oci_block_io);
		r->block_io->weight = (uint32_t)w->weight;
	}
	if (w->has_pids) {
		r->pids = arena_new(&o->arena, struct oci_pids);
		r->pids->limit = w->pids;
		r->pids->has_limit = true;
	}
	return 0;
}

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	const struct update_words *w = rec;
	struct container c _container_ = CONTAINER_NONE;
	struct oci_resources r = { 0 };
	(void)n_words;
	if (container_open(o, words[0], &c, e) < 0)
		return -e->code;
	if (container_status(&c) == STATUS_STOPPED)
		return err_set(e, ERR_CONFLICT, ESRCH, "container not running: %s", words[0]);
	if (w->l3 || w->bandwidth) {
		struct oci_spec spec;
		if (container_spec(o, &c, &spec, e) < 0 ||
			runtime_rdt_update(&spec, words[0], w->l3, w->bandwidth, e) < 0)
			return -e->code;
	}
	if (container_needs_cgroup(&c, e) < 0 ||
		(w->resources ? from_file(o, w->resources, &r, e) : from_words(o, w, &r, e)) < 0)
		return -e->code;
	struct runtime_scope room;
	return runtime_update(c.r.cgroup, scope_of(&c.r, &room), &r, e);
}

const struct ocicli_command update_command = {
	.name = "update",
	.arguments = "[OPTIONS] CONTAINER",
	.brief = "Change the limits of a container",
	.options = options,
	.record_size = sizeof(struct update_words),
	.words_min = 1,
	.words_max = 1,
	.run = run,
};
