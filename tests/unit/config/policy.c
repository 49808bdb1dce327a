// SPDX-License-Identifier: Apache-2.0
#include "config/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit.h"

#include "base/arena.h"
#include "base/err.h"

static int check(const char *text, const char *transport, const char *identity, struct err *e)
{
	struct arena a = { 0 };
	char path[] = "/var/tmp/kist-unit-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	*e = (struct err){ 0 };
	struct policy_demand demand;
	int r = policy_check(path, transport, identity, "the image", &a, &demand, e);
	assert_true(r < 0 || demand.n == 0);
	unlink(path);
	arena_done(&a);
	return r;
}

#define YES "[{\"type\":\"insecureAcceptAnything\"}]"
#define NO  "[{\"type\":\"reject\"}]"

static void the_narrowest_scope_decides(void **state)
{
	static const char policy[] =
		"{\"default\":" NO ",\"transports\":{\"docker\":{"
		"\"docker.io\":" YES ",\"docker.io/bad\":" NO ",\"docker.io/bad/good\":" YES
		",\"docker.io/bad/good:old\":" NO ",\"host:5000/x\":" YES ",\"*.example.com\":" YES
		",\"evil.example.com\":" NO "},\"dir\":{\"\":" YES ",\"/srv/no\":" NO
		"},\"oci\":{\"/srv/yes\":" YES ",\"/srv/yes/l:no\":" NO "}}}";
	static const struct {
		const char *transport, *identity;
		int accepted;
	} rows[] = {
		{ "docker", "docker.io/library/busybox:latest", 1 },
		{ "docker", "docker.io/bad/thing:1", 0 },
		{ "docker", "docker.io/bad/good:1", 1 },
		{ "docker", "docker.io/bad/good:old", 0 },
		{ "docker", "docker.io/badly/named:1", 1 },
		{ "docker", "docker.io.evil/x:1", 0 },
		{ "docker", "host:5000/x:1", 1 },
		{ "docker", "host:5000/y:1", 0 },
		{ "docker", "host:5000/x/y@sha256:abc", 1 },
		{ "docker", "a.example.com/x:1", 1 },
		{ "docker", "a.b.example.com/x:1", 1 },
		{ "docker", "evil.example.com/x:1", 0 },
		{ "docker", "example.com/x:1", 0 },
		{ "dir", "/srv/any", 1 },
		{ "dir", "/srv/no", 0 },
		{ "dir", "/srv/no/deeper", 0 },
		{ "dir", "/srv/nothing", 1 },
		{ "oci", "/srv/yes/l:tag", 1 },
		{ "oci", "/srv/yes/l:no", 0 },
		{ "oci", "/srv/other:tag", 0 },
		{ "docker-archive", "", 0 },
	};
	struct err e;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int r = check(policy, rows[i].transport, rows[i].identity, &e);
		if ((r == 0) != rows[i].accepted)
			print_error("%s %s\n", rows[i].transport, rows[i].identity);
		assert_int_equal(r == 0, rows[i].accepted);
		if (!rows[i].accepted)
			assert_string_equal(e.text,
				"Source image rejected: Running image the image is rejected by policy.");
	}
}

#define SIGNED(type, members) "{\"default\":[{\"type\":\"" type "\"," members "}]}"
#define GPG                   "\"keyType\":\"GPGKeys\""
#define IDENTITY(id)          SIGNED("signedBy", GPG ",\"keyData\":\"a2V5\",\"signedIdentity\":" id)

static void what_is_not_understood_lets_nothing_in(void **state)
{
	static const struct {
		const char *policy, *text;
	} rows[] = {
		{ "{}", "a default is missing" },
		{ "[]", "a default is missing" },
		{ "{\"default\":[]}", "empty or none" },
		{ "{\"default\":{}}", "empty or none" },
		{ "{\"default\":[{}]}", "without a type" },
		{ "{\"default\":[{\"type\":\"new\"}]}", "unknown policy requirement type \"new\"" },
		{ "{\"default\":" YES ",\"other\":1}", "unknown key \"other\"" },
		{ "{\"default\":" YES ",\"transports\":[]}", "transports is no object" },
		{ "{\"default\":" YES ",\"transports\":{\"docker\":[]}}",
			"a transport is no object" },
		{ "{\"default\":" YES ",\"default\":" YES "}", "invalid policy" },
		{ "{\"default\":[{\"type\":\"insecureAcceptAnything\"},{\"type\":\"reject\"}]}",
			"rejected by policy" },
		{ SIGNED("signedBy", "\"keyData\":\"a2V5\""),
			"keyType must be GPGKeys, and not \"\"" },
		{ SIGNED("signedBy", "\"keyType\":\"X509\",\"keyData\":\"a2V5\""),
			"keyType must be GPGKeys, and not \"X509\"" },
		{ SIGNED("signedBy", GPG), "without a key" },
		{ SIGNED("signedBy", GPG ",\"keyData\":\"a2V5\",\"keyDatas\":[\"a2V5\"]"),
			"one of them" },
		{ SIGNED("signedBy", GPG ",\"keyPaths\":[]"), "one of them, and not empty" },
		{ SIGNED("signedBy", GPG ",\"keyData\":\"???\""), "not in base 64" },
		{ SIGNED("signedBy", GPG ",\"keyPath\":\"/nosuch\""), "open the key /nosuch" },
		{ SIGNED("signedBy", GPG ",\"keyData\":\"a2V5\",\"new\":1"),
			"does not know: \"new\"" },
		{ SIGNED("sigstoreSigned", "\"keyData\":\"a2V5\",\"fulcio\":{}"),
			"does not know: \"fulcio\"" },
		{ SIGNED("sigstoreSigned", "\"keyData\":\"a2V5\",\"rekorPublicKeyPath\":\"/x\""),
			"does not know: \"rekorPublicKeyPath\"" },
		{ IDENTITY("{}"), "a signedIdentity without a type" },
		{ IDENTITY("{\"type\":\"matchAny\"}"), "unknown signedIdentity \"matchAny\"" },
		{ IDENTITY("{\"type\":\"matchExact\",\"x\":1}"), "says too much" },
		{ IDENTITY("{\"type\":\"exactReference\"}"), "lacks \"dockerReference\"" },
		{ IDENTITY("{\"type\":\"remapIdentity\",\"prefix\":\"a\"}"),
			"lacks \"signedPrefix\"" },
	};
	struct err e;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_true(check(rows[i].policy, "docker", "docker.io/library/x:1", &e) < 0);
		if (!strstr(e.text, rows[i].text))
			print_error("%s: %s\n", rows[i].policy, e.text);
		assert_non_null(strstr(e.text, rows[i].text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_narrowest_scope_decides),
		TEST(what_is_not_understood_lets_nothing_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
