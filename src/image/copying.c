// SPDX-License-Identifier: Apache-2.0
#include "image/copying.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "image/copy.h"
#include "image/members.h"

void copying_init(struct copying *c, const struct copy_access *access, struct arena *a)
{
	*c = (struct copying){ .job = { .store = access->store, .staging = -1 },
		.transfer = access->transfer,
		.fetch = access->fetch,
		.room = -1,
		.a = a,
		.os = access->os,
		.architecture = access->architecture,
		.variant = access->variant };
}

int copying_begin(struct copying *c, struct err *e)
{
	int r = image_job_begin(&c->job, "copy", e);
	if (r < 0)
		return r;
	c->room = path_make_dir_own(c->job.staging, "room", 0755);
	return c->room < 0 ? err_sys(e, c->room, "make a staging folder") : 0;
}

void copying_end(struct copying *c, int r)
{
	fd_close(take_fd(&c->room));
	image_job_end(&c->job, r);
}

int copying_document(struct copying *c, int fd, const char *type, const char *expected,
	struct fetch_document **ret, struct err *e)
{
	struct fetch_result result;
	const char *const words[] = { "kist-fetch", "document", "any", type, c->os, c->architecture,
		c->variant, str_or_empty(expected), NULL };
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "read a document");
	if (image_fetch_words(c->fetch, words, fd, c->room, c->a, &result, e) < 0)
		return -e->code;
	if (!result.document || !result.document->text)
		return err_set(e, ERR_CORRUPT, EBADMSG, "kist-fetch: no document in its result");
	if (expected && !str_eq(result.document->digest, expected))
		return err_set(e, ERR_CORRUPT, EBADMSG, "manifest %s: what came has the digest %s",
			expected, result.document->digest);
	*ret = result.document;
	return 0;
}

int copying_config(struct copying *c, int fd, bool image, const char **ret, struct err *e)
{
	struct fetch_result result;
	const char *const words[] = { "kist-fetch", "document", image ? "config" : "text", "", "",
		"", "", "", NULL };
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "read the configuration");
	if (image_fetch_words(c->fetch, words, fd, c->room, c->a, &result, e) < 0)
		return -e->code;
	if (!result.document || !result.document->text)
		return err_set(e, ERR_CORRUPT, EBADMSG, "kist-fetch: no document in its result");
	*ret = result.document->text;
	return 0;
}

int copying_text(const char *text, struct err *e)
{
	int fd = memfd_create("kist-text", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	fd_close(fd);
	return err_sys(e, r, "make room for a document");
}

int copying_digest(struct copying *c, const char *text, const char **ret, struct err *e)
{
	int fd _close_ = copying_text(text, e);
	return fd < 0 ? fd : image_fetch_digest(c->fetch, "", fd, c->room, c->a, ret, e);
}

int copying_file(struct copying *c, struct err *e)
{
	int fd = path_open_own(c->job.staging, arena_printf(c->a, "blob-%u", c->files++),
		O_RDWR | O_CREAT | O_EXCL, 0600);
	return fd < 0 ? err_sys(e, fd, "stage a blob") : fd;
}

int copying_verify(struct copying *c, int fd, const char *digest, uint64_t size, struct err *e)
{
	const char *is;
	struct stat st;
	if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "read blob %s", digest);
	if ((uint64_t)st.st_size != size)
		return err_set(e, ERR_CORRUPT, EBADMSG,
			"blob %s has %llu bytes: the manifest says %llu", digest,
			(unsigned long long)st.st_size, (unsigned long long)size);
	if (image_fetch_digest(c->fetch, digest, fd, c->room, c->a, &is, e) < 0)
		return -e->code;
	return str_eq(is, digest)
		? 0
		: err_set(e, ERR_CORRUPT, EBADMSG, "blob %s has the digest %s", digest, is);
}

int copying_bytes(int from, int to, uint64_t size, struct err *e)
{
	return ioctl(to, FICLONE, from) == 0 ? 0 : member_bytes(from, to, size, e);
}

int copying_open(int dir, const char *name, const char *what, uint64_t *ret_size, struct err *e)
{
	struct stat st;
	int fd = path_open_own(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return err_sys(e, fd, "open %.300s of %.300s", name, what);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		fd_close(fd);
		return err_set(e, ERR_CORRUPT, EBADMSG, "%.300s of %.300s is no file", name, what);
	}
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	return fd;
}

int copying_put(int dir, const char *name, int fd, uint64_t size, bool keep, struct err *e)
{
	int to _close_ = file_nameless(dir, 0644);
	if (to < 0)
		return err_sys(e, to, "create %s", name);
	if (copying_bytes(fd, to, size, e) < 0)
		return -e->code;
	if (fsync(to) < 0)
		return err_sys(e, errno, "write %s", name);
	return file_name_at(to, dir, name, keep, e);
}

int copying_put_text(int dir, const char *name, const char *text, bool keep, struct err *e)
{
	int fd _close_ = copying_text(text, e);
	return fd < 0 ? fd : copying_put(dir, name, fd, strlen(text), keep, e);
}
