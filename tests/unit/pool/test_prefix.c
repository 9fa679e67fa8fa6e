/* The prefix index against a naive model under random operations, and its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pool/pool.h"

enum {
	REPLICAS = 12,
	CHAIN_MAX = 600, /* several slices */
	STEPS = 12000,
	MODEL_BLOCKS = 4096,
	SLICE = 256, /* as the index takes them: what goes is decided after each */
};

/* ---- the model: per replica an array, most recent first ---- */

struct model {
	uint64_t block[MODEL_BLOCKS];
	uint32_t stamp[MODEL_BLOCKS]; /* `inserted` when it was touched */
	uint32_t n, capacity, inserted;
};

static uint32_t model_at(const struct model *m, uint64_t h)
{
	uint32_t i = 0;
	while (i < m->n && m->block[i] != h)
		i++;
	return i;
}

/* True when it is new. */
static bool model_touch(struct model *m, uint64_t h)
{
	uint32_t at = model_at(m, h);
	bool is_new = at == m->n;
	if (is_new) {
		m->n++;
		m->inserted++;
	}
	memmove(&m->block[1], &m->block[0], at * sizeof m->block[0]);
	memmove(&m->stamp[1], &m->stamp[0], at * sizeof m->stamp[0]);
	m->block[0] = h;
	m->stamp[0] = m->inserted;
	return is_new;
}

static void model_add(struct model *m, const uint64_t *chain, uint32_t n)
{
	uint32_t i = n < m->capacity ? n : m->capacity, last = model_at(m, chain[i - 1]);
	if (last < m->n && m->inserted - m->stamp[last] < m->capacity / 16)
		return;
	while (i > 0) {
		uint32_t leave = i > SLICE ? i - SLICE : 0, may_go = 0;
		for (; i > leave; i--)
			may_go += 2 * model_touch(m, chain[i - 1]);
		for (; may_go > 0 && m->n > m->capacity; may_go--)
			m->n--;
	}
}

static uint32_t model_leading(const struct model *m, const uint64_t *chain, uint32_t n)
{
	uint32_t k = 0;
	while (k < n && model_at(m, chain[k]) < m->n)
		k++;
	return k;
}

/* ---- helpers ---- */

static struct pool *pool_with(uint32_t replicas, uint64_t *ids)
{
	struct pool_options o = pool_options_default();
	struct pool *p = pool_new(&o);
	for (uint32_t i = 0; i < replicas; i++) {
		char text[32];
		struct address a;
		(void)snprintf(text, sizeof text, "10.0.%u.%u:80", i / 250, i % 250 + 1);
		assert_int_equal(address_parse(&a, span_str(text), NULL), 0);
		assert_int_equal(pool_added(p, span_str(text), &a, 0, 1, &ids[i]), 0);
	}
	return p;
}

static void set_capacity(struct pool *p, uint64_t id, uint32_t blocks)
{
	struct signals s = { NAN, NAN, NAN, blocks, PREFIX_BLOCK_TOKENS, NAN, SPAN_NONE, SPAN_NONE };
	pool_on_scrape(p, id, ENGINE_VLLM, &s, 1);
}

/* Chains of a tree: the hash of a block is that of its path, so that chains share heads as conversations do. */
static uint32_t random_chain(struct rng *r, uint64_t *chain)
{
	uint32_t n = 1 + (uint32_t)rng_below(r, rng_below(r, 4) ? 100 : CHAIN_MAX), fork = (uint32_t)rng_below(r, 40);
	uint64_t h = 7 + rng_below(r, 3);
	for (uint32_t i = 0; i < n; i++) {
		h = hash_mix(h, i == fork ? rng_below(r, 4) : 0);
		chain[i] = h;
	}
	return n;
}

/* Less than a chain, or several. */
static uint32_t random_capacity(struct rng *r)
{
	return 64 + (uint32_t)rng_below(r, rng_below(r, 2) ? 200 : 1500);
}

static uint32_t hits_of(const struct prefix_hits *h, uint32_t slot)
{
	for (uint32_t i = 0; i < h->n; i++)
		if (h->slot[i] == slot)
			return h->blocks[i];
	return 0;
}

