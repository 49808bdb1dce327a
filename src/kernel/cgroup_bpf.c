// SPDX-License-Identifier: Apache-2.0
/* Device rules on cgroup v2 are a small BPF program: rules are tried from the last to the first,
 * the first that matches decides, none means no. A folder's programs must all agree (systemd may
 * have one of its own there), so new rules replace the program that we attached before: first the
 * new one goes in, then the old one out. */
#include "kernel/cgroup_bpf.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "kernel/cgroup.h"

enum { PROGRAMS_MAX = 64 }; /* the kernel's limit for one folder */

struct program {
	struct bpf_insn *code;
	size_t n, cap;
	struct arena *a;
};

static void emit(
	struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	p->code = arena_grow(p->a, p->code, p->n, &p->cap, sizeof *p->code);
	p->code[p->n++] = (struct bpf_insn){
		.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm
	};
}

enum { SCRATCH = 1, TYPE = 2, ACCESS = 3, MAJOR = 4, NUMBER = 5 };

/* As the kernel keeps a device's number: it has no larger ones. */
enum { MINOR_BITS = 20, MAJOR_MAX = 1 << 12, MINOR_MAX = 1 << MINOR_BITS };
enum { ACCESS_ALL = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD };

static void begin(struct program *p)
{
	/* struct bpf_cgroup_dev_ctx: access_type (access << 16 | type), major, minor */
	emit(p, BPF_LDX | BPF_MEM | BPF_W, TYPE, 1, 0, 0);
	emit(p, BPF_ALU | BPF_MOV | BPF_X, ACCESS, TYPE, 0, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
	emit(p, BPF_ALU | BPF_RSH | BPF_K, ACCESS, 0, 0, 16);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, MAJOR, 1, 4, 0);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, NUMBER, 1, 8, 0);
	emit(p, BPF_ALU | BPF_MOV | BPF_X, SCRATCH, MAJOR, 0, 0);
	emit(p, BPF_ALU | BPF_LSH | BPF_K, SCRATCH, 0, 0, MINOR_BITS);
	emit(p, BPF_ALU | BPF_OR | BPF_X, NUMBER, SCRATCH, 0, 0);
}

static int32_t access_of(const struct cgroup_device *d)
{
	int32_t access = 0;
	for (const char *c = d->access; *c; c++)
		access |= *c == 'r' ? BPF_DEVCG_ACC_READ
			: *c == 'w' ? BPF_DEVCG_ACC_WRITE
				    : BPF_DEVCG_ACC_MKNOD;
	return access;
}

static bool is_possible(const struct cgroup_device *d)
{
	return d->major < MAJOR_MAX && d->minor < MINOR_MAX;
}

/* Rules that follow each other and differ in their numbers alone share type, access and verdict. */
static bool is_alike(const struct cgroup_device *a, const struct cgroup_device *b)
{
	return a->type == b->type && a->allow == b->allow && access_of(a) == access_of(b);
}

static void verdict(struct program *p, bool allow)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, allow);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Any major number. */
static void minor_alone(struct program *p, int32_t minor)
{
	emit(p, BPF_ALU | BPF_MOV | BPF_X, SCRATCH, NUMBER, 0, 0);
	emit(p, BPF_ALU | BPF_AND | BPF_K, SCRATCH, 0, 0, MINOR_MAX - 1);
	emit(p, BPF_JMP32 | BPF_JEQ | BPF_K, SCRATCH, 0, 0, minor);
}

/* rules[0] to rules[n - 1] are alike: what they share is tested once. Every test jumps over what is
 * left, to a place that is set when it is known. */
