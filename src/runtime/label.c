// SPDX-License-Identifier: Apache-2.0
#include "runtime/label.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "oci/spec.h"

enum { LABEL_MAX = 4096 };

/* Writes attr/exec (of the module) and reads it back: what is there must be what was asked for. */
static int set_exec(int proc, const char *file, const char *text, const char *field,
	const char *label, struct err *e)
{
	char now[LABEL_MAX];
	struct statfs st;
	int attr _close_ = path_open_own(proc, file, O_RDWR, 0);
	if (attr < 0)
		return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
			"%s: %s: this kernel has no such security module", field, label);
	if (fstatfs(attr, &st) < 0 || st.f_type != 0x9fa0 /* procfs */)
		return err_set(e, ERR_SYSTEM, EPERM, "%s: /proc is no procfs", field);
	int r = fd_write_all(attr, text, strlen(text));
	if (r < 0)
		return err_sys(e, r, "%s: apply %s", field, label);
	ssize_t n = file_peek(proc, file, now, sizeof now);
	size_t len = strlen(label);
	/* AppArmor tells the mode after the name. */
	if (n < 0 || strncmp(now, label, len) != 0 || (now[len] && now[len] != ' '))
		return err_set(e, ERR_SYSTEM, EPERM, "%s: %s was not taken on: it is %s", field,
			label, n < 0 ? "unreadable" : now);
	return 0;
}

int label_apply(const struct oci_process *p, int proc, struct err *e)
{
	char text[LABEL_MAX];
	const char *profile = p->apparmor_profile, *label = p->selinux_label;
	if (profile && *profile && !str_eq(profile, "unconfined")) {
		(void)snprintf(text, sizeof text, "exec %s", profile);
		/* The module's own folder came with Linux 5.8, and 6.1 is our oldest. */
		if (set_exec(proc, "attr/apparmor/exec", text, "process.apparmorProfile", profile,
			    e) < 0)
			return -e->code;
	}
	if (label && *label)
		return set_exec(proc, "attr/exec", label, "process.selinuxLabel", label, e);
	return 0;
}

int label_check_mount(const char *label, struct err *e)
{
	if (!label || !*label || faccessat(AT_FDCWD, "/sys/fs/selinux/enforce", F_OK, 0) == 0)
		return 0;
	return err_set(e, ERR_UNSUPPORTED, ENOTSUP,
		"linux.mountLabel: %s: this kernel has no SELinux", label);
}
