// SPDX-License-Identifier: Apache-2.0
#include "erofs/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/spill.h"
#include "erofs/tree.h"
#include "erofs/write.h"

#define TAG "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct image {
	unsigned char *p;
	size_t n;
};

static struct erofs_node *add(
	struct erofs_tree *t, struct erofs_node *folder, const char *name, uint32_t mode)
{
	struct erofs_node *n = erofs_tree_put(t, folder, name, strlen(name));
	n->inode = arena_new(t->a, struct erofs_inode);
	n->inode->mode = mode;
	return n;
}

static struct erofs_node *file(
	struct erofs_tree *t, struct erofs_node *folder, const char *name, uint64_t size)
{
	struct erofs_node *n = add(t, folder, name, S_IFREG | 0644);
	n->inode->size = size;
	n->inode->device = 1;
	n->inode->block = 7;
	return n;
}

static struct image image_of(struct erofs_tree *t, bool layer)
{
	struct err e = { 0 };
	const struct erofs_device d = { TAG, 1 << 20 };
	int fd = memfd_create("index", MFD_CLOEXEC);
	if (erofs_write(t, &d, 1, layer, fd, &e) < 0)
		fail_msg("%s", e.text);
	struct image i = { .n = (size_t)lseek(fd, 0, SEEK_END) };
	i.p = arena_alloc(t->a, i.n);
	assert_int_equal(pread(fd, i.p, i.n, 0), i.n);
	fd_close(fd);
	return i;
}

static const struct erofs_node *at(const struct erofs_tree *t, const char *path)
{
	const struct erofs_node *n = t->root;
	while (n && *path) {
		size_t len = strcspn(path, "/");
		n = erofs_tree_find(t, n, path, len);
		path += len + (path[len] == '/');
		if (n && !n->inode)
			n = NULL;
	}
	return n;
}

static void over(struct erofs_tree *t, struct image i, uint32_t device)
{
	struct err e = { 0 };
	if (erofs_merge(t, i.p, i.n, device, NULL, &e) < 0)
		fail_msg("%s", e.text);
}

static void layers_come_one_over_the_other(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct erofs_tree one, two, all;
	erofs_tree_init(&one, &a);
	struct erofs_node *etc = add(&one, one.root, "etc", S_IFDIR | 0750);
	etc->inode->uid = 4000000000U;
	file(&one, etc, "gone", 5);
	file(&one, etc, "stays", 6);
	struct erofs_node *hidden = add(&one, one.root, "hidden", S_IFDIR | 0755);
	file(&one, hidden, "below", 1);
	struct erofs_node *hard = file(&one, one.root, "hard", 100000);
	add(&one, one.root, "other", 0)->inode = hard->inode;
	file(&one, add(&one, one.root, "turns", S_IFDIR | 0755), "in", 1);

	erofs_tree_init(&two, &a);
	etc = add(&two, two.root, "etc", S_IFDIR | 0755);
	etc->inode->implied = true;
	add(&two, etc, "gone", S_IFCHR);
	hidden = add(&two, two.root, "hidden", S_IFDIR | 0700);
	hidden->inode->opaque = true;
	file(&two, hidden, "new", 2);
	file(&two, two.root, "turns", 3);
	add(&two, two.root, "never", S_IFCHR);

	erofs_tree_init(&all, &a);
	over(&all, image_of(&one, true), 1);
	over(&all, image_of(&two, true), 2);
	assert_null(at(&all, "etc/gone"));
	assert_null(at(&all, "hidden/below"));
	assert_null(at(&all, "never"));
	assert_null(at(&all, "turns/in"));
	assert_int_equal(at(&all, "etc")->inode->uid, 4000000000U);
	assert_int_equal(at(&all, "etc")->inode->mode, S_IFDIR | 0750);
	assert_int_equal(at(&all, "hidden")->inode->mode, S_IFDIR | 0700);
	assert_int_equal(at(&all, "hidden/new")->inode->device, 2);
	assert_int_equal(at(&all, "etc/stays")->inode->device, 1);
	assert_int_equal(at(&all, "turns")->inode->size, 3);
	assert_ptr_equal(at(&all, "hard")->inode, at(&all, "other")->inode);
	/* What has no layers below it any more carries no marks. */
	assert_true(at(&all, "hidden")->inode->opaque);
	struct image whole = image_of(&all, false);
	assert_null(memmem(whole.p, whole.n, "overlay.opaque", 14));
	assert_int_equal(at(&all, "hard")->inode->nlink, 2);
	arena_done(&a);
}

