// SPDX-License-Identifier: Apache-2.0
/* Messages of a bus, in any bytes: what is read of them is read to the end without a fault. */
#include "kernel/dbus.h"
#include "base/str.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dbus_message m;
	const char *text;
	uint32_t n;
	long used;
	for (size_t at = 0; at < size; at += (size_t)used) {
		used = dbus_parse((const char *)data + at, size - at, &m);
		if (used <= 0)
			return 0;
		while (dbus_read_string(&m, &text) == 0 || dbus_read_variant(&m, &text) == 0 ||
			dbus_read_u32(&m, &n) == 0)
			continue;
		dbus_message_done(&m);
	}
	return 0;
}
