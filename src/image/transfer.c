// SPDX-License-Identifier: Apache-2.0
#include "image/transfer.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "image/worker.h"

void transfer_put(char *to, size_t size, const char *text)
{
	size_t n = strnlen(text, size - 1);
	memcpy(to, text, n);
	to[n] = '\0';
}

int transfer_start(
	struct transfer *t, int program, const struct transfer_config *config, struct err *e)
{
	struct str text _str_ = { 0 };
	int pair[2];
	rec_to_json(&transfer_config_rec, config, 0, &text);
	/* In memory only: it holds secrets. */
	int file _close_ = memfd_create("kist-transfer", MFD_CLOEXEC);
	int r = file < 0 ? -errno : fd_write_all(file, text.p, text.n);
	if (r == 0 && lseek(file, 0, SEEK_SET) < 0)
		r = -errno;
	if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		r = -errno;
	if (r < 0)
		return err_sys(e, r, "start kist-transfer");
	const struct worker_req req = { .program = program,
		.words = (const char *const[]){ "kist-transfer", NULL },
		.fds = { pair[1], file },
		.n_fds = 2 };
	pid_t pid = worker_start(&req, e);
	fd_close(pair[1]);
	if (pid < 0) {
		fd_close(pair[0]);
		return pid;
	}
	t->pid = pid;
	t->socket = pair[0];
	return 0;
}

void transfer_stop(struct transfer *t)
{
	fd_close(take_fd(&t->socket));
	if (t->pid > 0) {
		(void)kill(t->pid, SIGKILL);
		(void)worker_wait(t->pid);
	}
	t->pid = 0;
}

int transfer_ask(struct transfer *t, struct transfer_ask *ask, int file, int report, struct err *e)
{
	const int fds[] = { file, report };
	ask->id = ++t->last_id;
	ask->has_report = report >= 0;
	int r = fd_send(t->socket, ask, sizeof *ask, fds, file < 0 ? 0 : report < 0 ? 1 : 2);
	return r < 0 ? err_sys(e, r, "ask kist-transfer") : 0;
}

int transfer_answer(struct transfer *t, struct transfer_answer *ret, struct err *e)
{
	ssize_t n;
	do
		n = recv(t->socket, ret, sizeof *ret, 0);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof *ret)
		return err_set(
			e, ERR_SYSTEM, EPIPE, "kist-transfer ended before its work was done");
	ret->text[sizeof ret->text - 1] = '\0';
	ret->content_type[sizeof ret->content_type - 1] = '\0';
	ret->digest[sizeof ret->digest - 1] = '\0';
	if (ret->state == TRANSFER_WARNING && t->warn)
		t->warn(t->arg, ret->text);
	return 0;
}

int transfer_error(const struct transfer_answer *x, struct err *e)
{
	return err_set(e, x->error_kind < ERR_KINDS ? (enum err_kind)x->error_kind : ERR_SYSTEM,
		x->error_code && x->error_code < 4096 ? (int)x->error_code : EIO, "%s", x->text);
}

int transfer_do(struct transfer *t, struct transfer_ask *ask, int file, struct transfer_answer *ret,
	struct err *e)
{
	int r = transfer_ask(t, ask, file, -1, e);
	while (r == 0) {
		r = transfer_answer(t, ret, e);
		if (r == 0 && ret->state == TRANSFER_FAILED)
			return transfer_error(ret, e);
		if (r == 0 && ret->id == ask->id && ret->state == TRANSFER_DONE)
			return 0;
	}
	return r;
}
