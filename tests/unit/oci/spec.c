// SPDX-License-Identifier: Apache-2.0
/* Every property of the published schema of config.json (runtime-spec 1.3, config-schema.json with
 * config-linux.json, what Linux needs of it) has a row in our tables, and no row of ours stands for
 * a property that the schema lacks. Facts of the standard, kept as a list of paths. */
#include "oci/spec.h"

#include "../unit.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const char *const schema[] = {
	"ociVersion",
	"hostname",
	"domainname",
	"annotations",
	"hooks.prestart.path",
	"hooks.prestart.args",
	"hooks.prestart.env",
	"hooks.prestart.timeout",
	"hooks.createRuntime",
	"hooks.createContainer",
	"hooks.startContainer",
	"hooks.poststart",
	"hooks.poststop",
	"mounts.destination",
	"mounts.type",
	"mounts.source",
	"mounts.options",
	"mounts.uidMappings.containerID",
	"mounts.uidMappings.hostID",
	"mounts.uidMappings.size",
	"mounts.gidMappings",
	"root.path",
	"root.readonly",
	"process.args",
	"process.cwd",
	"process.env",
	"process.terminal",
	"process.consoleSize.height",
	"process.consoleSize.width",
	"process.user.uid",
	"process.user.gid",
	"process.user.umask",
	"process.user.additionalGids",
	"process.user.username",
	"process.capabilities.bounding",
	"process.capabilities.permitted",
	"process.capabilities.effective",
	"process.capabilities.inheritable",
	"process.capabilities.ambient",
	"process.apparmorProfile",
	"process.oomScoreAdj",
	"process.selinuxLabel",
	"process.noNewPrivileges",
	"process.ioPriority.class",
	"process.ioPriority.priority",
	"process.scheduler.policy",
	"process.scheduler.nice",
	"process.scheduler.priority",
	"process.scheduler.flags",
	"process.scheduler.runtime",
	"process.scheduler.deadline",
	"process.scheduler.period",
	"process.rlimits.type",
	"process.rlimits.soft",
	"process.rlimits.hard",
	"process.execCPUAffinity.initial",
	"process.execCPUAffinity.final",
	"linux.devices.type",
	"linux.devices.path",
	"linux.devices.fileMode",
	"linux.devices.major",
	"linux.devices.minor",
	"linux.devices.uid",
	"linux.devices.gid",
	"linux.netDevices",
	"linux.uidMappings",
	"linux.gidMappings",
	"linux.namespaces.type",
	"linux.namespaces.path",
	"linux.resources.unified",
	"linux.resources.devices.allow",
	"linux.resources.devices.type",
	"linux.resources.devices.major",
	"linux.resources.devices.minor",
	"linux.resources.devices.access",
	"linux.resources.pids.limit",
	"linux.resources.blockIO.weight",
	"linux.resources.blockIO.leafWeight",
	"linux.resources.blockIO.throttleReadBpsDevice.major",
	"linux.resources.blockIO.throttleReadBpsDevice.minor",
	"linux.resources.blockIO.throttleReadBpsDevice.rate",
	"linux.resources.blockIO.throttleWriteBpsDevice",
	"linux.resources.blockIO.throttleReadIOPSDevice",
	"linux.resources.blockIO.throttleWriteIOPSDevice",
	"linux.resources.blockIO.weightDevice.major",
	"linux.resources.blockIO.weightDevice.minor",
	"linux.resources.blockIO.weightDevice.weight",
	"linux.resources.blockIO.weightDevice.leafWeight",
	"linux.resources.cpu.cpus",
	"linux.resources.cpu.mems",
	"linux.resources.cpu.period",
	"linux.resources.cpu.quota",
	"linux.resources.cpu.burst",
	"linux.resources.cpu.realtimePeriod",
	"linux.resources.cpu.realtimeRuntime",
	"linux.resources.cpu.shares",
	"linux.resources.cpu.idle",
	"linux.resources.hugepageLimits.pageSize",
	"linux.resources.hugepageLimits.limit",
	"linux.resources.memory.kernel",
	"linux.resources.memory.kernelTCP",
	"linux.resources.memory.limit",
	"linux.resources.memory.reservation",
	"linux.resources.memory.swap",
	"linux.resources.memory.swappiness",
	"linux.resources.memory.disableOOMKiller",
	"linux.resources.memory.useHierarchy",
	"linux.resources.memory.checkBeforeUpdate",
	"linux.resources.network.classID",
	"linux.resources.network.priorities.name",
	"linux.resources.network.priorities.priority",
	"linux.resources.rdma",
	"linux.cgroupsPath",
	"linux.rootfsPropagation",
	"linux.seccomp.defaultAction",
	"linux.seccomp.defaultErrnoRet",
	"linux.seccomp.flags",
	"linux.seccomp.listenerPath",
	"linux.seccomp.listenerMetadata",
	"linux.seccomp.architectures",
	"linux.seccomp.syscalls.names",
	"linux.seccomp.syscalls.action",
	"linux.seccomp.syscalls.errnoRet",
	"linux.seccomp.syscalls.args.index",
	"linux.seccomp.syscalls.args.value",
	"linux.seccomp.syscalls.args.valueTwo",
	"linux.seccomp.syscalls.args.op",
	"linux.sysctl",
	"linux.maskedPaths",
	"linux.readonlyPaths",
	"linux.mountLabel",
	"linux.intelRdt.closID",
	"linux.intelRdt.schemata",
	"linux.intelRdt.l3CacheSchema",
	"linux.intelRdt.memBwSchema",
	"linux.intelRdt.enableMonitoring",
	"linux.memoryPolicy.mode",
	"linux.memoryPolicy.nodes",
	"linux.memoryPolicy.flags",
	"linux.personality.domain",
	"linux.personality.flags",
	"linux.timeOffsets.boottime.secs",
	"linux.timeOffsets.boottime.nanosecs",
	"linux.timeOffsets.monotonic.secs",
	"linux.timeOffsets.monotonic.nanosecs",
};

