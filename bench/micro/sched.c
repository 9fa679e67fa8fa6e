/* What deciding costs: a pick among 256 replicas, and the prefix index with a million blocks, warm and cold. Prints
 * nanoseconds, best of several rounds (the machine is shared; the minimum is the code). Build and run: bench/micro/run
 * sched */
#include <stdio.h>
#include <stdlib.h>

#include "sched/sched.h"

enum {
	ROUNDS = 15,
	PICKS = 2000,
	REPLICAS = 256,
	CHAIN = 512,
	CHAINS = 2000, /* a million blocks */
	SHARED = 64,   /* leading blocks that all chains have in common */
	EVICT_BYTES = 64 << 20,
};

static struct pool *pool;
static uint64_t ids[REPLICAS];
static uint64_t chains[CHAINS][CHAIN];
static struct prefix_hits hits;
static volatile uint64_t sink;

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void fill_pool(void)
{
	struct pool_options o = pool_options_default();
	pool = pool_new(&o);
	must(pool);
	for (unsigned i = 0; i < REPLICAS; i++) {
		char text[32], base[] = "base", none[] = "";
		struct address a;
		struct replica_model m = { base, none, 0, 0 };
		struct signals s = { i % 7, i % 30, (i % 100) / 100.0, 27000, 16, 4, SPAN("x,y"), SPAN("z") };
		(void)snprintf(text, sizeof text, "10.0.%u.%u:80", i / 200, i % 200 + 1);
		must(address_parse(&a, span_str(text), NULL) == 0);
		must(pool_added(pool, span_str(text), &a, 500, NS_PER_S, &ids[i]) == 0);
		pool_on_scrape(pool, ids[i], ENGINE_VLLM, &s, NS_PER_S);
		must(pool_on_models(pool, ids[i], &m, 1, NS_PER_S) == 0);
	}
}

static void pick(const char *what, bool adapter, bool prefix)
{
	struct sched *s = sched_new(NULL, 1, NULL);
	struct facts f = { .pool = pool, .model = SPAN("base"), .prompt_tokens = 32768, .chain_len = CHAIN };
	struct decision d;
	uint64_t best = UINT64_MAX;
	must(s);
	f.adapter = adapter ? SPAN("x") : SPAN_NONE;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t spent = 0;
		for (int i = 0; i < PICKS; i++) {
			uint64_t from = clock_now_ns();
			must(sched_pick_locked(s, &f, prefix ? &hits : NULL, NS_PER_S, &d) == 1);
			spent += clock_now_ns() - from;
			pool_gone_locked(pool, pool_replica_locked(pool, d.replica), d.charge, NS_PER_S);
		}
		best = spent < best ? spent : best;
	}
	printf("%-44s %8.0f ns\n", what, (double)best / PICKS);
	sched_free(s);
}

static void make_chains(void)
{
	for (int c = 0; c < CHAINS; c++) {
		uint64_t h = 1;
		for (int i = 0; i < CHAIN; i++)
			chains[c][i] = h = hash_mix(h, i < SHARED ? 0 : (uint64_t)c);
	}
}

static void add_chains(void)
{
	uint64_t from = clock_now_ns();
	for (uint32_t c = 0; c < CHAINS; c++)
		pool_prefix_add(pool, c % REPLICAS, chains[c], CHAIN);
	printf("%-44s %8.0f ns\n", "prefix add, a chain of 512", (double)(clock_now_ns() - from) / CHAINS);
	printf("%-44s %8.1f bytes\n", "prefix index, a block",
	       (double)pool_prefix_bytes(pool) / (double)pool_prefix_blocks(pool));
}

/* Reads more than the last-level cache's share of one core holds. */
static void cool(char *p)
{
	for (size_t i = 0; i < EVICT_BYTES; i += 64)
		sink += (uint64_t)p[i]++;
}

static void find(const char *what, bool cold, uint32_t n)
{
	char *p = calloc(1, EVICT_BYTES);
	uint64_t best = UINT64_MAX, sum = 0;
	must(p);
	for (int round = 0; round < ROUNDS; round++) {
		if (cold)
			cool(p);
		uint64_t from = clock_now_ns();
		pool_prefix_find(pool, chains[(unsigned)round * 97 % CHAINS], n, &hits);
		uint64_t spent = clock_now_ns() - from;
		best = spent < best ? spent : best;
		sum += spent;
		must(hits.n > 0);
	}
	printf("%-44s %8.0f ns, mean %.0f\n", what, (double)best, (double)sum / ROUNDS);
	free(p);
}

int main(void)
{
	fill_pool();
	make_chains();
	pick("pick among 256", false, false);
	add_chains();
	find("prefix find, 512 blocks, 256 replicas, warm", false, CHAIN);
	find("prefix find, 512 blocks, 256 replicas, cold", true, CHAIN);
	pick("pick among 256, all with prefixes", false, true);
	pick("pick among 256, prefixes and an adapter", true, true);
	for (uint32_t i = 0; i < REPLICAS; i++)
		pool_prefix_add(pool, i, chains[0], CHAIN);
	find("prefix find, all hold all of it, cold", true, CHAIN);
	pool_free(pool);
	return 0;
}
