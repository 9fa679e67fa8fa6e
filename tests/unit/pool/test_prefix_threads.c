/* The prefix index from many threads: chains of several slices, on replicas too small for them, whose blocks are
 * dropped and whose sizes change meanwhile. To be run under TSan as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <pthread.h>

#include <cmocka.h>

#include "pool/pool.h"

enum { THREADS = 4, STEPS = 1500, REPLICAS = 6, CHAIN = 600 };

static struct pool *pool;
static uint64_t ids[REPLICAS];

/* All begin alike, as chats with one system prompt do. */
static uint32_t random_chain(struct rng *r, uint64_t *chain)
{
	uint64_t h = 1;
	for (int i = 0; i < CHAIN; i++)
		chain[i] = h = hash_mix(h, i % 100 == 50 ? rng_below(r, 3) : 0);
	return 1 + (uint32_t)rng_below(r, CHAIN);
}

static void resize(struct rng *r)
{
	struct signals s = { NAN, NAN,	     NAN,      64 + (double)rng_below(r, 1500), PREFIX_BLOCK_TOKENS,
			     NAN, SPAN_NONE, SPAN_NONE };
	pool_on_scrape(pool, ids[rng_below(r, REPLICAS)], ENGINE_VLLM, &s, NS_PER_S);
}

static void *work(void *arg)
{
	static _Thread_local struct prefix_hits hits;
	uint64_t chain[CHAIN];
	struct rng r;
	rng_seed(&r, *(uint64_t *)arg);
	for (int i = 0; i < STEPS; i++) {
		uint32_t n = random_chain(&r, chain), what = (uint32_t)rng_below(&r, 50);
		if (what == 0)
			pool_prefix_drop(pool, (uint32_t)rng_below(&r, REPLICAS));
		else if (what == 1)
			resize(&r);
		else if (what < 25)
			pool_prefix_add(pool, (uint32_t)rng_below(&r, REPLICAS), chain, n);
		pool_prefix_find(pool, chain, n, &hits);
		assert_in_range(hits.n, 0, REPLICAS);
		for (uint32_t k = 0; k < hits.n; k++)
			assert_in_range(hits.blocks[k], 1, n);
	}
	return NULL;
}

static void nothing_is_lost_or_counted_twice_among_threads(void **state)
{
	(void)state;
	struct pool_options o = pool_options_default();
	pthread_t threads[THREADS];
	uint64_t seeds[THREADS];
	pool = pool_new(&o);
	for (uint32_t i = 0; i < REPLICAS; i++) {
		struct address a;
		char text[32];
		(void)snprintf(text, sizeof text, "10.0.0.%u:80", i + 1);
		assert_int_equal(address_parse(&a, span_str(text), NULL), 0);
		assert_int_equal(pool_added(pool, span_str(text), &a, 0, 1, &ids[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		seeds[i] = rng_entropy();
		assert_int_equal(pthread_create(&threads[i], NULL, work, &seeds[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	for (uint32_t i = 0; i < REPLICAS; i++)
		pool_prefix_drop(pool, i);
	assert_int_equal(pool_prefix_blocks(pool), 0);
	pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_or_counted_twice_among_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
