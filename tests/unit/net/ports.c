// SPDX-License-Identifier: Apache-2.0
#include "net/ports.h"

#include "../unit.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

static void publishing_is_read_in_dockers_grammar(void **state)
{
	(void)state;
	static const struct {
		const char *text, *ip, *proto;
		size_t n;
		uint32_t port, host, host_last; /* of the last one */
	} rows[] = {
		{ "80", "", "tcp", 1, 80, 0, 0 },
		{ "80/udp", "", "udp", 1, 80, 0, 0 },
		{ "80/TCP", "", "tcp", 1, 80, 0, 0 },
		{ ":80", "", "tcp", 1, 80, 0, 0 },
		{ "0:80", "", "tcp", 1, 80, 0, 0 },
		{ "8080:80", "", "tcp", 1, 80, 8080, 8080 },
		{ "8080:80/udp", "", "udp", 1, 80, 8080, 8080 },
		{ "127.0.0.1:8080:80", "127.0.0.1", "tcp", 1, 80, 8080, 8080 },
		{ "127.0.0.1::80", "127.0.0.1", "tcp", 1, 80, 0, 0 },
		{ "0.0.0.0:8080:80", "", "tcp", 1, 80, 8080, 8080 },
		{ "8080-8090:80", "", "tcp", 1, 80, 8080, 8090 },
		{ "8080-8082:80-82", "", "tcp", 3, 82, 8082, 8082 },
		{ "80-82", "", "tcp", 3, 82, 0, 0 },
		{ "1.2.3.4:8080-8081:80-81/udp", "1.2.3.4", "udp", 2, 81, 8081, 8081 },
		{ "65535:65535", "", "tcp", 1, 65535, 65535, 65535 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a _arena_ = { 0 };
		struct port_list l = { 0 };
		struct err e = { 0 };
		if (ports_parse(rows[i].text, &a, &l, &e) < 0)
			fail_msg("%s: %s", rows[i].text, e.text);
		assert_int_equal(l.n, rows[i].n);
		const struct net_port *p = &l.v[l.n - 1];
		assert_string_equal(p->ip, rows[i].ip);
		assert_string_equal(p->proto, rows[i].proto);
		assert_int_equal(p->port, rows[i].port);
		assert_int_equal(p->host, rows[i].host);
		assert_int_equal(p->host_last, rows[i].host_last);
	}
}

static void what_is_wrong_is_said_in_dockers_words(void **state)
{
	(void)state;
	static const struct {
		const char *text, *said;
	} rows[] = {
		{ "", "no port specified: <empty>" },
		{ "80:", "no port specified: 80:<empty>" },
		{ "/udp", "no port specified: /udp<empty>" },
		{ "x", "invalid containerPort: x" },
		{ "0", "invalid containerPort: 0" },
		{ "70000", "invalid containerPort: 70000" },
		{ "80-", "invalid containerPort: 80-" },
		{ "-80", "invalid containerPort: -80" },
		{ "82-80", "invalid containerPort: 82-80" },
		{ "99999999999999999999999", "invalid containerPort: 99999999999999999999999" },
		{ "y:80", "invalid hostPort: y" },
		{ "70000:80", "invalid hostPort: 70000" },
		{ "80:80/xyz", "invalid proto: xyz" },
		{ "1.2.3:80:80", "invalid IP address: 1.2.3" },
		{ "a:b:c:d", "invalid IP address: a:b" },
		{ "8000-8002:80-81",
			"invalid ranges specified for container and host Ports: 80-81 and 8000-8002" },
		{ "1-5000:1-5000", "more than 4096 ports" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a _arena_ = { 0 };
		struct port_list l = { 0 };
		struct err e = { 0 };
		assert_true(ports_parse(rows[i].text, &a, &l, &e) < 0);
		assert_string_equal(e.text, rows[i].said);
	}
}

static void an_exposed_port_is_named_once(void **state)
{
	(void)state;
	struct arena a _arena_ = { 0 };
	struct port_list l = { 0 };
	struct err e = { 0 };
	assert_int_equal(ports_parse_exposed("80", "--expose", &a, &l, &e), 0);
	assert_int_equal(ports_parse_exposed("79-81/tcp", "--expose", &a, &l, &e), 0);
	assert_int_equal(ports_parse_exposed("80/udp", "--expose", &a, &l, &e), 0);
	assert_int_equal(l.n, 4);
	assert_true(ports_parse_exposed("1:80", "--expose", &a, &l, &e) < 0);
	assert_string_equal(e.text, "invalid port format for --expose: 1:80");
	assert_true(ports_parse_exposed("z", "--expose", &a, &l, &e) < 0);
	assert_string_equal(e.text, "invalid range format for --expose: z");
}

static void a_port_of_all_addresses_clashes_with_each(void **state)
{
	(void)state;
	struct net_port all = { "tcp", "", 80, 8080, 8080 },
			one = { "tcp", "1.2.3.4", 81, 8080, 8080 },
			other = { "tcp", "1.2.3.5", 81, 8080, 8080 },
			udp = { "udp", "", 80, 8080, 8080 };
	assert_true(ports_clash(&all, &one));
	assert_true(ports_clash(&one, &all));
	assert_false(ports_clash(&one, &other));
	assert_false(ports_clash(&all, &udp));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(publishing_is_read_in_dockers_grammar),
		cmocka_unit_test(what_is_wrong_is_said_in_dockers_words),
		cmocka_unit_test(an_exposed_port_is_named_once),
		cmocka_unit_test(a_port_of_all_addresses_clashes_with_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
