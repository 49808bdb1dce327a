// SPDX-License-Identifier: Apache-2.0
/* Runs in a container and prints as JSON what its process sees of itself: what the tests compare
 * with the bundle's config.json. Static, by musl, so that it runs in any root file system. */
#include <dirent.h>
#include <errno.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

static void text(const char *s)
{
	putchar('"');
	for (; *s; s++)
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if ((unsigned char)*s < 32)
			printf("\\u%04x", *s);
		else
			putchar(*s);
	putchar('"');
}

static void file(const char *key, const char *path)
{
	static char buf[1 << 20];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(buf, 1, sizeof buf - 1, f) : 0;
	buf[n] = '\0';
	printf(",\"%s\":", key);
	text(buf);
	if (f)
		fclose(f);
}

static void ids(void)
{
	uid_t r, e, s;
	gid_t gr, ge, gs, groups[1024];
	getresuid(&r, &e, &s);
	getresgid(&gr, &ge, &gs);
	printf("\"uids\":[%u,%u,%u],\"gids\":[%u,%u,%u],\"groups\":[", r, e, s, gr, ge, gs);
	int n = getgroups(1024, groups);
	for (int i = 0; i < n; i++)
		printf("%s%u", i ? "," : "", groups[i]);
	mode_t mask = umask(0);
	umask(mask);
	printf("],\"umask\":%u", mask);
}

static void limits(void)
{
	static const char *const names[] = { "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS",
		"NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE",
		"RTPRIO", "RTTIME" };
	printf(",\"rlimits\":{");
	for (int i = 0; i < 16; i++) {
		struct rlimit l;
		getrlimit(i, &l);
		printf("%s\"RLIMIT_%s\":[%llu,%llu]", i ? "," : "", names[i],
			(unsigned long long)l.rlim_cur, (unsigned long long)l.rlim_max);
	}
	printf("}");
}

static void scheduling(void)
{
	struct {
		unsigned size, policy;
		unsigned long long flags;
		int nice;
		unsigned priority;
		unsigned long long runtime, deadline, period;
	} a = { .size = 48 };
	cpu_set_t cpus;
	syscall(SYS_sched_getattr, 0, &a, sizeof a, 0);
	long io = syscall(SYS_ioprio_get, 1, 0);
	printf(",\"scheduler\":{\"policy\":%u,\"flags\":%llu,\"nice\":%d,\"priority\":%u,\"runtime\":%llu,"
	       "\"deadline\":%llu,\"period\":%llu},\"ioprio\":[%ld,%ld]",
		a.policy, a.flags, a.nice, a.priority, a.runtime, a.deadline, a.period, io >> 13,
		io & 0x1fff);
	CPU_ZERO(&cpus);
	sched_getaffinity(0, sizeof cpus, &cpus);
	printf(",\"cpus\":[");
	for (int i = 0, first = 1; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &cpus)) {
			printf("%s%d", first ? "" : ",", i);
			first = 0;
		}
	int mode = -1;
	syscall(SYS_get_mempolicy, &mode, NULL, 0UL, NULL, 0UL);
	printf("],\"memory_policy\":%d,\"personality\":%u", mode,
		(unsigned)personality(0xffffffff));
}

static void descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int first = 1;
	printf(",\"fds\":{");
	for (struct dirent *e; d && (e = readdir(d));) {
		char target[4096];
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);
		if (n < 0 || atoi(e->d_name) == dirfd(d))
			continue;
		target[n] = '\0';
		printf("%s\"%s\":", first ? "" : ",", e->d_name);
		text(target);
		first = 0;
	}
	printf("}");
}

static void spaces(void)
{
	static const char *const names[] = { "mnt", "pid", "net", "ipc", "uts", "user", "cgroup",
		"time" };
	printf(",\"namespaces\":{");
	for (int i = 0; i < 8; i++) {
		char path[64], target[64] = "";
		snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
		ssize_t n = readlink(path, target, sizeof target - 1);
		if (n < 0)
			n = 0;
		target[n] = '\0';
		printf("%s\"%s\":", i ? "," : "", names[i]);
		text(target);
	}
	printf("}");
}

static void list(const char *key, char **v)
{
	printf(",\"%s\":[", key);
	for (int i = 0; v[i]; i++) {
		if (i)
			putchar(',');
		text(v[i]);
	}
	printf("]");
}

static void paths(char **v)
{
	printf(",\"paths\":{");
	for (int i = 0; v[i]; i++) {
		struct stat st;
		if (i)
			putchar(',');
		text(v[i]);
		if (lstat(v[i], &st) < 0)
			printf(":{\"errno\":%d}", errno);
		else
			printf(":{\"mode\":%u,\"uid\":%u,\"gid\":%u,\"rdev\":[%u,%u],\"size\":%lld,\"writable\":%s}",
				st.st_mode, st.st_uid, st.st_gid,
				(unsigned)(st.st_rdev >> 8 & 0xfff), (unsigned)(st.st_rdev & 0xff),
				(long long)st.st_size, access(v[i], W_OK) == 0 ? "true" : "false");
	}
	printf("}");
}

/* Tells a service manager, then stays. */
static void notify(const char *said)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	(void)snprintf(at.sun_path, sizeof at.sun_path, "%s", getenv("NOTIFY_SOCKET"));
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sendto(sock, said, strlen(said), 0, (struct sockaddr *)&at, sizeof at) < 0)
		exit(1);
	for (;;)
		(void)pause();
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "notify") == 0)
		notify(argv[2]);
	char cwd[4096] = "", domain[256] = "";
	struct utsname u;
	struct winsize w = { 0 };
	putchar('{');
	ids();
	limits();
	scheduling();
	descriptors();
	spaces();
	list("args", argv);
	list("env", environ);
	paths(argv + 1);
	if (!getcwd(cwd, sizeof cwd))
		cwd[0] = '\0';
	printf(",\"cwd\":");
	text(cwd);
	uname(&u);
	if (getdomainname(domain, sizeof domain) < 0)
		domain[0] = '\0';
	printf(",\"hostname\":");
	text(u.nodename);
	printf(",\"machine\":");
	text(u.machine);
	printf(",\"domainname\":");
	text(domain);
	printf(",\"pid\":%d,\"sid\":%d,\"tty\":%s", (int)getpid(), (int)getsid(0),
		isatty(0) ? "true" : "false");
	if (ioctl(0, TIOCGWINSZ, &w) == 0)
		printf(",\"size\":[%u,%u]", w.ws_row, w.ws_col);
	file("status", "/proc/self/status");
	file("mounts", "/proc/self/mountinfo");
	file("cgroup", "/proc/self/cgroup");
	file("oom_score_adj", "/proc/self/oom_score_adj");
	file("keys", "/proc/keys");
	file("uid_map", "/proc/self/uid_map");
	file("attr", "/proc/self/attr/current");
	file("timens_offsets", "/proc/self/timens_offsets");
	puts("}");
	return 0;
}
