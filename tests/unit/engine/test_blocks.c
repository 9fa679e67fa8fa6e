/* The block pool against a naive one: plain arrays and a search for the block that was freed longest ago. */
#include "engine/blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BLOCKS = 24, HASHES = 40, STEPS = 60000 };

struct naive {
	unsigned refs[BLOCKS];
	uint64_t hash[BLOCKS];
	unsigned freed[BLOCKS]; /* when it became free */
	unsigned clock;
};

static uint32_t naive_find(const struct naive *n, uint64_t hash)
{
	for (uint32_t i = 0; i < BLOCKS; i++)
		if (n->hash[i] == hash)
			return i;
	return BLOCK_NONE;
}

static uint32_t naive_take(struct naive *n)
{
	uint32_t best = BLOCK_NONE;
	for (uint32_t i = 0; i < BLOCKS; i++)
		if (n->refs[i] == 0 && (best == BLOCK_NONE || n->freed[i] < n->freed[best]))
			best = i;
	if (best != BLOCK_NONE) {
		n->refs[best] = 1;
		n->hash[best] = 0;
	}
	return best;
}

static void naive_release(struct naive *n, uint32_t id)
{
	if (--n->refs[id] == 0)
		n->freed[id] = ++n->clock;
}

static uint32_t naive_free(const struct naive *n)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < BLOCKS; i++)
		count += n->refs[i] == 0;
	return count;
}

/* A block that somebody holds, or BLOCK_NONE. */
static uint32_t held(const struct naive *n, struct rng *rng)
{
	uint32_t start = (uint32_t)rng_below(rng, BLOCKS);
	for (uint32_t k = 0; k < BLOCKS; k++)
		if (n->refs[(start + k) % BLOCKS])
			return (start + k) % BLOCKS;
	return BLOCK_NONE;
}

static void one_operation(struct blocks *b, struct naive *n, struct rng *rng)
{
	uint64_t hash = 1 + rng_below(rng, HASHES);
	uint32_t id = held(n, rng), found = naive_find(n, hash);
	switch (rng_below(rng, 5)) {
	case 0:
		assert_int_equal(blocks_take(b), naive_take(n));
		break;
	case 1:
		assert_int_equal(blocks_find(b, hash), found);
		if (found != BLOCK_NONE) {
			blocks_share(b, found);
			n->refs[found]++;
		}
		break;
	case 2:
		if (id != BLOCK_NONE && !n->hash[id]) {
			blocks_publish(b, id, hash);
			n->hash[id] = found == BLOCK_NONE ? hash : 0;
		}
		break;
	default:
		if (id != BLOCK_NONE) {
			blocks_release(b, id);
			naive_release(n, id);
		}
	}
}

static void the_pool_does_what_a_naive_one_does(void **state)
{
	(void)state;
	uint64_t seed = rng_entropy();
	print_message("seed %llu\n", (unsigned long long)seed);
	struct rng rng;
	struct blocks b;
	struct naive n = { .clock = BLOCKS };
	rng_seed(&rng, seed);
	for (uint32_t i = 0; i < BLOCKS; i++)
		n.freed[i] = i;
	assert_int_equal(blocks_init(&b, BLOCKS), 0);
	for (int i = 0; i < STEPS; i++) {
		one_operation(&b, &n, &rng);
		assert_int_equal(b.free, naive_free(&n));
	}
	blocks_forget_free(&b);
	for (uint64_t h = 1; h <= HASHES; h++) {
		uint32_t id = naive_find(&n, h);
		assert_int_equal(blocks_find(&b, h), id != BLOCK_NONE && n.refs[id] ? id : BLOCK_NONE);
	}
	blocks_done(&b);
}

static void hash_zero_is_no_hash(void **state)
{
	(void)state;
	struct blocks b;
	assert_int_equal(blocks_init(&b, 2), 0);
	uint32_t id = blocks_take(&b);
	blocks_publish(&b, id, 0);
	assert_int_equal(blocks_find(&b, 0), BLOCK_NONE);
	blocks_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pool_does_what_a_naive_one_does),
		cmocka_unit_test(hash_zero_is_no_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
