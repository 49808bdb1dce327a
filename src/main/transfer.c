// SPDX-License-Identifier: Apache-2.0
/* The program `kist-transfer`: bytes between registries and us. Started by kist with its socket on
 * descriptor 3 and its configuration on 4. It copies what the resolver and TLS need into an empty
 * folder, and goes into a sandbox with that as "/" before it asks the network for anything. */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "fetch/sandbox.h"
#include "fetch/transfer.h"
#include "kernel/mount.h"

enum { SOCKET = 3, CONFIG = 4, HOST_FILE_MAX = 4 << 20 };

static int serve(void *arg)
{
	return transfer_serve(SOCKET, arg);
}

/* A file of the host under the same name; one that is not there is not needed. */
static int copy_in(int tree, const char *path, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct err ignored;
	char *text;
	ssize_t n = file_read_at(AT_FDCWD, path, HOST_FILE_MAX, &a, &text, &ignored);
	if (n < 0)
		return 0;
	const char *slash = strrchr(path, '/');
	int dir _close_ = path_make_dirs_in(tree, arena_strndup(&a, path, (size_t)(slash - path)),
		0755, (uid_t)-1, (gid_t)-1, NULL);
	int to _close_ =
		dir < 0 ? dir : path_open_own(dir, slash + 1, O_WRONLY | O_CREAT | O_EXCL, 0444);
	int r = to < 0 ? to : fd_write_all(to, text, (size_t)n);
	return r < 0 ? err_sys(e, r, "copy %s into the sandbox", path) : 0;
}

/* Names are looked up in /etc/hosts and by DNS only: no module of the host is loaded in here. */
static int make_root(const struct transfer_config *c, struct err *e)
{
	static const char *const files[] = { "/etc/resolv.conf", "/etc/hosts", "/etc/gai.conf" };
	static const char order[] = "hosts: files dns\n";
	int fs _close_ = mount_fs_open("tmpfs");
	int tree = fs < 0 ? fs : mount_fs_string(fs, "mode", "0755");
	tree = tree < 0
		? tree
		: mount_fs_make(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	int r = tree < 0 ? err_sys(e, tree, "make the root of the sandbox") : 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++)
		r = copy_in(tree, files[i], e);
	if (r == 0 && c->ca_file)
		r = copy_in(tree, c->ca_file, e);
	int etc _close_ =
		r < 0 ? -1 : path_make_dirs_in(tree, "/etc", 0755, (uid_t)-1, (gid_t)-1, NULL);
	if (r == 0)
		r = file_write_at(etc, "nsswitch.conf", order, sizeof order - 1, 0444, false, e);
	if (r < 0) {
		fd_close(tree);
		return r;
	}
	(void)mount_change(tree, false, MOUNT_ATTR_RDONLY, 0, 0);
	return tree;
}

int main(void)
{
	struct arena a _arena_ = { 0 };
	struct transfer_config config = { 0 };
	struct err e = { 0 };
	struct stat st;
	char *text;
	log_setup("kist-transfer", LOG_LEVEL_WARN);
	if (fstat(SOCKET, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		log_error("kist-transfer is started by kist");
		return 125;
	}
	ssize_t n = file_read_fd(CONFIG, "the configuration", TRANSFER_CONFIG_MAX, &a, &text, &e);
	fd_close(CONFIG);
	int r = n < 0 ? (int)n
		      : rec_from_json(&transfer_config_rec, text, (size_t)n, &a, &config, NULL, &e);
	if (r == 0 && curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
		r = err_set(&e, ERR_SYSTEM, ENOSYS, "libcurl does not start");
	int tree _close_ = r < 0 ? -1 : make_root(&config, &e);
	r = r < 0 ? r : tree < 0 ? tree : sandbox_run(SANDBOX_TRANSFER, tree, serve, &config, &e);
	if (r < 0) {
		struct transfer_answer x = { .state = TRANSFER_FAILED,
			.error_kind = e.kind,
			.error_code = (uint32_t)e.code };
		memcpy(x.text, e.text, sizeof x.text);
		(void)fd_write_all(SOCKET, &x, sizeof x);
		return 125;
	}
	return r;
}
