/* What a replica says: believed with an age, or counted and not believed; what is learned from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool/pool.h"

#define S NS_PER_S

static const struct signals unsaid = { NAN, NAN, NAN, NAN, NAN, NAN, { NULL, 0 }, { NULL, 0 } };

static struct pool *one_replica(uint64_t *id)
{
	struct pool_options o = pool_options_default();
	struct address a;
	struct pool *p = pool_new(&o);
	assert_int_equal(address_parse(&a, SPAN("10.0.0.1:8000"), NULL), 0);
	assert_int_equal(pool_added(p, SPAN("a"), &a, 0, S, id), 0);
	return p;
}

static struct replica *replica(struct pool *p, uint64_t id)
{
	pool_lock(p);
	struct replica *r = pool_replica_locked(p, id);
	pool_unlock(p);
	return r;
}

static void impossible_values_are_counted_and_the_last_good_one_is_kept(void **state)
{
	(void)state;
	static const struct {
		enum signal which;
		double lie;
		enum signal_fault fault;
	} lies[] = {
		{ SIGNAL_QUEUED, NAN, SIGNAL_MISSING },		 { SIGNAL_QUEUED, INFINITY, SIGNAL_NOT_FINITE },
		{ SIGNAL_QUEUED, -INFINITY, SIGNAL_NOT_FINITE }, { SIGNAL_QUEUED, -1, SIGNAL_NEGATIVE },
		{ SIGNAL_QUEUED, 1e308, SIGNAL_TOO_LARGE },	 { SIGNAL_RUNNING, 1e308, SIGNAL_TOO_LARGE },
		{ SIGNAL_RUNNING, NAN, SIGNAL_MISSING },	 { SIGNAL_RUNNING, -0.5, SIGNAL_NEGATIVE },
		{ SIGNAL_KV_USED, NAN, SIGNAL_MISSING },	 { SIGNAL_KV_USED, INFINITY, SIGNAL_NOT_FINITE },
		{ SIGNAL_KV_USED, -1e-9, SIGNAL_NEGATIVE },	 { SIGNAL_KV_USED, 1.06, SIGNAL_OVER_ONE },
		{ SIGNAL_KV_USED, 73, SIGNAL_OVER_ONE },	 { SIGNAL_KV_BLOCKS, 1e308, SIGNAL_TOO_LARGE },
		{ SIGNAL_KV_BLOCKS, -3, SIGNAL_NEGATIVE },	 { SIGNAL_BLOCK_TOKENS, 1e9, SIGNAL_TOO_LARGE },
		{ SIGNAL_MAX_LORA, 1e9, SIGNAL_TOO_LARGE },	 { SIGNAL_MAX_LORA, INFINITY, SIGNAL_NOT_FINITE },
	};
	for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		uint64_t id;
		struct pool_counters c;
		struct pool *p = one_replica(&id);
		struct signals good = { 3, 5, 0.5, 1000, 16, 4, SPAN_NONE, SPAN_NONE }, bad = good;
		pool_on_scrape(p, id, ENGINE_VLLM, &good, 2 * S);
		((double *)&bad)[lies[i].which] = lies[i].lie; /* the six numbers stand first, in the enum's order */
		pool_on_scrape(p, id, ENGINE_VLLM, &bad, 3 * S);
		struct replica *r = replica(p, id);
		assert_true(((double *)&r->signals)[lies[i].which] == ((double *)&good)[lies[i].which]);
		for (enum signal k = 0; k < SIGNAL_COUNT; k++)
			assert_int_equal(r->signal_at[k], (k == lies[i].which ? 2 : 3) * S);
		pool_counters(p, &c);
		for (enum signal_fault f = 0; f < SIGNAL_FAULTS; f++)
			assert_int_equal(c.faults[f], f == lies[i].fault);
		pool_free(p);
	}
}

static void what_was_never_said_is_no_fault_and_a_little_over_one_is_one(void **state)
{
	(void)state;
	uint64_t id;
	struct pool_counters c;
	struct pool *p = one_replica(&id);
	struct signals s = unsaid;
	s.kv_used = 1.04;
	pool_on_scrape(p, id, ENGINE_SGLANG, &s, 2 * S);
	assert_true(replica(p, id)->signals.kv_used == 1);
	assert_true(isnan(replica(p, id)->signals.queued));
	pool_counters(p, &c);
	for (enum signal_fault f = 0; f < SIGNAL_FAULTS; f++)
		assert_int_equal(c.faults[f], 0);
	pool_free(p);
}

