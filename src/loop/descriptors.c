/* How many sockets there are and may be. One counter for the process; see loop.h. */
#include <stdatomic.h>
#include <sys/resource.h>

#include "loop/internal.h"

/* Written relaxed by every thread: it is a level to compare with, it orders nothing. */
static _Atomic int in_use;
static unsigned limit = 1024 - DESCRIPTORS_RESERVED;

unsigned descriptors_init(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		rlim_t had = r.rlim_cur;
		r.rlim_cur = r.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &r) < 0)
			r.rlim_cur = had;
		rlim_t n = r.rlim_cur < 1u << 30 ? r.rlim_cur : 1u << 30;
		limit = n > 2 * DESCRIPTORS_RESERVED ? (unsigned)n - DESCRIPTORS_RESERVED : DESCRIPTORS_RESERVED;
	}
	return limit;
}

void descriptors_add(int n)
{
	atomic_fetch_add_explicit(&in_use, n, memory_order_relaxed);
}

unsigned descriptors_in_use(void)
{
	int n = atomic_load_explicit(&in_use, memory_order_relaxed);
	return n > 0 ? (unsigned)n : 0;
}

unsigned descriptors_limit(void)
{
	return limit;
}
