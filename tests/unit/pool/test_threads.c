/* The pool from many threads at once: prefix index, scrapes, members that come and go, token ratios. To be run under
 * TSan as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <pthread.h>

#include <cmocka.h>

#include "pool/pool.h"

enum { THREADS = 4, STEPS = 4000, REPLICAS = 6, CHAIN = 48 };

static struct pool *pool;
static uint64_t ids[REPLICAS];

static void random_chain(struct rng *r, uint64_t *chain)
{
	uint64_t h = 1;
	for (int i = 0; i < CHAIN; i++)
		chain[i] = h = hash_mix(h, i % 8 ? 0 : rng_below(r, 3));
}

/* The blocks of one chain that a replica holds are a prefix of it, whoever else adds meanwhile. */
static void use_index(struct rng *r, struct prefix_hits *hits)
{
	uint64_t chain[CHAIN];
	random_chain(r, chain);
	if (rng_below(r, 2))
		pool_prefix_add(pool, (uint32_t)rng_below(r, REPLICAS), chain, CHAIN);
	pool_prefix_find(pool, chain, CHAIN, hits);
	assert_true(hits->n <= REPLICAS);
	for (uint32_t i = 0; i < hits->n; i++)
		assert_in_range(hits->blocks[i], 1, CHAIN);
}

static void say(struct rng *r)
{
	struct signals s = { 1, 2, 0.5, 64 + (double)rng_below(r, 100), 64, 2, SPAN("a,b"), SPAN("c") };
	uint64_t id = ids[rng_below(r, REPLICAS)];
	pool_on_scrape(pool, id, ENGINE_VLLM, &s, NS_PER_S);
	pool_learn_tokens(pool, SPAN("m"), 1000, 200 + (uint32_t)rng_below(r, 100));
	assert_in_range(pool_tokens_of(pool, SPAN("m"), 4000), 700, 1300);
	assert_false(pool_lacks_model(pool, SPAN("m")));
	(void)pool_is_adapter(pool, SPAN("a"));
}

static void come_and_go(struct rng *r)
{
	struct address a;
	uint64_t id;
	char text[32];
	(void)snprintf(text, sizeof text, "10.1.0.%u:80", 1 + (unsigned)rng_below(r, 3));
	assert_int_equal(address_parse(&a, span_str(text), NULL), 0);
	int added = pool_added(pool, span_str(text), &a, 0, 1, &id);
	assert_true(added == 0 || added == -PS_EEXIST);
	int removed = pool_removed(pool, id, 1);
	assert_true(removed == 0 || removed == -PS_ENOTFOUND); /* another thread may have been first */
}

static void *work(void *arg)
{
	static _Thread_local struct prefix_hits hits;
	struct rng r;
	rng_seed(&r, *(uint64_t *)arg);
	for (int i = 0; i < STEPS; i++) {
		switch (rng_below(&r, 8)) {
		case 0:
			say(&r);
			break;
		case 1:
			come_and_go(&r);
			break;
		default:
			use_index(&r, &hits);
		}
	}
	return NULL;
}

static void threads_share_a_pool(void **state)
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
		assert_int_equal(pool_removed(pool, ids[i], 2), 0);
	assert_int_equal(pool_size_locked(pool), 0);
	assert_int_equal(pool_prefix_blocks(pool), 0);
	pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_share_a_pool),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