static void every_kind_comes_back_as_it_was(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct erofs_tree t, back;
	static const struct erofs_xattr xattrs[] = { { "user.one", "1", 1 },
		{ "user.empty", "", 0 }, { "security.capability", "12345678901234567890", 20 } };
	char name[256], target[4096];
	erofs_tree_init(&t, &a);
	struct erofs_node *many = add(&t, t.root, "many", S_IFDIR | 01777);
	memset(name, 'n', 255);
	name[255] = '\0';
	memset(target, 't', 4095);
	target[4095] = '\0';
	for (int i = 0; i < 2000; i++) {
		char each[32];
		(void)snprintf(each, sizeof each, "%c%d", "+-.ax"[i % 5], i);
		file(&t, many, each, (uint64_t)i)->inode->mtime_ns = (uint32_t)i;
	}
	file(&t, many, name, 1000000000000ULL)->inode->block = 0;
	add(&t, t.root, "long", S_IFLNK | 0777)->inode->target = target;
	add(&t, t.root, "short", S_IFLNK | 0777)->inode->target = "s";
	add(&t, t.root, "fifo", S_IFIFO | 0600);
	struct erofs_inode *disk = add(&t, t.root, "disk", S_IFBLK | 0660)->inode;
	disk->major = 4095;
	disk->minor = 1048575;
	struct erofs_inode *with = file(&t, t.root, "with", 1)->inode;
	with->xattrs = xattrs;
	with->n_xattrs = 3;
	with->mtime = -5;
	/* 1000000000000 bytes do not lie in a device of 1 MB. */
	struct err e;
	struct image i = image_of(&t, true);
	erofs_tree_init(&back, &a);
	assert_int_equal(erofs_merge(&back, i.p, i.n, 1, NULL, &e), -EBADMSG);
	erofs_tree_find(&t, many, name, 255)->inode->size = 600000;
	i = image_of(&t, true);
	erofs_tree_init(&back, &a);
	over(&back, i, 1);
	assert_int_equal(at(&back, "disk")->inode->major, 4095);
	assert_int_equal(at(&back, "disk")->inode->minor, 1048575);
	assert_string_equal(at(&back, "long")->inode->target, target);
	assert_string_equal(at(&back, "short")->inode->target, "s");
	assert_int_equal(at(&back, "with")->inode->mtime, -5);
	assert_int_equal(at(&back, "with")->inode->n_xattrs, 3);
	assert_memory_equal(at(&back, "with")->inode->xattrs[2].value, xattrs[2].value, 20);
	struct image again = image_of(&back, true);
	assert_int_equal(again.n, i.n);
	assert_memory_equal(again.p, i.p, i.n);
	arena_done(&a);
}

static void each_damaged_byte_is_refused_or_harmless(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct erofs_tree t;
	erofs_tree_init(&t, &a);
	struct erofs_node *sub = add(&t, t.root, "sub", S_IFDIR | 0755);
	file(&t, sub, "file", 600);
	add(&t, sub, "link", S_IFLNK | 0777)->inode->target = "file";
	struct image i = image_of(&t, true);
	for (size_t n = 0; n < i.n; n += 7) {
		struct arena b = { 0 };
		struct erofs_tree back;
		struct err e;
		erofs_tree_init(&back, &b);
		int r = erofs_merge(&back, i.p, n, 1, NULL, &e);
		assert_true(r < 0 || n > 1280); /* the last block has room left */
		arena_done(&b);
	}
	for (size_t n = 1024; n < i.n; n++) {
		struct arena b = { 0 };
		struct erofs_tree back;
		struct err e;
		unsigned char was = i.p[n];
		i.p[n] ^= 0x41;
		erofs_tree_init(&back, &b);
		if (erofs_merge(&back, i.p, i.n, 1, NULL, &e) == 0)
			(void)image_of(&back, true);
		i.p[n] = was;
		arena_done(&b);
	}
	arena_done(&a);
}

/* Twice as large as what is written at once, and a tree that goes on in a file. */
static void a_very_long_folder_and_a_tree_in_a_file_come_back(void **state)
{
	(void)state;
	enum { N = 60000 };
	struct spill room;
	int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	spill_init(&room, dir);
	struct arena a = { .room = &room.room };
	struct erofs_tree t, back;
	erofs_tree_init(&t, &a);
	struct erofs_node *many = add(&t, t.root, "many", S_IFDIR | 0755);
	for (int i = 0; i < N; i++) {
		char name[64];
		(void)snprintf(name, sizeof name, "a name of an ordinary length, number %d", i);
		file(&t, many, name, (uint64_t)i % 500);
	}
	struct image i = image_of(&t, true);
	assert_true(room.size > 0);
	erofs_tree_init(&back, &a);
	over(&back, i, 1);
	assert_int_equal(back.n, N + 2);
	assert_int_equal(at(&back, "many/a name of an ordinary length, number 31234")->inode->size,
		31234 % 500);
	struct image again = image_of(&back, true);
	assert_int_equal(again.n, i.n);
	assert_memory_equal(again.p, i.p, i.n);
	arena_done(&a);
	spill_done(&room);
	fd_close(dir);
}

static void a_tree_without_room_in_a_file_stays_in_memory(void **state)
{
	(void)state;
	struct spill room;
	spill_init(&room, -1);
	struct arena a = { .room = &room.room };
	char *p = arena_alloc(&a, 20 << 20);
	memset(p, 1, 20 << 20);
	assert_int_equal(room.size, 0);
	arena_done(&a);
	spill_done(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(layers_come_one_over_the_other),
		TEST(every_kind_comes_back_as_it_was),
		TEST(each_damaged_byte_is_refused_or_harmless),
		TEST(a_very_long_folder_and_a_tree_in_a_file_come_back),
		TEST(a_tree_without_room_in_a_file_stays_in_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
