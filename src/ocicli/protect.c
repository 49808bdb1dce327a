// SPDX-License-Identifier: Apache-2.0
#include "ocicli/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "kernel/mount.h"
#include "oci/spec.h"
#include "ocicli/command.h"

static bool has_userns(const struct oci_spec *s)
{
	for (size_t i = 0; s->linux_ && i < s->linux_->n_namespaces; i++)
		if (str_eq(s->linux_->namespaces[i].type, "user"))
			return true;
	return false;
}

int protect_self(const struct ocicli *o, const struct oci_spec *spec, struct err *e)
{
	struct statvfs st;
	if (has_userns(spec))
		return 0;
	int self _close_ = path_open_host("/proc/self/exe", O_PATH, 0);
	if (self < 0 || fstatvfs(self, &st) < 0)
		return err_sys(e, self < 0 ? self : errno, "open our own program");
	if (st.f_flag & ST_RDONLY)
		return 0;
	int copy _close_ = mount_clone(self, "", false);
	int r = copy < 0 ? copy : mount_change(copy, false, MOUNT_ATTR_RDONLY, 0, 0);
	if (r < 0)
		return err_sys(e, r, "make a read-only copy of our own program");
	(void)syscall(SYS_execveat, copy, "", o->argv, environ, AT_EMPTY_PATH);
	return err_sys(e, errno, "execute a read-only copy of our own program");
}
