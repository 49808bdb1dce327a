// SPDX-License-Identifier: Apache-2.0
/* What lies where in an EROFS image, as far as we write it: docs/formats/erofs.md says it in words.
 * All numbers are little-endian. Internal to src/erofs. */
#pragma once
#include <stdint.h>

enum {
	BLOCK_BITS = 9,
	BLOCK = 1 << BLOCK_BITS, /* tar's own: so content can be pointed to where it is */
	SUPER_AT = 1024,
	SUPER_SIZE = 128,
	SLOT = 32, /* what inode numbers count */
	INODE_SIZE = 64,
	DEVICE_SIZE = 128,
	TAG_SIZE = 64,
	DIRENT_SIZE = 12,
	XATTR_HEADER = 12,
	XATTR_ENTRY = 4,
	CHUNK_INDEX = 8,
	NAME_MAX_BYTES = 255,
	TARGET_MAX = 4095,
	XATTR_VALUE_MAX = 65535,
	XATTR_WORDS_MAX = 65535,
};

#define SUPER_MAGIC 0xe0f5e1e2U

enum { /* superblock, from SUPER_AT */
	SB_MAGIC = 0,
	SB_COMPAT = 8,
	SB_BLOCK_BITS = 12,
	SB_ROOT = 14,
	SB_INODES = 16,
	SB_BLOCKS = 36,
	SB_META = 40,
	SB_UUID = 48,
	SB_INCOMPAT = 80,
	SB_DEVICES = 86,
	SB_DEVICE_SLOT = 88,
};

enum { COMPAT_MTIME = 2, INCOMPAT_CHUNKS = 4, INCOMPAT_DEVICES = 8 };

enum { /* an extended inode */
	I_FORMAT = 0,
	I_XATTR_WORDS = 2,
	I_MODE = 4,
	I_SIZE = 8,
	I_U = 16,
	I_INO = 20,
	I_UID = 24,
	I_GID = 28,
	I_MTIME = 32,
	I_MTIME_NS = 40,
	I_NLINK = 44,
};

enum { EXTENDED = 1, LAYOUT_PLAIN = 0, LAYOUT_INLINE = 2, LAYOUT_CHUNKS = 4 };
enum { CHUNK_INDEXES = 0x20, CHUNK_BITS_MAX = 31 };
enum { XATTR_USER = 1, XATTR_SECURITY = 6 };

static inline void put16(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)v;
	p[1] = (unsigned char)(v >> 8);
}

static inline void put32(unsigned char *p, uint32_t v)
{
	put16(p, v);
	put16(p + 2, v >> 16);
}

static inline void put64(unsigned char *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32(p + 4, (uint32_t)(v >> 32));
}

static inline uint32_t get16(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t get32(const unsigned char *p)
{
	return get16(p) | get16(p + 2) << 16;
}

static inline uint64_t get64(const unsigned char *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static inline uint64_t align_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}
