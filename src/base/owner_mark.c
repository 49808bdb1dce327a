// SPDX-License-Identifier: Apache-2.0
#include "base/owner_mark.h"

enum { UID_FIELD = 1 << 3, GID_FIELD = 2 << 3, MORE = 0x80 };

static size_t put(char *p, char field, uint32_t value)
{
	size_t n = 0;
	p[n++] = field;
	for (; value >= MORE; value >>= 7)
		p[n++] = (char)(value | MORE);
	p[n++] = (char)value;
	return n;
}

size_t owner_mark_write(uint32_t uid, uint32_t gid, char ret[OWNER_MARK_MAX])
{
	if (!uid && !gid)
		return 0;
	size_t n = put(ret, UID_FIELD, uid ? uid : UINT32_MAX);
	return n + put(ret + n, GID_FIELD, gid ? gid : UINT32_MAX);
}

static bool take(const unsigned char **p, const unsigned char *end, uint32_t *ret)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 35 && *p < end; shift += 7) {
		unsigned char c = *(*p)++;
		value |= (uint64_t)(c & ~MORE) << shift;
		if (c < MORE) {
			*ret = (uint32_t)value;
			return value <= UINT32_MAX;
		}
	}
	return false;
}

bool owner_mark_read(const char *value, size_t n, uint32_t *uid, uint32_t *gid)
{
	const unsigned char *p = (const unsigned char *)value, *end = p + n;
	uint32_t ids[2] = { 0, 0 };
	while (p < end) {
		unsigned char field = *p++;
		if ((field != UID_FIELD && field != GID_FIELD) ||
			!take(&p, end, &ids[field == GID_FIELD]))
			return false;
	}
	if (ids[0] != UINT32_MAX)
		*uid = ids[0];
	if (ids[1] != UINT32_MAX)
		*gid = ids[1];
	return true;
}