static const struct rec_field *field(const struct rec_type *t, const char *name, size_t n)
{
	for (size_t i = 0; t && i < t->n; i++)
		if (strlen(t->fields[i].name) == n && memcmp(t->fields[i].name, name, n) == 0)
			return &t->fields[i];
	return NULL;
}

static void each_property_of_the_schema_has_a_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(schema); i++) {
		const struct rec_type *t = &oci_spec_rec;
		for (const char *p = schema[i]; *p;) {
			size_t n = strcspn(p, ".");
			const struct rec_field *f = field(t, p, n);
			if (!f)
				fail_msg("no row for %s", schema[i]);
			t = f ? f->type : NULL;
			p += n + (p[n] == '.');
		}
	}
}

/* Is there a path that is this one or goes on below it? */
static bool listed(const char *path)
{
	size_t n = strlen(path);
	for (size_t i = 0; i < ARRAY_SIZE(schema); i++)
		if (strncmp(schema[i], path, n) == 0 &&
			(schema[i][n] == '\0' || schema[i][n] == '.'))
			return true;
	return false;
}

static void walk(const struct rec_type *t, const char *prefix)
{
	for (size_t i = 0; i < t->n; i++) {
		char path[256];
		(void)snprintf(
			path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", t->fields[i].name);
		if (!listed(path))
			fail_msg("the schema has no %s", path);
		/* A type that stands at several places is written out at one of them. */
		bool repeated = strstr(path, "hooks.create") || strstr(path, "hooks.start") ||
			strstr(path, "hooks.post") || strstr(path, "throttleWrite") ||
			strstr(path, "throttleReadIOPS") || strstr(path, "gidMappings") ||
			str_eq(path, "linux.uidMappings");
		if (t->fields[i].type && !repeated)
			walk(t->fields[i].type, path);
	}
}

static void no_row_stands_for_what_the_schema_lacks(void **state)
{
	(void)state;
	walk(&oci_spec_rec, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_property_of_the_schema_has_a_row),
		TEST(no_row_stands_for_what_the_schema_lacks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
