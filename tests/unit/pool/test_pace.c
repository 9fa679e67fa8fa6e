/* What is predicted of a first token, and how long a replica that said "full" is spared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool/pool.h"

static struct pool *make(uint64_t *id)
{
	struct pool_options o = pool_options_default();
	struct address a;
	struct pool *p = pool_new(&o);
	assert_int_equal(address_parse(&a, SPAN("10.0.0.1:80"), NULL), 0);
	assert_int_equal(pool_added(p, SPAN("10.0.0.1:80"), &a, 0, 1, id), 0);
	return p;
}

static void the_time_to_a_first_token_is_learned_per_token_in_front(void **state)
{
	(void)state;
	uint64_t id, now = NS_PER_S;
	struct pool *p = make(&id);
	struct replica *r = pool_replica_locked(p, id);
	for (int i = 0; i < 20; i++) {
		struct pool_charge c = pool_dispatched_locked(p, r, 3072, now);
		assert_int_equal(pool_predict_first_token_ns(r, &c) != 0, i >= 8);
		pool_first_token_locked(r, &c, 400 * NS_PER_MS); /* 4,096 tokens with the base */
		pool_answered_locked(p, r, &c, now);
		pool_done_locked(p, r, c, now);
	}
	struct pool_charge one = pool_dispatched_locked(p, r, 3072, now);
	assert_in_range(pool_predict_first_token_ns(r, &one), 390 * NS_PER_MS, 410 * NS_PER_MS);
	struct pool_charge behind = pool_dispatched_locked(p, r, 3072, now);
	assert_in_range(pool_predict_first_token_ns(r, &behind), 690 * NS_PER_MS, 710 * NS_PER_MS);
	pool_gone_locked(p, r, behind, now);
	pool_gone_locked(p, r, one, now);
	assert_int_equal(r->waiting_tokens, 0);
	pool_free(p);
}

static void a_replica_that_slows_down_is_believed_sooner_than_one_that_speeds_up(void **state)
{
	(void)state;
	struct replica r = { 0 };
	struct pool_charge c = { .tokens = 1024 };
	for (int i = 0; i < 10; i++)
		pool_first_token_locked(&r, &c, 100 * NS_PER_MS);
	pool_first_token_locked(&r, &c, 1100 * NS_PER_MS);
	uint64_t after_slow = pool_predict_first_token_ns(&r, &c);
	pool_first_token_locked(&r, &c, 100 * NS_PER_MS);
	uint64_t after_fast = pool_predict_first_token_ns(&r, &c);
	assert_in_range(after_slow, 390 * NS_PER_MS, 410 * NS_PER_MS);
	assert_in_range(after_fast, 375 * NS_PER_MS, 395 * NS_PER_MS);
}

static void refusals_in_a_row_spare_it_longer_and_an_answer_ends_that(void **state)
{
	(void)state;
	static const uint64_t seconds[] = { 1, 2, 4, 8, 8 };
	uint64_t id, now = NS_PER_S;
	struct pool *p = make(&id);
	struct replica *r = pool_replica_locked(p, id);
	for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
		pool_busy_locked(r, now);
		assert_int_equal(r->busy_until, now + seconds[i] * NS_PER_S);
	}
	struct pool_charge c = pool_dispatched_locked(p, r, 1, now);
	pool_done_locked(p, r, c, now);
	assert_int_equal(r->busy_until, 0);
	pool_busy_locked(r, now);
	assert_int_equal(r->busy_until, now + NS_PER_S);
	pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_time_to_a_first_token_is_learned_per_token_in_front),
		cmocka_unit_test(a_replica_that_slows_down_is_believed_sooner_than_one_that_speeds_up),
		cmocka_unit_test(refusals_in_a_row_spare_it_longer_and_an_answer_ends_that),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
