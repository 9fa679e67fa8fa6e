/* The memory limit of the process: physical memory, narrowed by every control group it is in.
 *
 * A container sees the host's memory in sysinfo; what will kill it is its control group. Version 2 (cgroups(7)) has one
 * line "0::<path>" in /proc/self/cgroup and memory.max in each folder from <path> up to the root, all of which hold;
 * version 1 has a line "<n>:memory:<path>". Inside a container the path may not exist below /sys/fs/cgroup, because
 * only the group's own folder is mounted there: then the root's file is the one that counts. Main thread, at start. */
#include "control/memory_limit.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/base.h"

enum { CGROUP_FILE_BYTES = 8 * 1024 };

/* Lines beyond the bound are ignored. Returns the bytes read, 0 when there is no such file. */
static size_t file_read(const char *path, char *text, size_t cap)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	size_t n = fread(text, 1, cap, f);
	fclose(f);
	return n;
}

/* "max" and version 1's huge number for "no limit" both leave the bound as it is. */
static uint64_t narrow(uint64_t bound, const char *path)
{
	char text[64];
	uint64_t v;
	struct span s = span_of(text, file_read(path, text, sizeof text));
	s = span_cut(s, '\n', &(struct span){ 0 });
	if (!span_to_u64(s, &v) || v == 0)
		return bound;
	return v < bound ? v : bound;
}

/* Every folder from `group` up to the mount point may carry a limit. */
static uint64_t narrow_upwards(uint64_t bound, const char *mount, struct span group, const char *file)
{
	char path[PATH_MAX];
	for (;;) {
		while (group.n && group.p[group.n - 1] == '/')
			group.n--;
		if (snprintf(path, sizeof path, "%s%.*s/%s", mount, SPAN_ARG(group), file) < (int)sizeof path)
			bound = narrow(bound, path);
		if (!group.n)
			return bound;
		while (group.n && group.p[group.n - 1] != '/')
			group.n--;
	}
}

static bool lists_memory(struct span controllers)
{
	while (controllers.n) {
		if (span_eq(span_cut(controllers, ',', &controllers), SPAN("memory")))
			return true;
	}
	return false;
}

static uint64_t physical_bytes(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_C(1) << 30;
}

uint64_t memory_limit_bytes(const char *proc, const char *sys)
{
	char path[PATH_MAX], text[CGROUP_FILE_BYTES];
	uint64_t bound = physical_bytes();

	snprintf(path, sizeof path, "%s/self/cgroup", proc);
	struct span lines = span_of(text, file_read(path, text, sizeof text));
	while (lines.n) {
		struct span group, line = span_cut(lines, '\n', &lines);
		span_cut(line, ':', &line);
		struct span controllers = span_cut(line, ':', &group);
		if (controllers.n == 0) {
			snprintf(path, sizeof path, "%s/fs/cgroup", sys);
			bound = narrow_upwards(bound, path, group, "memory.max");
		} else if (lists_memory(controllers)) {
			snprintf(path, sizeof path, "%s/fs/cgroup/memory", sys);
			bound = narrow_upwards(bound, path, group, "memory.limit_in_bytes");
		}
	}
	return bound;
}