static void trust_falls_with_age(void **state)
{
	(void)state;
	static const struct {
		uint64_t at, now;
		float want;
	} rows[] = {
		{ 0, 10 * S, 0 },
		{ 10 * S, 10 * S, 1 },
		{ 10 * S, 11 * S + S / 2, 1 },
		{ 10 * S, 12 * S + S / 4, 0.5 },
		{ 10 * S, 13 * S, 0 },
		{ 10 * S, 99 * S, 0 },
		{ 10 * S, 9 * S, 1 }, /* a clock behind: not old */
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_true(fabsf(signal_trust(3 * S, rows[i].at, rows[i].now) - rows[i].want) < 1e-6f);
}

static uint32_t bound(struct pool *p, uint64_t id, uint64_t now)
{
	pool_lock(p);
	uint32_t b = replica_bound(pool_replica_locked(p, id), pool_options_of(p), now);
	pool_unlock(p);
	return b;
}

static void the_bound_is_given_or_learned_from_an_engine_that_is_full(void **state)
{
	(void)state;
	uint64_t id;
	struct pool *p = one_replica(&id);
	struct pool_options o = pool_options_default();
	struct signals s = unsaid;
	s.queued = 2, s.running = 40;
	pool_on_scrape(p, id, ENGINE_VLLM, &s, 2 * S);
	assert_int_equal(bound(p, id, 2 * S), 0); /* once is chance */
	pool_on_scrape(p, id, ENGINE_VLLM, &s, 3 * S);
	assert_int_equal(bound(p, id, 3 * S), 40);
	s.queued = 0;
	pool_on_scrape(p, id, ENGINE_VLLM, &s, 4 * S);
	assert_int_equal(bound(p, id, 4 * S), 40); /* it did not hold us back: no reason to move it */
	pool_lock(p);
	for (int i = 0; i < 40; i++)
		(void)pool_dispatched_locked(p, pool_replica_locked(p, id), 1, 4 * S);
	pool_unlock(p);
	pool_on_scrape(p, id, ENGINE_VLLM, &s, 5 * S);
	assert_int_equal(bound(p, id, 5 * S), 50); /* it did, and nobody waits there: it can take more */
	assert_int_equal(bound(p, id, 60 * S), 0); /* stale: nothing to go by */
	o.requests_per_replica = 7;
	pool_configure(p, &o);
	assert_int_equal(bound(p, id, 5 * S), 7);
	pool_free(p);
}

static void a_failed_scrape_keeps_the_values_and_their_age(void **state)
{
	(void)state;
	uint64_t id;
	struct pool *p = one_replica(&id);
	struct signals s = unsaid;
	s.queued = 9;
	pool_on_scrape(p, id, ENGINE_VLLM, &s, 2 * S);
	for (uint64_t i = 3; i < 30; i++)
		pool_on_scrape_failed(p, id, i * S);
	struct replica *r = replica(p, id);
	assert_true(r->signals.queued == 9 && r->signal_at[SIGNAL_QUEUED] == 2 * S);
	assert_int_equal(r->scrape_errors, 27);
	assert_int_equal(r->state, REPLICA_NEW); /* never by scrapes alone */
	pool_free(p);
}

static void scrapes_of_unknown_replicas_are_ignored(void **state)
{
	(void)state;
	uint64_t id;
	struct pool *p = one_replica(&id);
	pool_on_scrape(p, id + 4096, ENGINE_VLLM, &unsaid, S);
	pool_on_scrape_failed(p, 0, S);
	pool_on_health(p, 12345, false, S);
	assert_int_equal(pool_on_models(p, 12345, NULL, 0, S), -PS_ENOTFOUND);
	assert_int_equal(pool_removed(p, 12345, S), -PS_ENOTFOUND);
	pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(impossible_values_are_counted_and_the_last_good_one_is_kept),
		cmocka_unit_test(what_was_never_said_is_no_fault_and_a_little_over_one_is_one),
		cmocka_unit_test(trust_falls_with_age),
		cmocka_unit_test(the_bound_is_given_or_learned_from_an_engine_that_is_full),
		cmocka_unit_test(a_failed_scrape_keeps_the_values_and_their_age),
		cmocka_unit_test(scrapes_of_unknown_replicas_are_ignored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
