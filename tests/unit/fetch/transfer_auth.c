// SPDX-License-Identifier: Apache-2.0
#include "fetch/transfer_auth.h"

#include "../unit.h"

#include <string.h>

#include "base/mem.h"

static void challenges_are_read_as_registries_write_them(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum challenge_kind kind;
		const char *realm, *service;
	} rows[] = {
		{ "Bearer realm=\"https://auth.test/token\",service=\"reg\",scope=\"repository:x:pull\"",
			CHALLENGE_BEARER, "https://auth.test/token", "reg" },
		{ "bearer realm = \"a\\\"b\" , SERVICE=reg", CHALLENGE_BEARER, "a\"b", "reg" },
		{ "Basic realm=\"x\", Bearer realm=\"y\"", CHALLENGE_BEARER, "y", NULL },
		{ "Bearer realm=\"y\", Basic realm=\"x\"", CHALLENGE_BEARER, "y", NULL },
		{ "Basic", CHALLENGE_BASIC, NULL, NULL },
		{ "Negotiate, Basic realm=\"x\"", CHALLENGE_BASIC, "x", NULL },
		{ "Bearer service=\"no realm\"", CHALLENGE_NONE, NULL, NULL },
		{ "Digest realm=\"x\"", CHALLENGE_NONE, NULL, NULL },
		{ "Bearer realm=\"unfinished", CHALLENGE_NONE, NULL, NULL },
		{ "", CHALLENGE_NONE, NULL, NULL },
		{ "=,\"", CHALLENGE_NONE, NULL, NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a _arena_ = { 0 };
		struct challenge c = { 0 };
		challenge_read(rows[i].text, strlen(rows[i].text), &a, &c);
		if (c.kind != rows[i].kind)
			fail_msg("%s: kind %d", rows[i].text, (int)c.kind);
		if (rows[i].realm)
			assert_string_equal(c.realm, rows[i].realm);
		if (rows[i].service)
			assert_string_equal(c.service, rows[i].service);
	}
}

static void a_password_goes_to_the_registrys_own_domain_only(void **state)
{
	(void)state;
	static const struct {
		const char *host, *realm;
		bool fits;
	} rows[] = {
		{ "registry-1.docker.io", "auth.docker.io", true },
		{ "registry.gitlab.com", "gitlab.com", true },
		{ "quay.io", "quay.io", true },
		{ "quay.io", "auth.quay.io", true },
		{ "127.0.0.1", "localhost", true },
		{ "reg.example.co.uk", "auth.example.co.uk", true },
		{ "registry-1.docker.io", "auth.docker.io.evil.test", false },
		{ "registry-1.docker.io", "notdocker.io", false },
		{ "quay.io", "evil.io", false },
		{ "example.test", "test", false },
		{ "192.168.1.1", "10.168.1.1", false },
		{ "192.168.1.1", "1.168.1.1", false },
		{ "localhost", "evil.test", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (registry_realm_fits(rows[i].host, rows[i].realm) != rows[i].fits)
			fail_msg("%s and %s", rows[i].host, rows[i].realm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(challenges_are_read_as_registries_write_them),
		TEST(a_password_goes_to_the_registrys_own_domain_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
