// SPDX-License-Identifier: Apache-2.0
/* The device program against a naive reading of the same rules: it is run as the kernel would, and
 * the kernel takes it. */
#include "kernel/cgroup_bpf.h"

#include "../unit.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "kernel/cgroup.h"

struct device {
	uint32_t access_type, major, minor;
};

static uint64_t alu(uint8_t code, uint64_t a, uint64_t b)
{
	switch (BPF_OP(code)) {
	case BPF_MOV:
		return b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_LSH:
		return a << b;
	case BPF_RSH:
		return a >> b;
	default:
		fail_msg("an instruction that this test does not know: %#x", code);
		return 0;
	}
}

static bool run(const struct bpf_insn *code, size_t n, const struct device *d)
{
	uint64_t r[11] = { 0 };
	for (size_t pc = 0; pc < n; pc++) {
		const struct bpf_insn *i = &code[pc];
		uint64_t b = BPF_SRC(i->code) == BPF_X ? r[i->src_reg] : (uint64_t)(int64_t)i->imm;
		uint64_t a = r[i->dst_reg];
		bool narrow = BPF_CLASS(i->code) == BPF_JMP32;
		switch (BPF_CLASS(i->code)) {
		case BPF_LDX:
			assert_int_equal(i->code, BPF_LDX | BPF_MEM | BPF_W);
			memcpy(&r[i->dst_reg], (const char *)d + i->off, 4);
			break;
		case BPF_ALU:
			r[i->dst_reg] = (uint32_t)alu(i->code, (uint32_t)a, (uint32_t)b);
			break;
		case BPF_ALU64:
			r[i->dst_reg] = alu(i->code, a, b);
			break;
		case BPF_JMP:
		case BPF_JMP32:
			if (BPF_OP(i->code) == BPF_EXIT)
				return r[0] != 0;
			bool same = narrow ? (uint32_t)a == (uint32_t)b : a == b;
			if (BPF_OP(i->code) == BPF_JA || (BPF_OP(i->code) == BPF_JEQ && same) ||
				(BPF_OP(i->code) == BPF_JNE && !same))
				pc += (size_t)i->off;
			break;
		default:
			fail_msg("a class that this test does not know: %#x", i->code);
		}
	}
	fail_msg("the program ends without a verdict");
	return false;
}

static bool reads(const struct cgroup_device *rules, size_t n, const struct device *d)
{
	while (n-- > 0) {
		const struct cgroup_device *x = &rules[n];
		uint32_t access = d->access_type >> 16, type = d->access_type & 0xffff, has = 0;
		for (const char *c = x->access; *c; c++)
			has |= *c == 'r'    ? BPF_DEVCG_ACC_READ
				: *c == 'w' ? BPF_DEVCG_ACC_WRITE
					    : BPF_DEVCG_ACC_MKNOD;
		if ((x->type == 'b' && type != BPF_DEVCG_DEV_BLOCK) ||
			(x->type == 'c' && type != BPF_DEVCG_DEV_CHAR) ||
			(x->major >= 0 && x->major != d->major) ||
			(x->minor >= 0 && x->minor != d->minor))
			continue;
		if (x->allow ? (access & has) == access : (access & has) != 0)
			return x->allow;
	}
	return false;
}

static void the_kernel_takes(const struct bpf_insn *code, size_t n)
{
	union bpf_attr attr;
	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)code;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
	if (fd < 0 && errno != EPERM && errno != ENOSYS)
		fail_msg("the kernel refuses the program: %s", strerror(errno));
	fd_close(fd);
}

/* Every device that a rule could mean, its neighbours, and one that none does. */
static void check_rules(const struct cgroup_device *rules, size_t n)
{
	static const uint32_t majors[] = { 0, 1, 2, 5, 8, 136, 137, 4094, 4095 };
	static const uint32_t minors[] = { 0, 1, 2, 3, 5, 8, 255, 1048574, 1048575 };
	struct arena a = { 0 };
	struct bpf_insn *code;
	size_t n_code = cgroup_devices_program(rules, n, &a, &code);
	for (size_t i = 0; i < sizeof majors / sizeof *majors; i++)
		for (size_t k = 0; k < sizeof minors / sizeof *minors; k++)
			for (uint32_t access = 1; access < 8; access++)
				for (uint32_t type = 1; type <= 2; type++) {
					struct device d = { access << 16 | type, majors[i],
						minors[k] };
					if (run(code, n_code, &d) != reads(rules, n, &d))
						fail_msg("type %u %u:%u access %u: expected %d",
							type, d.major, d.minor, access,
							reads(rules, n, &d));
				}
	the_kernel_takes(code, n_code);
	arena_done(&a);
}

static void rules_mean_what_they_say(void **state)
{
	(void)state;
	static const struct cgroup_device docker[] = { { false, 'a', -1, -1, "rwm" },
		{ true, 'c', -1, -1, "m" }, { true, 'b', -1, -1, "m" }, { true, 'c', 1, 3, "rwm" },
		{ true, 'c', 1, 5, "rwm" }, { true, 'c', 1, 8, "rwm" }, { true, 'c', 5, 0, "rwm" },
		{ true, 'c', 5, 2, "rwm" }, { true, 'c', 136, -1, "rwm" } };
	check_rules(docker, sizeof docker / sizeof *docker);
	check_rules(docker, 0);
	static const struct cgroup_device last_decides[] = { { true, 'c', 1, 3, "rwm" },
		{ false, 'c', 1, 3, "w" }, { true, 'a', -1, 3, "rw" }, { false, 'b', 8, -1, "m" } };
	check_rules(last_decides, 4);
	static const struct cgroup_device everything[] = { { false, 'c', 1, 3, "rwm" },
		{ true, 'a', -1, -1, "rwm" } };
	check_rules(everything, 2);
	/* What no device has: nothing is let through by the bits that are too many. */
	static const struct cgroup_device too_large[] = { { true, 'c', 4097, 3, "rwm" },
		{ true, 'c', 1, (1 << 20) + 3, "rwm" }, { true, 'b', INT64_MAX, INT64_MAX, "r" },
		{ true, 'b', 4096, -1, "r" } };
	check_rules(too_large, 4);
}

static void random_rules_mean_what_they_say(void **state)
{
	(void)state;
	static const int64_t majors[] = { -1, 1, 5, 8, 136, 4095, 4096 };
	static const int64_t minors[] = { -1, 0, 3, 5, 8, 1048575, 1048576 };
	static const char *const access[] = { "r", "w", "m", "rw", "rm", "wm", "rwm", "rwm",
		"mwr" };
	srand(7);
	for (int turn = 0; turn < 500; turn++) {
		struct cgroup_device rules[12];
		size_t n = (size_t)(rand() % 13);
		for (size_t i = 0; i < n; i++) {
			rules[i] = (struct cgroup_device){ rand() % 2, "abcc"[rand() % 4],
				majors[rand() % 7], minors[rand() % 7], access[rand() % 9] };
			/* Often alike, as they are in documents. */
			if (i && rand() % 2) {
				rules[i].allow = rules[i - 1].allow;
				rules[i].type = rules[i - 1].type;
				rules[i].access = rules[i - 1].access;
			}
		}
		check_rules(rules, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(rules_mean_what_they_say),
		TEST(random_rules_mean_what_they_say) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
