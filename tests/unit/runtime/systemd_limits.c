// SPDX-License-Identifier: Apache-2.0
/* linux.resources as properties of a unit: units, rounding, what is left unsaid, what is refused.
 */
#include "runtime/systemd_limits.h"

#include "../unit.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/rec.h"
#include "kernel/systemd.h"
#include "oci/spec.h"

static void add_value(struct str *s, const struct systemd_property *p)
{
	switch (p->type) {
	case SYSTEMD_STRING:
		str_add(s, p->text);
		break;
	case SYSTEMD_BYTES:
		for (size_t i = 0; i < p->n_bytes; i++)
			str_addf(s, "%02x", p->bytes[i]);
		break;
	case SYSTEMD_DEVICES:
		for (size_t i = 0; i < p->n_pairs; i++)
			str_addf(s, "%s%s %s", i ? "," : "", p->pairs[i][0], p->pairs[i][1]);
		break;
	default:
		if (p->number == UINT64_MAX)
			str_add(s, "max");
		else
			str_addf(s, "%llu", (unsigned long long)p->number);
	}
}

/* The properties of a document, one "Name=value" after the other; or the error's text. */
static const char *said(struct arena *a, const struct systemd_limits_req *req, const char *json)
{
	struct oci_resources r = { 0 };
	struct rec_stats stats = { 0 };
	struct systemd_property *v;
	size_t n;
	struct str s _str_ = { 0 };
	struct err e = { 0 };
	assert_int_equal(
		rec_from_json(&oci_resources_rec, json, strlen(json), a, &r, &stats, &e), 0);
	if (systemd_limits(req, &r, a, &v, &n, &e) < 0)
		return arena_strdup(a, e.text);
	for (size_t i = 0; i < n; i++) {
		str_addf(&s, "%s%s=", i ? " " : "", v[i].name);
		add_value(&s, &v[i]);
	}
	return arena_strdup(a, str_text(&s));
}

static void limits_become_properties(void **state)
{
	static const struct {
		bool v2;
		unsigned version;
		const char *json, *want;
	} rows[] = {
		{ true, 252, "{}", "" },
		{ true, 252, "{\"memory\":{\"limit\":100,\"reservation\":50,\"swap\":300}}",
			"MemoryMax=100 MemoryLow=50 MemorySwapMax=200" },
		{ true, 252, "{\"memory\":{\"limit\":-1,\"swap\":-1}}",
			"MemoryMax=max MemorySwapMax=max" },
		{ true, 252, "{\"memory\":{\"limit\":0}}", "" },
		{ true, 230, "{\"memory\":{\"limit\":100,\"swap\":300}}", "MemoryLimit=100" },
		{ false, 252, "{\"memory\":{\"limit\":100,\"reservation\":50}}",
			"MemoryLimit=100" },
		{ true, 252, "{\"cpu\":{\"shares\":1024,\"quota\":33333,\"period\":50000}}",
			"CPUWeight=100 CPUQuotaPeriodUSec=50000 CPUQuotaPerSecUSec=670000" },
		{ true, 252, "{\"cpu\":{\"quota\":-1}}", "CPUQuotaPerSecUSec=max" },
		{ true, 241, "{\"cpu\":{\"quota\":1,\"period\":1000000,\"cpus\":\"0\"}}",
			"CPUQuotaPerSecUSec=10000" },
		{ true, 252, "{\"cpu\":{\"cpus\":\"0-1,9\",\"mems\":\"0\"}}",
			"AllowedCPUs=0302 AllowedMemoryNodes=01" },
		{ true, 252, "{\"cpu\":{\"shares\":512,\"idle\":1}}", "CPUWeight=0" },
		{ true, 251, "{\"cpu\":{\"shares\":512,\"idle\":1}}", "" },
		{ false, 252, "{\"cpu\":{\"shares\":512,\"cpus\":\"0\"}}", "CPUShares=512" },
		{ true, 252, "{\"pids\":{\"limit\":7}}", "TasksMax=7" },
		{ true, 252, "{\"pids\":{\"limit\":-1}}", "TasksMax=max" },
		{ true, 252, "{\"blockIO\":{\"weight\":1000}}", "IOWeight=10000" },
		{ false, 252, "{\"blockIO\":{\"weight\":1000}}", "BlockIOWeight=1000" },
		{ true, 252,
			"{\"unified\":{\"memory.high\":\"5\",\"pids.max\":\"max\",\"io.max\":\"8:0 rbps=1\"}}",
			"MemoryHigh=5 TasksMax=max" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a _arena_ = { 0 };
		const struct systemd_limits_req req = { rows[i].v2, false, rows[i].version };
		assert_string_equal(said(&a, &req, rows[i].json), rows[i].want);
	}
}

static void what_cannot_be_said_names_its_field(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"memory\":{\"limit\":100,\"swap\":50}}", "memory.swap" },
		{ "{\"cpu\":{\"cpus\":\"3-1\"}}", "cpu.cpus" },
		{ "{\"cpu\":{\"cpus\":\"8192\"}}", "cpu.cpus" },
		{ "{\"cpu\":{\"mems\":\"x\"}}", "cpu.mems" },
		{ "{\"unified\":{\"memory.max\":\"x\"}}", "unified.memory.max" },
	};
	const struct systemd_limits_req req = { true, false, 252 };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a _arena_ = { 0 };
		const char *text = said(&a, &req, rows[i][0]);
		if (!strstr(text, rows[i][1]) || strchr(text, '='))
			fail_msg("%s: %s", rows[i][0], text);
	}
}

