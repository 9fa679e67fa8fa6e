/* What the stand-in backend and the load generator share. Each is one thread around one epoll set; a failure to get
 * memory or a socket at the start ends the process, because a benchmark that limps on measures nothing. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

static inline uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static inline struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };
}

/* Says why and leaves. */
static inline _Noreturn void die(const char *why)
{
	perror(why);
	exit(1);
}

static inline void *must(void *p)
{
	if (!p)
		die("memory");
	return p;
}

/* As many descriptors as the system lets us have. */
static inline void raise_descriptors(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

#endif
