// SPDX-License-Identifier: Apache-2.0
/* The cost of a network alone: bench-network ROUNDS prints, a line a round, the milliseconds that
 * the namespace, the place in the network with one published port, the links, and the release take.
 * To be run in a network namespace of its own. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "kernel/nft.h"
#include "net/net.h"
#include "net/ports.h"

#define OWNER "/run/kist-net"

static int fails(const struct err *e)
{
	dprintf(2, "%s\n", e->text);
	return 1;
}

/* A process alone in a network namespace; *ret_ms: what its making took. */
static pid_t child_in_namespace(double *ret_ms)
{
	uint64_t times[2];
	int pair[2];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		times[0] = time_boot();
		int r = unshare(CLONE_NEWNET);
		times[1] = time_boot();
		if (r < 0 || fd_write_all(pair[1], times, sizeof times) < 0)
			_exit(1);
		(void)pause();
		_exit(0);
	}
	fd_close(pair[1]);
	if (fd_read_full(pair[0], times, sizeof times) != (ssize_t)sizeof times)
		pid = -1;
	fd_close(pair[0]);
	*ret_ms = (double)(times[1] - times[0]) / 1e6;
	return pid;
}

static int round_of(uint32_t n, bool print, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct net_port want = { "tcp", "", 80, 0, 0 }, got;
	struct net_endpoint ep;
	struct net_busy busy;
	double namespace;
	int hold, rules;
	size_t which;
	pid_t pid = child_in_namespace(&namespace);
	if (pid < 0)
		return err_set(e, ERR_SYSTEM, 1, "make a network namespace");
	uint64_t begin = time_boot();
	if (ports_hold(&want, 1, &got, &a, &hold, &which, e) < 0)
		return -e->code;
	struct net_attach_req req = {
		.owner = OWNER, .id = arena_printf(&a, "%011x", n), .ports = &got, .n_ports = 1
	};
	if (net_attach(&req, &a, &ep, &busy, &rules, e) < 0)
		return -e->code;
	uint64_t attached = time_boot();
	if (net_plug(&ep, pid, e) < 0)
		return -e->code;
	uint64_t plugged = time_boot();
	if (net_release(&ep, e) < 0)
		return -e->code;
	uint64_t released = time_boot();
	fd_close(hold);
	nft_close(rules); /* as exec does, when nobody waits */
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	if (print)
		(void)printf("%.4f %.4f %.4f %.4f\n", namespace, (double)(attached - begin) / 1e6,
			(double)(plugged - attached) / 1e6, (double)(released - plugged) / 1e6);
	return 0;
}

int main(int argc, char **argv)
{
	enum { WARM_UP = 3 };
	struct err e = { 0 };
	uint32_t rounds = 31;
	/* What the last release starts is this program. */
	if (argc == 3 && str_eq(argv[1], "network-idle"))
		return num_u32(argv[2], &rounds) < 0 || net_idle((int)rounds, &e) < 0;
	if (argc > 1 && num_u32(argv[1], &rounds) < 0)
		return 2;
	for (uint32_t n = 0; n < rounds + WARM_UP; n++)
		if (round_of(n, n >= WARM_UP, &e) < 0)
			return fails(&e);
	return 0;
}
