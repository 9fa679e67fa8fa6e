/* What the prefix index costs a gateway whose replicas are full: 4 replicas, 1,000 prompts of 128 blocks (32 KB) or 32
 * of 4,096 (1 MB) in turn, a little more than the replicas hold, so that every chain is new and every block evicts one.
 * Prints nanoseconds per block, the best of several rounds (the machine is shared; the minimum is the code): `hot` in a
 * loop, `cool` with half a megabyte read before each call, as requests do. Build and run: bench/micro/run prefix */
#include <stdio.h>
#include <stdlib.h>

#include <pthread.h>
#include <unistd.h>

#include "pool/pool.h"

enum {
	ROUNDS = 7,
	REPLICAS = 4,
	BLOCKS = 1000 * 128,
	COOL_BYTES = 512 << 10,
};

static struct pool *pool;
static uint64_t chains[2 * BLOCKS]; /* those added, and as many that nobody holds */
static struct prefix_hits hits;
static char cold[COOL_BYTES];
static volatile uint64_t sink;

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void make_pool(void)
{
	struct pool_options o = pool_options_default();
	pool = pool_new(&o);
	must(pool);
	for (unsigned i = 0; i < REPLICAS; i++) {
		char text[32];
		struct address a;
		uint64_t id;
		(void)snprintf(text, sizeof text, "10.0.0.%u:80", i + 1);
		must(address_parse(&a, span_str(text), NULL) == 0);
		must(pool_added(pool, span_str(text), &a, 0, NS_PER_S, &id) == 0);
	}
}

/* Chains of n blocks, of which the first `shared` are the same in all. */
static void make_chains(uint32_t n, uint32_t shared)
{
	for (uint32_t c = 0; c < 2 * BLOCKS / n; c++) {
		uint64_t h = 1;
		for (uint32_t i = 0; i < n; i++)
			chains[c * n + i] = h = hash_mix(h, i < shared ? 0 : c + 1);
	}
}

static void add(uint32_t c, uint32_t n)
{
	pool_prefix_add(pool, c % REPLICAS, &chains[c * n], n);
}

/* The chain that the same replica was given last. */
static void add_again(uint32_t c, uint32_t n)
{
	add(c % REPLICAS + BLOCKS / n - REPLICAS, n);
}

static void find(uint32_t c, uint32_t n)
{
	pool_prefix_find(pool, &chains[c * n], n, &hits);
}

static void find_new(uint32_t c, uint32_t n)
{
	find(c + BLOCKS / n, n);
}

static void cool(void)
{
	for (size_t i = 0; i < sizeof cold; i += 64)
		sink += (uint64_t)cold[i]++;
}

/* One call for each chain; nanoseconds of all. */
static uint64_t round_of(void (*call)(uint32_t c, uint32_t n), uint32_t n, bool cooled)
{
	uint64_t spent = 0;
	for (uint32_t c = 0; c < BLOCKS / n; c++) {
		if (cooled)
			cool();
		uint64_t from = clock_now_ns();
		call(c, n);
		spent += clock_now_ns() - from;
	}
	return spent;
}

static void report(const char *what, void (*call)(uint32_t c, uint32_t n), uint32_t n, uint32_t per_call)
{
	uint64_t best[2] = { UINT64_MAX, UINT64_MAX };
	for (int i = 0; i < 2 * ROUNDS; i++) {
		uint64_t spent = round_of(call, n, i % 2);
		best[i % 2] = spent < best[i % 2] ? spent : best[i % 2];
	}
	double calls = (double)(BLOCKS / n) * per_call;
	printf("%5u blocks  %-28s %8.1f hot %8.1f cool\n", n, what, (double)best[0] / calls, (double)best[1] / calls);
}

static void measure(uint32_t n, uint32_t shared)
{
	make_pool();
	make_chains(n, shared);
	printf("%5u blocks  %-28s %8.1f\n", n, "add, growing, a block", (double)round_of(add, n, false) / BLOCKS);
	report(shared ? "add, half shared: fits, fresh" : "add, evicting, a block", add, n, n);
	report("add, fresh, a call", add_again, n, 1);
	report("find, known, a call", find, n, 1);
	report("find, new, a call", find_new, n, 1);
	pool_free(pool);
}

/* The C library's locks cost nothing in a process of one thread, which no gateway is. */
static void *idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int main(void)
{
	pthread_t other;
	must(pthread_create(&other, NULL, idle, NULL) == 0);
	measure(16, 0);
	measure(128, 0);
	measure(128, 64);
	measure(4096, 0);
	return 0;
}