static void look_up_equals_the_naive_model(void **state)
{
	(void)state;
	static struct model models[REPLICAS];
	static struct prefix_hits hits;
	uint64_t ids[REPLICAS], chain[CHAIN_MAX], seed = rng_entropy();
	struct rng r;
	print_message("seed %llu\n", (unsigned long long)seed);
	rng_seed(&r, seed);
	struct pool *p = pool_with(REPLICAS, ids);
	for (uint32_t i = 0; i < REPLICAS; i++) {
		models[i] = (struct model){ .capacity = random_capacity(&r) };
		set_capacity(p, ids[i], models[i].capacity);
	}
	for (int step = 0; step < STEPS; step++) {
		uint32_t n = random_chain(&r, chain), slot = (uint32_t)rng_below(&r, REPLICAS);
		if (rng_below(&r, 500) == 0) {
			pool_prefix_drop(p, slot);
			models[slot].n = models[slot].inserted = 0;
			models[slot].capacity = random_capacity(&r); /* a drop forgets the size too */
			set_capacity(p, ids[slot], models[slot].capacity);
		} else if (rng_below(&r, 300) == 0) {
			models[slot].capacity = random_capacity(&r);
			set_capacity(p, ids[slot], models[slot].capacity);
		} else {
			pool_prefix_add(p, slot, chain, n);
			model_add(&models[slot], chain, n);
		}
		n = random_chain(&r, chain);
		pool_prefix_find(p, chain, n, &hits);
		uint32_t holders = 0;
		uint64_t blocks = 0;
		for (uint32_t i = 0; i < REPLICAS; i++) {
			uint32_t want = model_leading(&models[i], chain, n);
			assert_int_equal(hits_of(&hits, i), want);
			holders += want > 0;
			blocks += models[i].n;
		}
		assert_int_equal(hits.n, holders);
		assert_int_equal(pool_prefix_blocks(p), blocks);
	}
	pool_free(p);
}

static void an_empty_chain_and_a_chain_nobody_holds_find_nothing(void **state)
{
	(void)state;
	static struct prefix_hits hits;
	uint64_t id, chain[2] = { 0, 5 };
	struct pool *p = pool_with(1, &id);
	pool_prefix_find(p, NULL, 0, &hits);
	assert_int_equal(hits.n, 0);
	pool_prefix_find(p, chain, 2, &hits);
	assert_int_equal(hits.n, 0);
	pool_prefix_add(p, 0, chain, 2); /* a hash of zero is a hash like any other */
	pool_prefix_find(p, chain, 2, &hits);
	assert_int_equal(hits_of(&hits, 0), 2);
	pool_free(p);
}