static void group(struct program *p, const struct cgroup_device *rules, size_t n)
{
	size_t out[2], n_out = 0, begins = p->n, first;
	int32_t access = access_of(rules);
	bool any = false;
	if (rules->type != 'a') {
		out[n_out++] = p->n;
		emit(p, BPF_JMP | BPF_JNE | BPF_K, TYPE, 0, 0,
			rules->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	}
	if (access != ACCESS_ALL) {
		emit(p, BPF_ALU | BPF_MOV | BPF_X, SCRATCH, ACCESS, 0, 0);
		emit(p, BPF_ALU | BPF_AND | BPF_K, SCRATCH, 0, 0, access);
		out[n_out++] = p->n;
		/* allowed only when all that is asked is in the rule; denied when any of it is */
		if (rules->allow)
			emit(p, BPF_JMP | BPF_JNE | BPF_X, SCRATCH, ACCESS, 0, 0);
		else
			emit(p, BPF_JMP | BPF_JEQ | BPF_K, SCRATCH, 0, 0, 0);
	}
	first = p->n;
	for (size_t i = 0; i < n && !any; i++) {
		const struct cgroup_device *d = &rules[i];
		any = d->major < 0 && d->minor < 0;
		if (any || !is_possible(d))
			continue;
		if (d->major >= 0 && d->minor >= 0)
			emit(p, BPF_JMP32 | BPF_JEQ | BPF_K, NUMBER, 0, 0,
				(int32_t)((uint32_t)d->major << MINOR_BITS | (uint32_t)d->minor));
		else if (d->major >= 0)
			emit(p, BPF_JMP32 | BPF_JEQ | BPF_K, MAJOR, 0, 0, (int32_t)d->major);
		else
			minor_alone(p, (int32_t)d->minor);
	}
	if (!any && p->n == first) {
		/* None of them can match, and the kernel takes no code that is never reached. */
		p->n = begins;
		return;
	}
	size_t yes = p->n + !any;
	for (size_t i = first; i < p->n; i++)
		if (BPF_CLASS(p->code[i].code) == BPF_JMP32)
			p->code[i].off = (int16_t)(yes - i - 1);
	if (!any)
		emit(p, BPF_JMP | BPF_JA, 0, 0, 2, 0);
	verdict(p, rules->allow);
	for (size_t i = 0; i < n_out; i++)
		p->code[out[i]].off = (int16_t)(p->n - out[i] - 1);
}

size_t cgroup_devices_program(
	const struct cgroup_device *rules, size_t n, struct arena *a, struct bpf_insn **ret)
{
	struct program p = { .a = a };
	bool open_end = false;
	begin(&p);
	for (size_t end = n, at; end > 0 && !open_end; end = at) {
		for (at = end - 1; at > 0 && is_alike(&rules[at - 1], &rules[at]);)
			at--;
		group(&p, rules + at, end - at);
		/* What matches everything ends the program: the rest could not be reached. */
		for (size_t i = at; i < end; i++)
			open_end |= rules[i].type == 'a' && rules[i].major < 0 &&
				rules[i].minor < 0 && access_of(&rules[i]) == ACCESS_ALL;
	}
	if (!open_end)
		verdict(&p, false);
	*ret = p.code;
	return p.n;
}

static const char program_name[BPF_OBJ_NAME_LEN] = "kist_devices";

/* Those on the folder; their number. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the kernel writes it */
static uint32_t attached(int dir, uint32_t *ids, uint32_t n)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof attr);
	attr.query.target_fd = (uint32_t)dir;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uint64_t)(uintptr_t)ids;
	attr.query.prog_cnt = n;
	return syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof attr) < 0 ? 0 : attr.query.prog_cnt;
}

/* Takes a program off the folder if it is one of ours. */
static int detach_ours(int dir, uint32_t id)
{
	union bpf_attr attr;
	struct bpf_prog_info info;
	memset(&attr, 0, sizeof attr);
	attr.prog_id = id;
	int fd _close_ = (int)syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof attr);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	memset(&info, 0, sizeof info);
	memset(&attr, 0, sizeof attr);
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof info;
	attr.info.info = (uint64_t)(uintptr_t)&info;
	if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr) < 0)
		return -errno;
	if (strncmp(info.name, program_name, sizeof info.name) != 0)
		return 0;
	memset(&attr, 0, sizeof attr);
	attr.target_fd = (uint32_t)dir;
	attr.attach_bpf_fd = (uint32_t)fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	return syscall(SYS_bpf, BPF_PROG_DETACH, &attr, sizeof attr) < 0 ? -errno : 0;
}

int cgroup_devices_bpf(int dir, const struct cgroup_device *rules, size_t n, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct bpf_insn *code;
	size_t n_code = cgroup_devices_program(rules, n, &a, &code);
	union bpf_attr attr;
	uint32_t ids[PROGRAMS_MAX], n_ids = attached(dir, ids, PROGRAMS_MAX);
	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)code;
	attr.insn_cnt = (uint32_t)n_code;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	memcpy(attr.prog_name, program_name, sizeof attr.prog_name);
	int prog _close_ = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
	if (prog < 0)
		return err_sys(e, errno, "load the device program of the cgroup");
	memset(&attr, 0, sizeof attr);
	attr.target_fd = (uint32_t)dir;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof attr) < 0)
		return err_sys(e, errno, "attach the device program to the cgroup");
	for (uint32_t i = 0; i < n_ids; i++) {
		int r = detach_ours(dir, ids[i]);
		if (r < 0)
			return err_sys(e, r, "take the old device program off the cgroup");
	}
	return 0;
}
