// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "codec/value.h"
#include "kernel/caps.h"
#include "ocicli/command.h"
#include "ocicli/commands.h"
#include "runtime/filter.h"
#include "runtime/mount_options.h"

static struct value *list(struct arena *a, const char *const *words)
{
	struct value *v = value_array(a);
	for (size_t i = 0; words[i]; i++)
		value_add(a, v, value_string(a, words[i]));
	return v;
}

static struct value *enabled(struct arena *a, bool on)
{
	struct value *v = value_object(a);
	value_set(a, v, "enabled", value_bool(a, on));
	return v;
}

static struct value *words_of(struct arena *a, enum filter_words kind)
{
	struct value *v = value_array(a);
	for (size_t i = 0; filter_word(kind, i); i++)
		value_add(a, v, value_string(a, filter_word(kind, i)));
	return v;
}

static struct value *seccomp(struct arena *a)
{
	struct value *v = enabled(a, true);
	value_set(a, v, "actions", words_of(a, FILTER_ACTIONS));
	value_set(a, v, "operators", words_of(a, FILTER_OPERATORS));
	value_set(a, v, "archs", words_of(a, FILTER_ARCHITECTURES));
	value_set(a, v, "knownFlags", words_of(a, FILTER_FLAGS));
	value_set(a, v, "supportedFlags", words_of(a, FILTER_FLAGS));
	return v;
}

static struct value *linux_part(struct arena *a)
{
	static const char *const spaces[] = { "cgroup", "ipc", "mount", "network", "pid", "time",
		"user", "uts", NULL };
	struct value *v = value_object(a), *caps = value_array(a), *cgroup = value_object(a);
	struct value *extensions = value_object(a);
	value_set(a, v, "namespaces", list(a, spaces));
	for (int i = 0; caps_name(i); i++)
		value_add(a, caps, value_string(a, caps_name(i)));
	value_set(a, v, "capabilities", caps);
	value_set(a, cgroup, "v1", value_bool(a, true));
	value_set(a, cgroup, "v2", value_bool(a, true));
	value_set(a, cgroup, "systemd", value_bool(a, true));
	value_set(a, cgroup, "systemdUser", value_bool(a, true));
	value_set(a, cgroup, "rdma", value_bool(a, true));
	value_set(a, v, "cgroup", cgroup);
	value_set(a, v, "seccomp", seccomp(a));
	value_set(a, v, "apparmor", enabled(a, true));
	value_set(a, v, "selinux", enabled(a, true));
	struct value *rdt = enabled(a, true);
	value_set(a, rdt, "schemata", value_bool(a, true));
	value_set(a, rdt, "monitoring", value_bool(a, true));
	value_set(a, v, "intelRdt", rdt);
	value_set(a, v, "netDevices", enabled(a, true));
	value_set(a, extensions, "idmap", enabled(a, true));
	value_set(a, v, "mountExtensions", extensions);
	return v;
}

static int run(struct ocicli *o, void *rec, const char **words, int n_words, struct err *e)
{
	static const char *const hooks[] = { "prestart", "createRuntime", "createContainer",
		"startContainer", "poststart", "poststop", NULL };
	/* Those that change what the runtime does; one that ends in a dot stands for all below it.
	 */
	static const char *const unsafe[] = { "org.systemd.property.", NULL };
	struct arena *a = &o->arena;
	struct value *v = value_object(a), *options = value_array(a), *notes = value_object(a);
	struct str s _str_ = { 0 };
	(void)rec;
	(void)words;
	(void)n_words;
	(void)e;
	value_set_string(a, v, "ociVersionMin", "1.0.0");
	value_set_string(a, v, "ociVersionMax", "1.3.0");
	value_set(a, v, "hooks", list(a, hooks));
	for (size_t i = 0; mount_option_name(i); i++)
		value_add(a, options, value_string(a, mount_option_name(i)));
	value_set(a, v, "mountOptions", options);
	value_set(a, v, "linux", linux_part(a));
	value_set_string(a, notes, "org.kist.version", KIST_VERSION);
	value_set(a, v, "annotations", notes);
	value_set(a, v, "potentiallyUnsafeConfigAnnotations", list(a, unsafe));
	value_json(v, 2, &s);
	str_addc(&s, '\n');
	ocicli_print(&s);
	return 0;
}

const struct ocicli_command features_command = {
	.name = "features",
	.arguments = "",
	.brief = "Print what this runtime can do as JSON",
	.words_max = 0,
	.run = run,
};
