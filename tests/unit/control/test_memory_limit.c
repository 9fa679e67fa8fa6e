/* The memory limit, from made-up /proc and /sys folders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "control/memory_limit.h"

enum { FILES_MAX = 4 };

struct file {
	const char *path, *text;
};

struct limit_case {
	const char *name;
	struct file files[FILES_MAX];
	uint64_t wanted; /* 0: whatever the machine has */
};

static const struct limit_case cases[] = {
	{ "no files", { { NULL, NULL } }, 0 },
	{ "version 2, own group",
	  { { "proc/self/cgroup", "0::/a/b\n" }, { "sys/fs/cgroup/a/b/memory.max", "1048576\n" } },
	  1048576 },
	{ "version 2, the parent is smaller",
	  { { "proc/self/cgroup", "0::/a/b\n" },
	    { "sys/fs/cgroup/a/b/memory.max", "2097152\n" },
	    { "sys/fs/cgroup/a/memory.max", "1048576\n" } },
	  1048576 },
	{ "version 2, no limit", { { "proc/self/cgroup", "0::/\n" }, { "sys/fs/cgroup/memory.max", "max\n" } }, 0 },
	{ "version 2, a path of the host inside a container",
	  { { "proc/self/cgroup", "0::/kubepods/x\n" }, { "sys/fs/cgroup/memory.max", "4096\n" } },
	  4096 },
	{ "version 1",
	  { { "proc/self/cgroup", "3:cpu,cpuacct:/x\n2:memory:/a\n" },
	    { "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "8192\n" } },
	  8192 },
	{ "version 1, its word for none",
	  { { "proc/self/cgroup", "2:memory:/\n" },
	    { "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n" } },
	  0 },
	{ "garbage", { { "proc/self/cgroup", "::::\n0::\n\n" }, { "sys/fs/cgroup/memory.max", "-5\n" } }, 0 },
};

static void put(const char *root, const struct file *f)
{
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/%s", root, f->path);
	for (char *p = path + strlen(root) + 1; *p; p++) {
		if (*p == '/') {
			*p = '\0';
			(void)mkdir(path, 0700);
			*p = '/';
		}
	}
	FILE *out = fopen(path, "we");
	assert_non_null(out);
	fputs(f->text, out);
	fclose(out);
}

static void remove_folder(const char *root)
{
	char command[PATH_MAX];
	snprintf(command, sizeof command, "rm -rf '%s'", root);
	assert_int_equal(system(command), 0);
}

static void the_smallest_limit_holds(void **state)
{
	(void)state;
	uint64_t machine = memory_limit_bytes("/nowhere", "/nowhere");
	assert_true(machine > 1 << 20);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char root[] = "/tmp/limit-XXXXXX", proc[64], sys[64];
		assert_non_null(mkdtemp(root));
		for (int k = 0; k < FILES_MAX && cases[i].files[k].path; k++)
			put(root, &cases[i].files[k]);
		snprintf(proc, sizeof proc, "%s/proc", root);
		snprintf(sys, sizeof sys, "%s/sys", root);
		uint64_t got = memory_limit_bytes(proc, sys);
		remove_folder(root);
		if (got != (cases[i].wanted ? cases[i].wanted : machine))
			fail_msg("%s: %llu", cases[i].name, (unsigned long long)got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_smallest_limit_holds) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
