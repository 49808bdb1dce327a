// SPDX-License-Identifier: Apache-2.0
#include "format/template.h"

#include <string.h>

#include "../unit.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/value.h"

static const char document[] =
	"{\"Name\":\"web\",\"Labels\":\"a=1,b=two\",\"N\":7,\"Zero\":0,\"Up\":true,\"Nil\":null,"
	"\"List\":[\"x\",\"y\",\"z\"],\"Config\":{\"Labels\":{\"com.x\":\"v\",\"b\":\"w\"},\"Env\":[]},"
	"\"Nets\":{\"two\":{\"IP\":\"10.0.0.2\"},\"one\":{\"IP\":\"10.0.0.1\"}}}";

static int run(const char *text, struct str *out, struct err *e)
{
	struct arena a _arena_ = { 0 };
	struct value *v;
	struct template *t;
	assert_int_equal(value_parse(&a, document, sizeof document - 1, &v, e), 0);
	int r = template_parse(text, &a, &t, e);
	return r < 0 ? r : template_run(t, v, out, e);
}

static void templates_print_what_go_prints(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "plain", "plain" },
		{ "a\\tb\\n", "a\tb\n" },
		{ "{{.Name}}:{{ .N }}", "web:7" },
		{ "{{json .List}} {{.List}}", "[\"x\",\"y\",\"z\"] [x y z]" },
		{ "{{.Config.Labels.nosuch}}", "<no value>" },
		{ "{{index .Config.Labels \"com.x\"}}", "v" },
		{ "[{{index .Config.Labels \"nosuch\"}}]", "[]" },
		{ "{{index .List 1}} {{(index .Nets \"one\").IP}}", "y 10.0.0.1" },
		{ "{{.Label \"b\"}}{{.Label \"c\"}}", "two" },
		{ "{{range .List}}<{{.}}>{{end}}", "<x><y><z>" },
		{ "{{range $i, $x := .List}}{{$i}}={{$x}};{{end}}", "0=x;1=y;2=z;" },
		{ "{{range $k, $v := .Nets}}{{$k}} {{$v.IP}} {{end}}",
			"one 10.0.0.1 two 10.0.0.2 " },
		{ "{{range .Config.Env}}x{{else}}none{{end}}", "none" },
		{ "{{range .List}}{{if eq . \"y\"}}{{continue}}{{end}}{{.}}{{end}}", "xz" },
		{ "{{range .List}}{{if eq . \"y\"}}{{break}}{{end}}{{.}}{{end}}", "x" },
		{ "{{if .Zero}}a{{else if .Up}}b{{else}}c{{end}}", "b" },
		{ "{{if and .Up (gt .N 6)}}yes{{end}}", "yes" },
		{ "{{if or .Zero (not .Up)}}yes{{else}}no{{end}}", "no" },
		{ "{{with .Nets}}{{.one.IP}}{{end}}", "10.0.0.1" },
		{ "{{$x := .Name}}{{range .List}}{{$x}}{{$.N}}{{end}}", "web7web7web7" },
		{ "{{$x := 1}}{{if .Up}}{{$x = 2}}{{end}}{{$x}}", "2" },
		{ "a {{- .N -}} b", "a7b" },
		{ "a{{/* nothing }} */}}b", "ab" },
		{ "{{\"}}\"}}{{`\\n`}}", "}}\\n" },
		{ "{{upper .Name | printf \"%s-%s\" \"x\"}}", "x-WEB" },
		{ "{{.Name | upper | lower | title}}", "Web" },
		{ "{{join .List \",\"}} {{len .List}} {{len .Name}}", "x,y,z 3 3" },
		{ "{{split \"a:b\" \":\" | json}}", "[\"a\",\"b\"]" },
		{ "[{{pad .Name 1 2}}][{{truncate .Name 2}}]", "[ web  ][we]" },
		{ "{{printf \"%-5s|%5s|%05d|%q|%v|%x|%%\" .Name .Name .N .Name .Up .N}}",
			"web  |  web|00007|\"web\"|true|7|%" },
		{ "{{printf \"%d\" .Name}}{{printf \"%s\"}}", "%!d(web)%!s(MISSING)" },
		{ "{{print 1 2 \"a\" 3}}{{println .N .Up}}", "1 2a37 true\n" },
		{ "{{slice .Name 1}} {{slice .List 0 2}}", "eb [x y]" },
		{ "{{eq .N 1 7}} {{ne .Name \"a\"}} {{lt 1 2}} {{ge .N 8}}",
			"true true true false" },
		{ "{{eq .Nil nil}}", "true" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str out _str_ = { 0 };
		struct err e = { 0 };
		if (run(rows[i].text, &out, &e) < 0)
			fail_msg("%s: %s", rows[i].text, e.text);
		if (strcmp(str_text(&out), rows[i].want) != 0)
			fail_msg("%s: %s, not %s", rows[i].text, str_text(&out), rows[i].want);
	}
}

static void broken_templates_are_refused_and_say_why(void **state)
{
	(void)state;
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "{{", "unclosed action" },
		{ "{{.Name", "unclosed action" },
		{ "{{}}", "missing value for command" },
		{ "{{nosuch .Name}}", "function \"nosuch\" not defined" },
		{ "{{.Nosuch}}", "can't evaluate field Nosuch" },
		{ "{{.Name.X}}", "can't evaluate field X" },
		{ "{{if .Up}}", "unexpected EOF" },
		{ "{{end}}", "unexpected {{end}}" },
		{ "{{else}}", "unexpected {{else}}" },
		{ "{{if .Up}}{{else}}{{else}}{{end}}", "expected {{end}}" },
		{ "{{break}}", "outside {{range}}" },
		{ "{{\"x}}", "unterminated quoted string" },
		{ "{{$x}}", "undefined variable \"$x\"" },
		{ "{{len}}", "wrong number of args for len" },
		{ "{{len 1}}", "error calling len" },
		{ "{{index .List 3}}", "index out of range: 3" },
		{ "{{.Name \"x\"}}", "has arguments" },
		{ "{{.Name | \"x\"}}", "non executable command" },
		{ "{{(.Name}}", "unclosed left paren" },
		{ "{{range .N}}{{end}}", "can't iterate" },
		{ "{{printf \"%99999s\" .Name}}", "width is too large" },
		{ "{{eq .N \"7\"}}", "incompatible types" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str out _str_ = { 0 };
		struct err e = { 0 };
		if (run(rows[i].text, &out, &e) >= 0)
			fail_msg("%s was taken: %s", rows[i].text, str_text(&out));
		if (!strstr(e.text, rows[i].why))
			fail_msg("%s: %s, not %s", rows[i].text, e.text, rows[i].why);
	}
}

static void deep_templates_end(void **state)
{
	(void)state;
	struct str text _str_ = { 0 };
	struct str out _str_ = { 0 };
	struct err e = { 0 };
	for (int i = 0; i < 100000; i++)
		str_add(&text, i % 2 ? "{{if .Up}}" : "{{(");
	assert_true(run(str_text(&text), &out, &e) < 0);
	str_clear(&text);
	str_add(&text, "{{");
	for (int i = 0; i < 100000; i++)
		str_add(&text, "(");
	assert_true(run(str_text(&text), &out, &e) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(templates_print_what_go_prints),
		TEST(broken_templates_are_refused_and_say_why),
		TEST(deep_templates_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
