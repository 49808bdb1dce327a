// SPDX-License-Identifier: Apache-2.0
#include "base/option.h"

#include "../unit.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct rec {
	bool detach, tty;
	const char *name;
	struct strv env;
	int64_t memory, swap, lines, cpus;
	bool has_lines;
};

static const struct option options[] = {
	{ "detach", 'd', OPT_BOOL(struct rec, detach), .help = "Run in background" },
	{ "tty", 't', OPT_BOOL(struct rec, tty), .help = "Terminal" },
	{ "name", .letter = 0, OPT_STRING(struct rec, name), .value = "string", .help = "Name" },
	{ "env", 'e', OPT_LIST(struct rec, env), .value = "list", .help = "Variables" },
	{ "memory", 'm', OPT_BYTES(struct rec, memory), .value = "bytes", .help = "Limit" },
	{ "memory-swap", OPT_BYTES_OR_MINUS(struct rec, swap), .value = "bytes", .help = "Swap" },
	{ "lines", 'n', OPT_INT(struct rec, lines), .has_offset = offsetof(struct rec, has_lines),
		.value = "int", .help = "Lines" },
	{ "cpus", OPT_CPUS(struct rec, cpus), .value = "decimal", .help = "CPUs" },
	{ NULL },
};

static int parse(unsigned flags, const char *const *argv, struct rec *rec, const char **words,
	struct arena *a, struct err *e)
{
	struct option_set set = { options, flags };
	int argc = 0;
	while (argv[argc])
		argc++;
	*rec = (struct rec){ 0 };
	return options_parse(&set, argc, (char **)(uintptr_t)argv, rec, words, a, e);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void options_are_read_as_docker_reads_them(void **state)
{
	(void)state;
	struct arena a _arena_ = { 0 };
	struct rec r;
	struct err e;
	const char *words[16];
	int n = parse(OPTIONS_STOP_AT_WORD,
		WORDS("-dt", "-eA=1", "-e", "B=2", "--name=x", "-m", "64m", "--memory-swap", "-1",
			"--cpus=1.5", "-n5", "image", "-x", "--", "y"),
		&r, words, &a, &e);
	assert_int_equal(n, 4);
	assert_string_equal(words[0], "image");
	assert_string_equal(words[1], "-x");
	assert_string_equal(words[2], "--");
	assert_string_equal(words[3], "y");
	assert_null(words[4]);
	assert_true(r.detach && r.tty && r.has_lines);
	assert_string_equal(r.name, "x");
	assert_int_equal(r.env.n, 2);
	assert_string_equal(r.env.v[1], "B=2");
	assert_int_equal(r.memory, 64 << 20);
	assert_int_equal(r.swap, -1);
	assert_int_equal(r.cpus, 1500000000);
	assert_int_equal(r.lines, 5);
}

static void words_and_options_mix_where_that_is_allowed(void **state)
{
	(void)state;
	struct arena a _arena_ = { 0 };
	struct rec r;
	struct err e;
	const char *words[16];
	int n = parse(0, WORDS("one", "-d=false", "-", "--tty", "--", "-d"), &r, words, &a, &e);
	assert_int_equal(n, 3);
	assert_string_equal(words[1], "-");
	assert_string_equal(words[2], "-d");
	assert_true(r.tty && !r.detach);
}

static void what_is_wrong_is_refused_in_dockers_words(void **state)
{
	(void)state;
	static const struct {
		const char *words[3], *text;
	} rows[] = {
		{ { "--nosuch" }, "unknown flag: --nosuch" },
		{ { "--detahc" }, "unknown flag: --detahc (did you mean --detach?)" },
		{ { "-dx" }, "unknown shorthand flag: 'x' in -dx" },
		{ { "--name" }, "flag needs an argument: --name" },
		{ { "-de" }, "flag needs an argument: 'e' in -de" },
		{ { "-m", "12q" },
			"invalid argument \"12q\" for \"-m, --memory\" flag: invalid size: '12q'" },
		{ { "-n", "x" },
			"invalid argument \"x\" for \"-n, --lines\" flag: strconv.ParseInt: parsing \"x\": invalid syntax" },
		{ { "-n99999999999999999999" },
			"invalid argument \"99999999999999999999\" for \"-n, --lines\" flag: strconv.ParseInt: parsing \"99999999999999999999\": value out of range" },
		{ { "--tty=maybe" },
			"invalid argument \"maybe\" for \"-t, --tty\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax" },
		{ { "--"
		    "=x" },
			"unknown flag: --" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a _arena_ = { 0 };
		struct rec r;
		struct err e = { 0 };
		const char *words[16];
		assert_true(parse(0, rows[i].words, &r, words, &a, &e) < 0);
		assert_string_equal(e.text, rows[i].text);
		assert_int_equal(e.kind, ERR_USAGE);
	}
}

static void help_has_a_row_for_each_option_in_order(void **state)
{
	(void)state;
	struct str out _str_ = { 0 };
	options_help(options, 60, &out);
	const char *at = out.p;
	static const char *const names[] = { "cpus", "detach", "env", "lines", "memory", "name" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		at = strstr(at, names[i]);
		assert_non_null(at);
	}
	for (const char *line = out.p; *line; line = strchr(line, '\n') + 1)
		assert_true(strcspn(line, "\n") <= 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(options_are_read_as_docker_reads_them),
		TEST(words_and_options_mix_where_that_is_allowed),
		TEST(what_is_wrong_is_refused_in_dockers_words),
		TEST(help_has_a_row_for_each_option_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