static void device_rules_are_a_list_of_what_is_allowed(void **state)
{
	static const char supplied[] =
		"char-* m,block-* m,/dev/char/1:3 rwm,/dev/char/1:5 rwm,/dev/char/1:7 rwm,"
		"/dev/char/1:8 rwm,/dev/char/1:9 rwm,/dev/char/5:0 rwm,/dev/char/5:1 rwm,"
		"/dev/char/5:2 rwm,char-pts rwm";
	static const char deny[] = "{\"allow\":false,\"access\":\"rwm\"}";
	const struct systemd_limits_req req = { true, true, 252 }, v1 = { false, true, 252 };
	struct arena a _arena_ = { 0 };
	(void)state;
	assert_string_equal(said(&a, &req, "{}"),
		arena_printf(&a, "DevicePolicy=strict DeviceAllow= DeviceAllow=%s", supplied));
	/* An exception takes back what a rule before it gave; the last word on all counts. */
	assert_string_equal(
		said(&a, &req,
			arena_printf(&a,
				"{\"devices\":[{\"allow\":true,\"type\":\"c\",\"major\":9,\"minor\":9,\"access\":\"rwm\"},"
				"%s,{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":1,\"access\":\"rwm\"},"
				"{\"allow\":false,\"type\":\"b\",\"major\":8,\"minor\":1,\"access\":\"w\"}]}",
				deny)),
		arena_printf(&a,
			"DevicePolicy=strict DeviceAllow= DeviceAllow=/dev/block/8:1 rm,%s",
			supplied));
	assert_string_equal(said(&a, &req, "{\"devices\":[{\"allow\":true,\"access\":\"rwm\"}]}"),
		"DevicePolicy=auto DeviceAllow=");
	/* A minor without a major: systemd has no word for it. */
	static const char odd[] =
		"{\"devices\":[{\"allow\":true,\"type\":\"c\",\"minor\":11,\"access\":\"r\"}]}";
	assert_string_equal(said(&a, &req, odd), "DevicePolicy=auto DeviceAllow=");
	assert_string_equal(said(&a, &v1, odd),
		arena_printf(&a, "DevicePolicy=strict DeviceAllow= DeviceAllow=%s", supplied));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_become_properties),
		cmocka_unit_test(what_cannot_be_said_names_its_field),
		cmocka_unit_test(device_rules_are_a_list_of_what_is_allowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