static void many_holders_of_one_block_are_all_found(void **state)
{
	(void)state;
	enum { MANY = 300 };
	static struct prefix_hits hits;
	static uint64_t ids[MANY];
	uint64_t chain[3] = { 11, 12, 13 };
	struct pool *p = pool_with(MANY, ids);
	for (uint32_t i = 0; i < MANY; i++)
		pool_prefix_add(p, i, chain, 1 + i % 3);
	pool_prefix_find(p, chain, 3, &hits);
	assert_int_equal(hits.n, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(hits_of(&hits, i), 1 + i % 3);
	for (uint32_t i = 0; i < MANY; i++)
		pool_prefix_drop(p, i);
	assert_int_equal(pool_prefix_blocks(p), 0);
	pool_prefix_find(p, chain, 3, &hits);
	assert_int_equal(hits.n, 0);
	pool_free(p);
}

/* Holders that come in any order and go in another: each keeps its own number of blocks. */
static void holders_of_a_shared_prompt_come_and_go_in_any_order(void **state)
{
	(void)state;
	enum { MANY = 200, BLOCKS = 3 };
	static struct prefix_hits hits;
	static uint64_t ids[MANY];
	uint64_t chain[BLOCKS] = { 21, 22, 23 };
	uint32_t want[MANY] = { 0 }, holders = 0;
	struct rng r;
	uint64_t seed = rng_entropy();
	print_message("seed %llu\n", (unsigned long long)seed);
	rng_seed(&r, seed);
	struct pool *p = pool_with(MANY, ids);
	for (int step = 0; step < 3000; step++) {
		uint32_t slot = (uint32_t)rng_below(&r, MANY), n = 1 + (uint32_t)rng_below(&r, BLOCKS);
		if (rng_below(&r, 3) == 0) {
			pool_prefix_drop(p, slot);
			holders -= want[slot] > 0;
			want[slot] = 0;
		} else {
			pool_prefix_add(p, slot, chain, n);
			holders += want[slot] == 0;
			want[slot] = want[slot] > n ? want[slot] : n;
		}
		pool_prefix_find(p, chain, BLOCKS, &hits);
		assert_int_equal(hits.n, holders);
		assert_int_equal(hits_of(&hits, slot), want[slot]);
	}
	pool_free(p);
}

/* Nothing is lost of it, and it is in the list once: the replica holds as many blocks as there are different ones. */
static void a_block_that_comes_twice_in_a_chain_is_held_once(void **state)
{
	(void)state;
	enum { BLOCKS = 300, DIFFERENT = 7 };
	static struct prefix_hits hits;
	uint64_t id, chain[BLOCKS];
	struct pool *p = pool_with(1, &id);
	for (uint32_t i = 0; i < BLOCKS; i++)
		chain[i] = 31 + i % DIFFERENT;
	pool_prefix_add(p, 0, chain, BLOCKS);
	assert_int_equal(pool_prefix_blocks(p), DIFFERENT);
	pool_prefix_find(p, chain, BLOCKS, &hits);
	assert_int_equal(hits_of(&hits, 0), BLOCKS);
	pool_prefix_drop(p, 0);
	assert_int_equal(pool_prefix_blocks(p), 0);
	pool_free(p);
}

static void the_default_size_is_the_reference_pickers(void **state)
{
	(void)state;
	uint64_t id;
	uint64_t *chain = calloc(4096, sizeof *chain);
	struct pool *p = pool_with(1, &id);
	for (uint64_t k = 0; k < 20; k++) {
		for (uint64_t i = 0; i < 4096; i++)
			chain[i] = hash_mix(hash_mix(99, k), i);
		pool_prefix_add(p, 0, chain, 4096);
	}
	assert_int_equal(pool_prefix_blocks(p), PREFIX_REPLICA_BLOCKS);
	free(chain);
	pool_free(p);
}

static void ten_million_blocks_would_fit_a_gibibyte(void **state)
{
	(void)state;
	enum { EACH = 25000 };
	uint64_t ids[8];
	uint64_t chain[100];
	struct pool *p = pool_with(8, ids);
	for (uint32_t slot = 0; slot < 8; slot++) {
		for (uint64_t k = 0; k < EACH / 100; k++) {
			for (uint64_t i = 0; i < 100; i++)
				chain[i] = hash_mix(hash_mix(99, slot * 1000 + k), i);
			pool_prefix_add(p, slot, chain, 100);
		}
	}
	uint64_t blocks = pool_prefix_blocks(p);
	assert_int_equal(blocks, 8 * EACH);
	assert_true(pool_prefix_bytes(p) / blocks < (UINT64_C(1) << 30) / PREFIX_POOL_BLOCKS_MAX);
	pool_free(p);
}

/* A slot given to another replica remembers nothing of the one before. */
static void a_removed_replicas_blocks_are_gone_before_its_slot_is_used_again(void **state)
{
	(void)state;
	static struct prefix_hits hits;
	uint64_t id, again, chain[2] = { 1, 2 };
	struct address a;
	struct pool *p = pool_with(1, &id);
	pool_prefix_add(p, 0, chain, 2);
	assert_int_equal(pool_removed(p, id, 2), 0);
	assert_int_equal(address_parse(&a, SPAN("10.9.9.9:80"), NULL), 0);
	assert_int_equal(pool_added(p, SPAN("b"), &a, 0, 3, &again), 0);
	pool_prefix_find(p, chain, 2, &hits);
	assert_int_equal(hits.n, 0);
	assert_true(again != id);
	pool_lock(p);
	assert_int_equal(pool_replica_locked(p, again)->slot, 0);
	assert_null(pool_replica_locked(p, id));
	pool_unlock(p);
	pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(look_up_equals_the_naive_model),
		cmocka_unit_test(an_empty_chain_and_a_chain_nobody_holds_find_nothing),
		cmocka_unit_test(many_holders_of_one_block_are_all_found),
		cmocka_unit_test(holders_of_a_shared_prompt_come_and_go_in_any_order),
		cmocka_unit_test(a_block_that_comes_twice_in_a_chain_is_held_once),
		cmocka_unit_test(the_default_size_is_the_reference_pickers),
		cmocka_unit_test(ten_million_blocks_would_fit_a_gibibyte),
		cmocka_unit_test(a_removed_replicas_blocks_are_gone_before_its_slot_is_used_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
