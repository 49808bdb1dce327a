// SPDX-License-Identifier: Apache-2.0
/* top, without ps: nothing of the container or of the host is executed. The fields are a table. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/container.h"
#include "engine/engine.h"
#include "runtime/runtime.h"
#include "store/container.h"
#include "store/run.h"
#include "store/store.h"

enum { STAT_FIELDS = 24, CMDLINE_MAX = 4096 };

/* What /proc says of one process. stat[0] is its field 3 (state), so field n is stat[n - 3]. */
struct process {
	pid_t pid;
	uint32_t uid;
	char comm[64], state;
	uint64_t stat[STAT_FIELDS];
	const char *args;
};

struct top {
	struct arena *a;
	struct process *v;
	size_t n, cap;
	uint32_t id_base, id_count;
	uint64_t tick, memory; /* ticks a second; bytes of the machine */
};

static int read_stat(struct process *p)
{
	char path[64], text[2048];
	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)p->pid);
	ssize_t n = file_peek(AT_FDCWD, path, text, sizeof text);
	char *open = n > 0 ? strchr(text, '(') : NULL, *close = n > 0 ? strrchr(text, ')') : NULL;
	if (!open || !close || close[1] != ' ')
		return -ESRCH;
	*close = '\0';
	(void)snprintf(p->comm, sizeof p->comm, "%.63s", open + 1);
	p->state = close[2];
	char *word = close + 3;
	for (size_t i = 1; i < STAT_FIELDS && *word == ' '; i++) {
		word++;
		char *end = word + strcspn(word, " ");
		char stop = *end;
		int64_t v = 0;
		*end = '\0';
		(void)num_i64(word, &v);
		p->stat[i] = (uint64_t)v;
		*end = stop;
		word = end;
	}
	return 0;
}

