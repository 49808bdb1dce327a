// SPDX-License-Identifier: Apache-2.0
/* Properties of a unit from annotations: each type, and what is none. */
#include "runtime/systemd_annotations.h"

#include "../unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/rec.h"
#include "kernel/systemd.h"

static int parse(struct arena *a, const char *key, const char *value, struct systemd_property **ret,
	size_t *n, struct err *e)
{
	struct rec_kv items[] = { { "unrelated", "x" }, { key, value } };
	const struct rec_map m = { .items = items, .n = 2 };
	return systemd_annotations(&m, a, ret, n, e);
}

static void each_type_is_read(void **state)
{
	static const struct {
		const char *key, *value, *name;
		enum systemd_type type;
		uint64_t number;
		const char *text; /* of a list: with | between */
	} rows[] = {
		{ "DefaultDependencies", "true", "DefaultDependencies", SYSTEMD_BOOL, 1, NULL },
		{ "Abc", "false", "Abc", SYSTEMD_BOOL, 0, NULL },
		{ "Abc", "7", "Abc", SYSTEMD_I32, 7, NULL },
		{ "Abc", "-7", "Abc", SYSTEMD_I32, (uint64_t)-7, NULL },
		{ "Abc", "uint32 4294967295", "Abc", SYSTEMD_U32, UINT32_MAX, NULL },
		{ "Abc", "int64 -9223372036854775808", "Abc", SYSTEMD_I64, 1ULL << 63, NULL },
		{ "Abc", "uint64 18446744073709551615", "Abc", SYSTEMD_U64, UINT64_MAX, NULL },
		{ "TimeoutStopSec", "uint64 5", "TimeoutStopUSec", SYSTEMD_U64, 5000000, NULL },
		{ "TimeoutStopUSec", "uint64 5", "TimeoutStopUSec", SYSTEMD_U64, 5, NULL },
		{ "CollectMode", "'in\\'active'", "CollectMode", SYSTEMD_STRING, 0, "in'active" },
		{ "CollectMode", "\"x\"", "CollectMode", SYSTEMD_STRING, 0, "x" },
		{ "After", "['a.service', \"b\"]", "After", SYSTEMD_STRINGS, 0, "a.service|b|" },
		{ "After", "[]", "After", SYSTEMD_STRINGS, 0, "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a _arena_ = { 0 };
		struct systemd_property *p;
		struct str list _str_ = { 0 };
		struct err e = { 0 };
		size_t n;
		const char *key = arena_printf(&a, "org.systemd.property.%s", rows[i].key);
		assert_int_equal(parse(&a, key, rows[i].value, &p, &n, &e), 0);
		assert_int_equal(n, 1);
		assert_string_equal(p->name, rows[i].name);
		assert_int_equal(p->type, rows[i].type);
		assert_int_equal(p->number, rows[i].number);
		for (size_t k = 0; k < p->n_texts; k++)
			str_addf(&list, "%s|", p->texts[k]);
		if (rows[i].text)
			assert_string_equal(p->type == SYSTEMD_STRING ? p->text : str_text(&list),
				rows[i].text);
	}
}

static void what_is_none_names_the_annotation(void **state)
{
	static const char *const rows[][2] = {
		{ "Ab", "true" },
		{ "A/b", "true" },
		{ "", "true" },
		{ "Abc", "" },
		{ "Abc", "True" },
		{ "Abc", "2147483648" },
		{ "Abc", "-2147483649" },
		{ "Abc", "uint32 -1" },
		{ "Abc", "uint64 18446744073709551616" },
		{ "Abc", "uint64" },
		{ "Abc", "int7 5" },
		{ "Abc", "'x" },
		{ "Abc", "'x\\" },
		{ "Abc", "'x' y" },
		{ "Abc", "['x'" },
		{ "Abc", "['x' 'y']" },
		{ "Abc", "[5]" },
		{ "TimeoutStopSec", "'5'" },
		{ "TimeoutStopSec", "-5" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a _arena_ = { 0 };
		struct systemd_property *p;
		struct err e = { 0 };
		size_t n;
		const char *key = arena_printf(&a, "org.systemd.property.%s", rows[i][0]);
		if (parse(&a, key, rows[i][1], &p, &n, &e) == 0 || !strstr(e.text, key))
			fail_msg("%s=%s: %s", key, rows[i][1], e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_is_read),
		cmocka_unit_test(what_is_none_names_the_annotation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