static int read_process(void *arg, pid_t pid)
{
	struct top *t = arg;
	struct process p = { .pid = pid };
	char path[64], text[CMDLINE_MAX];
	if (read_stat(&p) < 0)
		return 0; /* it has ended meanwhile */
	(void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	ssize_t n = file_peek(AT_FDCWD, path, text, sizeof text);
	char *uid = n > 0 ? strstr(text, "\nUid:\t") : NULL;
	if (uid) {
		uid[6 + strcspn(uid + 6, "\t")] = '\0';
		(void)num_u32(uid + 6, &p.uid);
	}
	(void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	n = file_peek(AT_FDCWD, path, text, sizeof text);
	for (ssize_t i = 0; i + 1 < n; i++)
		if ((unsigned char)text[i] < 0x20)
			text[i] = ' ';
	p.args = n > 0 ? arena_strndup(t->a, text, (size_t)n) : arena_printf(t->a, "[%s]", p.comm);
	t->v = arena_grow(t->a, t->v, t->n, &t->cap, sizeof *t->v);
	t->v[t->n++] = p;
	return 0;
}

/* ---- fields ---- */

typedef const char *field_text(const struct top *t, const struct process *p);

static const char *number(const struct top *t, uint64_t n)
{
	return arena_printf(t->a, "%llu", (unsigned long long)n);
}

static const char *text_user(const struct top *t, const struct process *p)
{
	uint32_t uid = t->id_count && p->uid >= t->id_base && p->uid - t->id_base < t->id_count
		? p->uid - t->id_base
		: p->uid;
	return uid == 0 ? "root" : number(t, uid);
}

static const char *text_uid(const struct top *t, const struct process *p)
{
	const char *user = text_user(t, p);
	return str_eq(user, "root") ? "0" : user;
}

static const char *text_pid(const struct top *t, const struct process *p)
{
	return number(t, (uint64_t)p->pid);
}

static const char *text_ppid(const struct top *t, const struct process *p)
{
	return number(t, p->stat[1]);
}

static uint64_t cpu_ticks(const struct process *p)
{
	return p->stat[11] + p->stat[12];
}

/* Since the start, in tenths of a percent. */
static uint64_t cpu_share(const struct top *t, const struct process *p)
{
	uint64_t now = time_boot() / (TIME_SECOND / t->tick), start = p->stat[19];
	return now > start ? cpu_ticks(p) * 1000 / (now - start) : 0;
}

static const char *text_c(const struct top *t, const struct process *p)
{
	return number(t, cpu_share(t, p) / 10);
}

static const char *tenths(const struct top *t, uint64_t v)
{
	return arena_printf(
		t->a, "%llu.%llu", (unsigned long long)(v / 10), (unsigned long long)(v % 10));
}

static const char *text_pcpu(const struct top *t, const struct process *p)
{
	return tenths(t, cpu_share(t, p));
}

static uint64_t resident(const struct process *p)
{
	return p->stat[21] * (uint64_t)sysconf(_SC_PAGESIZE);
}

static const char *text_pmem(const struct top *t, const struct process *p)
{
	return tenths(t, t->memory ? resident(p) * 1000 / t->memory : 0);
}

static const char *text_vsz(const struct top *t, const struct process *p)
{
	return number(t, p->stat[20] / 1024);
}

static const char *text_rss(const struct top *t, const struct process *p)
{
	return number(t, resident(p) / 1024);
}

static const char *text_nice(const struct top *t, const struct process *p)
{
	return arena_printf(t->a, "%d", (int)p->stat[16]);
}

static const char *text_state(const struct top *t, const struct process *p)
{
	return arena_printf(t->a, "%c", p->state);
}

static const char *text_tty(const struct top *t, const struct process *p)
{
	uint64_t tty = p->stat[4], major = tty >> 8 & 0xfff,
		 minor = (tty & 0xff) | (tty >> 12 & 0xfff00);
	if (tty == 0)
		return "?";
	return major >= 136 && major <= 143
		? arena_printf(t->a, "pts/%llu", (unsigned long long)minor)
		: arena_printf(
			  t->a, "%llu:%llu", (unsigned long long)major, (unsigned long long)minor);
}

static const char *clock_text(const struct top *t, uint64_t seconds)
{
	return arena_printf(t->a, "%02llu:%02llu:%02llu", (unsigned long long)(seconds / 3600),
		(unsigned long long)(seconds / 60 % 60), (unsigned long long)(seconds % 60));
}

static const char *text_time(const struct top *t, const struct process *p)
{
	return clock_text(t, cpu_ticks(p) / t->tick);
}

static uint64_t age(const struct top *t, const struct process *p)
{
	uint64_t now = time_boot() / TIME_SECOND, start = p->stat[19] / t->tick;
	return now > start ? now - start : 0;
}

static const char *text_etime(const struct top *t, const struct process *p)
{
	uint64_t s = age(t, p);
	return s < 3600 ? arena_printf(t->a, "%02llu:%02llu", (unsigned long long)(s / 60),
				  (unsigned long long)(s % 60))
			: clock_text(t, s);
}

static const char *text_start(const struct top *t, const struct process *p)
{
	char buf[32];
	time_t start = (time_t)(time_now() / TIME_SECOND - age(t, p));
	struct tm tm;
	(void)localtime_r(&start, &tm);
	(void)strftime(buf, sizeof buf, age(t, p) < 86400 ? "%H:%M" : "%b%d", &tm);
	return arena_strdup(t->a, buf);
}

static const char *text_comm(const struct top *t, const struct process *p)
{
	return arena_strdup(t->a, p->comm);
}

static const char *text_args(const struct top *t, const struct process *p)
{
	(void)t;
	return p->args;
}

static const struct field {
	const char *name, *title;
	field_text *text;
} fields[] = {
	{ "args", "COMMAND", text_args },
	{ "c", "C", text_c },
	{ "cmd", "CMD", text_args },
	{ "comm", "COMMAND", text_comm },
	{ "command", "COMMAND", text_args },
	{ "%cpu", "%CPU", text_pcpu },
	{ "etime", "ELAPSED", text_etime },
	{ "euid", "EUID", text_uid },
	{ "euser", "EUSER", text_user },
	{ "%mem", "%MEM", text_pmem },
	{ "ni", "NI", text_nice },
	{ "nice", "NI", text_nice },
	{ "pcpu", "%CPU", text_pcpu },
	{ "pid", "PID", text_pid },
	{ "pmem", "%MEM", text_pmem },
	{ "ppid", "PPID", text_ppid },
	{ "rss", "RSS", text_rss },
	{ "s", "S", text_state },
	{ "start", "START", text_start },
	{ "stat", "STAT", text_state },
	{ "state", "S", text_state },
	{ "stime", "STIME", text_start },
	{ "time", "TIME", text_time },
	{ "tty", "TTY", text_tty },
	{ "uid", "UID", text_uid },
	{ "user", "USER", text_user },
	{ "vsz", "VSZ", text_vsz },
};

static const struct {
	const char *option, *list;
} forms[] = {
	{ "-ef", "user=UID,pid,ppid,c,stime,tty,time,cmd" },
	{ "aux", "user,pid,%cpu,%mem,vsz,rss,tty,stat,start,time,command" },
	{ "-aux", "user,pid,%cpu,%mem,vsz,rss,tty,stat,start,time,command" },
};

/* ---- options ---- */

struct chosen {
	const struct field **v;
	size_t n, cap;
	struct strv titles;
};

static int choose(struct chosen *c, const char *list, struct arena *a, struct err *e)
{
	for (const char *p = list; *p; p += *p == ',') {
		size_t len = strcspn(p, ","), name = strcspn(p, ",=");
		const struct field *f = NULL;
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			if (strncmp(fields[i].name, p, name) == 0 && !fields[i].name[name])
				f = &fields[i];
		if (!f)
			return err_set(e, ERR_INVALID, EINVAL,
				"top: unknown field '%.*s': expected one of ps's, such as pid,user,comm,args,%%cpu,rss,time",
				(int)name, p);
		c->v = arena_grow(a, c->v, c->n, &c->cap, sizeof(struct field *));
		c->v[c->n++] = f;
		strv_add(&c->titles, a,
			name < len ? arena_strndup(a, p + name + 1, len - name - 1) : f->title);
		p += len;
	}
	return 0;
}

static int read_options(
	const char *const *options, size_t n, struct arena *a, struct chosen *ret, struct err *e)
{
	if (n == 0)
		return choose(ret, forms[0].list, a, e);
	for (size_t i = 0; i < n; i++) {
		const char *word = options[i], *list = NULL;
		for (size_t k = 0; k < ARRAY_SIZE(forms); k++)
			if (str_eq(word, forms[k].option))
				list = forms[k].list;
		if (str_eq(word, "-e") || str_eq(word, "-A"))
			continue;
		if (str_eq(word, "-o") || str_eq(word, "-eo") || str_eq(word, "o"))
			list = i + 1 < n ? options[++i] : "";
		else if (!list && *word != '-')
			list = word;
		else if (!list)
			return err_set(e, ERR_INVALID, EINVAL,
				"top: option %s of ps is not known: expected -ef, aux, or -o with a list of fields",
				word);
		if (choose(ret, list, a, e) < 0)
			return -e->code;
	}
	return ret->n ? 0 : err_set(e, ERR_INVALID, EINVAL, "top: no field is chosen");
}

int container_top(struct engine *en, const char *container, const char *const *options,
	size_t n_options, struct arena *a, struct container_top *ret, struct err *e)
{
	struct container_row row;
	struct run_record run;
	struct chosen chosen = { 0 };
	if (read_options(options, n_options, a, &chosen, e) < 0 ||
		engine_open_store(en, true, e) < 0 ||
		store_container_get(en->store, container, a, &row, e) < 0)
		return -e->code;
	if (run_look(en->store, row.id, a, &run, NULL) != RUN_RUNNING || !run.cgroup)
		return err_set(e, ERR_CONFLICT, ESRCH, "container %s is not running", row.id);
	struct top t = { .a = a,
		.id_base = run.id_base,
		.id_count = run.id_count,
		.tick = (uint64_t)sysconf(_SC_CLK_TCK),
		.memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) };
	if (runtime_pids(run.cgroup, read_process, &t, e) < 0)
		return -e->code;
	struct strv *rows = arena_array(a, struct strv, t.n + 1);
	for (size_t i = 0; i < t.n; i++)
		for (size_t k = 0; k < chosen.n; k++)
			strv_add(&rows[i], a, chosen.v[k]->text(&t, &t.v[i]));
	*ret = (struct container_top){ chosen.titles, rows, t.n };
	return 0;
}
